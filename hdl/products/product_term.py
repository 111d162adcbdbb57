"""One product on its way into a sum: decoded, multiplied, shifted into place, in the way that a build names."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Signal, Value, signed

from ...formats import Format
from .align import Shift, align, is_shifted
from .build import Build
from .decode import Operand, as_signed
from .digits import Digit, digits_of
from .gated_rows import GatedRow, gated_product, gated_rows
from .pipeline import CUTS, Pipeline
from .recoding import controls, recoded_rows, recoding
from .significand_product import ProductRow, booth_rows, significand_product, sum_rows
from .truth_table import truth_table

__all__ = [
    "Term",
    "common_signedness",
    "is_shifted_product",
    "make_term",
    "sign_of_product",
    "special_product",
    "term_of_product",
    "total_shift",
]


@dataclass(frozen=True)
class Term:
    """A product on its way into a sum, in the form that the sum's build takes it in.

    Members
    -------
    addend, carry: the product is ``addend + carry`` in two's complement; or of a magnitude with a ``sign``,
        ``(-1)**sign * addend``
    specials: the flags of what is special about it, by name
    rows, gated, digits: where the build adds rows or digits of all lanes, those whose sum it is; ``addend`` is then
        nothing
    products: of how many products it is the sum
    """

    addend: Value
    carry: Value | None
    specials: dict[str, Value]
    sign: Value | None = None
    rows: tuple[ProductRow, ...] = ()
    gated: tuple[GatedRow, ...] = ()
    digits: tuple[Digit, ...] = ()
    products: int = 1


def make_term(
    m: Module,
    pipeline: Pipeline,
    build: Build,
    weight_format: Format,
    activation_format: Format,
    weight: Operand,
    activation: Operand,
    width: int,
    apart: bool = False,
) -> Term:
    """The product of two decoded codes as an addend of ``width`` bits, behind the cuts ``partial``, ``sums``,
    ``product`` and ``align``; ``apart`` keeps registers of the product out of DSP blocks, unless it is shifted."""
    operands = weight, activation
    if build.sums == "gated":
        assert weight.exponent is None and activation.exponent is None
        integers = [
            operand.significand if operand.sign is None else as_signed(m, operand, name)
            for operand, name in zip(operands, ("weight", "activation"), strict=True)
        ]
        gated = gated_rows(*sorted(integers, key=len, reverse=True))
        return Term(Const(0, 1), None, special_product(m, pipeline, *operands), gated=gated)
    if build.sums == "digits":
        (w, a), _ = common_signedness(m, operands)
        digits = digits_of(*sorted((w, a), key=len, reverse=True))
        return Term(Const(0, 1), None, special_product(m, pipeline, *operands), digits=digits)
    rows = _rows_apart(m, pipeline, build, weight_format, *operands)
    if rows:
        return Term(Const(0, 1), None, special_product(m, pipeline, *operands), rows=rows)
    carry = None
    if build.product == "whole":
        body, negate = _whole_table(m, weight_format, activation_format, operands)
        shift = None
    elif build.product == "recoded":
        shift = total_shift(m, operands, activation_format.max_shift)
        late_carry = build.registers != "aligned" and shift is None
        body, carry = _recoded(m, pipeline, build, weight_format, weight, activation, late_carry)
        negate, shift = _cross_rows(pipeline, None, shift)
    else:
        (w, a), negate = common_signedness(m, operands)
        long, short = (w, a) if len(w) >= len(a) else (a, w)
        shift = total_shift(m, operands, weight_format.max_shift + activation_format.max_shift)
        apart = apart and not is_shifted(shift)
        # A carry that is not shifted goes in at the accumulator's own adder.
        late_carry = build.registers != "aligned" and shift is None and long.shape().signed
        if build.product == "gated":
            body = Signal((long * short).shape(), name="gated_product")
            m.d.comb += body.eq(gated_product(m, long, short, build.cell))
        else:
            body, carry = significand_product(
                m, pipeline, build.product, long, short, tree=build.tree, late_carry=late_carry
            )
        negate, shift = _cross_rows(pipeline, negate, shift)
    body = pipeline.cross("product", "body", body, apart=apart)
    return _aligned(m, pipeline, build, operands, body, carry, negate, shift, width, apart)


def term_of_product(
    m: Module,
    pipeline: Pipeline,
    build: Build,
    formats: tuple[Format, Format],
    operands: tuple[Operand, Operand],
    body: Value,
    negate: Value | None,
    width: int,
    apart: bool,
    held: str,
) -> Term:
    """A product of significands on the rest of its way. It stands behind the cut ``sums``, and has crossed ``held``,
    ``product`` or ``align``, besides; the latter only where it is not shifted."""
    shift = total_shift(m, operands, sum(format.max_shift for format in formats))
    apart = apart and not is_shifted(shift)
    negate, shift = _cross_rows(pipeline, negate, shift)
    body = body if held == "product" else pipeline.cross("product", "body", body, apart=apart)
    return _aligned(m, pipeline, build, operands, body, None, negate, shift, width, apart, held == "align")


def is_shifted_product(operands: tuple[Operand, Operand], formats: tuple[Format, Format]) -> bool:
    """Whether the product of significands is shifted on its way."""
    return any(operand.exponent is not None for operand in operands) and any(format.max_shift for format in formats)


def _aligned(
    m: Module,
    pipeline: Pipeline,
    build: Build,
    operands: tuple[Operand, Operand],
    body: Value,
    carry: Value | None,
    negate: Value | None,
    shift: Shift | None,
    width: int,
    apart: bool,
    held: bool = False,
) -> Term:
    """The term of a product that stands behind the cut ``product``, or ``align`` where ``held``, while all else stands
    before ``product``."""
    carry = pipeline.cross("product", "carry", carry)
    negate, shift = _cross_both(pipeline, "product", negate, shift)
    if build.sums in ("signs", "turned") and negate is not None:
        addend, _ = align(m, pipeline, body, None, shift, build.group, width, apart, held=held)
        sign = pipeline.cross("align", "negate", negate)
        return Term(addend, None, special_product(m, pipeline, *operands), sign=sign)
    coded = build.sums == "chains"
    addend, negate = align(m, pipeline, body, negate, shift, build.group, width, apart, coded, held)
    carry = pipeline.cross("align", "carry", carry) if negate is None else negate
    return Term(addend, carry, special_product(m, pipeline, *operands))


def _rows_apart(
    m: Module,
    pipeline: Pipeline,
    build: Build,
    weight_format: Format,
    weight: Operand,
    activation: Operand,
) -> tuple[ProductRow, ...]:
    """The rows of a product that is added row by row; none where it is added as a whole, as it is where it is shifted,
    or has its sign apart."""
    if build.sums != "chains" or build.product not in ("booth", "recoded"):
        return ()
    if activation.exponent is not None:
        return ()
    if build.product == "recoded":
        how = recoding(weight_format)
        assert how is not None
        digits = controls(m, weight_format, weight.code, "weight") if weight.digits is None else weight.digits
        return tuple(recoded_rows(m, pipeline, as_signed(m, activation, "activation"), digits, how))
    if weight.exponent is not None:
        return ()
    (w, a), negate = common_signedness(m, (weight, activation))
    if negate is not None:
        return ()
    return tuple(booth_rows(*((w, a) if len(w) >= len(a) else (a, w))))


def _recoded(
    m: Module,
    pipeline: Pipeline,
    build: Build,
    weight_format: Format,
    weight: Operand,
    activation: Operand,
    late_carry: bool,
) -> tuple[Value, Value | None]:
    """The product of a recoded weight, as ``significand_product`` gives it."""
    how = recoding(weight_format)
    assert how is not None
    digits = controls(m, weight_format, weight.code, "weight") if weight.digits is None else weight.digits
    other = as_signed(m, activation, "activation")
    rows = recoded_rows(m, pipeline, other, digits, how)
    return sum_rows(m, pipeline, rows, signed(len(other) + how.bits), tree=build.tree, late_carry=late_carry)


def _cross_rows(pipeline: Pipeline, negate: Value | None, shift: Shift | None) -> tuple[Value | None, Shift | None]:
    for cut in ("partial", "sums"):
        negate, shift = _cross_both(pipeline, cut, negate, shift)
    return negate, shift


def _cross_both(
    pipeline: Pipeline, cut: str, negate: Value | None, shift: Shift | None
) -> tuple[Value | None, Shift | None]:
    if shift is not None:
        shift = Shift(pipeline.cross(cut, "shift", shift.amount), shift.offset, shift.largest)
    return pipeline.cross(cut, "negate", negate), shift


def common_signedness(m: Module, operands: tuple[Operand, Operand]) -> tuple[tuple[Value, Value], Value | None]:
    """Both significands unsigned and the sign of their product, or both as two's complement where either is that
    already."""
    weight, activation = operands
    if weight.significand.shape().signed or activation.significand.shape().signed:
        return (as_signed(m, weight, "weight"), as_signed(m, activation, "activation")), None
    return (weight.significand, activation.significand), sign_of_product(operands)


def sign_of_product(operands: tuple[Operand, Operand]) -> Value | None:
    """The sign of a product of magnitudes, None where it has none."""
    signs = [operand.sign for operand in operands if operand.sign is not None]
    return signs[0] ^ signs[1] if len(signs) == 2 else signs[0] if signs else None


def total_shift(m: Module, operands: tuple[Operand, Operand], reach: int) -> Shift | None:
    present = [(operand.exponent, operand.exponent_offset) for operand in operands if operand.exponent is not None]
    if not present:
        return None
    offset = sum(offset for _, offset in present)
    amount = Signal(range(offset + reach + 1), name="amount")
    total: Value = Const(0, 1)
    for exponent, _ in present:
        total = total + exponent
    m.d.comb += amount.eq(total)
    return Shift(amount, offset, offset + reach)


def _whole_table(
    m: Module,
    weight_format: Format,
    activation_format: Format,
    operands: tuple[Operand, Operand],
) -> tuple[Value, Value | None]:
    """The product as one truth table of both codes, less their sign bits where the product's sign is only their XOR."""
    significands, negate = common_signedness(m, operands)
    is_signed = significands[0].shape().signed
    codes = [operand.code if is_signed or operand.sign is None else operand.code[:-1] for operand in operands]
    split = len(codes[0])

    def multiply(code: int) -> int:
        return _integer(weight_format, code & ((1 << split) - 1)) * _integer(activation_format, code >> split)

    # Over all bit patterns, the one that a symmetric integer leaves out too: it reads as a number like any other.
    products = [multiply(code) for code in range(1 << sum(len(code) for code in codes))]
    bits = max(max(products).bit_length(), (-min(products) - 1).bit_length())
    body = Signal(signed(bits + 1) if min(products) < 0 else max(1, bits), name="body")
    m.d.comb += body.eq(truth_table(Cat(*codes), multiply, len(body)))
    return body, negate


def _integer(format: Format, code: int) -> int:
    return 0 if format.special(code) else format.integer(code)


def special_product(m: Module, pipeline: Pipeline, weight: Operand, activation: Operand) -> dict[str, Value]:
    """NaN, positive and negative infinity of the product, by IEEE 754-2019, 6.1 and 7.2."""
    nans = [operand.nan for operand in (weight, activation) if operand.nan is not None]
    infinities = []
    for one, other in ((weight, activation), (activation, weight)):
        if one.infinity is not None:
            infinities.append(one.infinity)
            nans.append(one.infinity & ~other.significand.any())
    flags: dict[str, Value] = {}
    if nans:
        flags["nan"] = Cat(*nans).any()
    if infinities:
        negative = weight.negative ^ activation.negative
        infinite = Cat(*infinities).any() & ~flags["nan"]
        flags |= {"positive_infinity": infinite & ~negative, "negative_infinity": infinite & negative}
    for cut in CUTS[1:]:
        flags = {name: pipeline.cross(cut, name, flag) for name, flag in flags.items()}
    return flags
