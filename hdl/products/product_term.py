"""One product on its way into a sum: decoded, multiplied, shifted into place, in the way that a build names."""

from dataclasses import dataclass, replace

from amaranth.hdl import Cat, Const, Module, Signal, Value, signed

from ...formats import Format, Minifloat
from .align import Shift, align, is_shifted
from .decode import Operand, as_signed
from .pipeline import CUTS, Pipeline
from .recoding import controls, recoded_rows, recoding
from .significand_product import PRODUCTS, ProductRow, booth_rows, significand_product, sum_rows
from .truth_table import truth_table

__all__ = ["MAX_PIPELINE", "Build", "Term", "make_term"]


MAX_PIPELINE = 3
"""Most register stages of a unit."""

REGISTERS = {
    "aligned": ("align", "product"),
    "rows": ("partial", "align"),
    "sums": ("sums", "align"),
    "chains": ("chain", "total"),
    "shifted": ("align", "chain"),
}
"""The cuts that the second and the third register stage are at, by what these hold."""

ADDED = ("chains", "shifted")
"""What registers hold only where products are added in another way than a tree."""

SUMS = ("tree", "chains", "signs")
"""Ways to add the products of several lanes."""

CHAIN = 8
"""Lanes to a chain, where the clock has the time."""


@dataclass(frozen=True)
class Build:
    """One way to build the product of two formats in hardware; every way gives the same bits.

    An ``Arithmetic`` says what is computed and in how many cycles a product; a build says how it is made: with which
    logic, in how many register stages, by DSP blocks or not, and so for which FPGA family.

    Parameters
    ----------
    product: how significands are multiplied, a key of ``PRODUCTS``; or ``whole``, one truth table from codes to
        product; or ``recoded``, where the weight is a table that has a recoding
    group: positions that the fine shift covers, a power of two
    registers: what the second register stage holds, one of ``REGISTERS``: the ``aligned`` product, or for ``booth`` and
        ``recoded`` its ``rows`` (a register's reset then makes the zero digits for free) or their ``sums`` by pairs
        (faster); where products are added in another way than a tree, the ``chains`` (or sums of four lanes), or the
        ``shifted`` products before them
    tree: whether rows are summed as a balanced tree, faster, rather than one after the other
    apart: whether registers before an adder of several products stay out of DSP blocks. yosys 0.70's ``ice40_dsp``
        takes such a register into the block of either product, and then one of the two products is lost
    pipeline: register stages, 0 to 3
    short_paths: whether an engine around the products is built for a fast clock as well: with a second register behind
        the memories of operands, a buffer at the output, and loops that know their next step
    shares_cells: whether a register takes a logic cell of its own, unless the LUT before it drives nothing else, see
        ``Family``; an array then holds its sums another way
    sums: how products of several lanes are added, one of ``SUMS``: in a ``tree`` of two's complement, in ``chains``
        whose adders take in the logic of a product's last level, or by relative ``signs``, of products that have
        their signs apart
    chain: lanes to a chain; 1 for a tree of rows of unsigned numbers, where adders take in no logic
    integers: whether minifloats become integers before they are multiplied
    """

    product: str
    group: int = 8
    registers: str = "aligned"
    tree: bool = False
    apart: bool = False
    pipeline: int = 2
    short_paths: bool = False
    shares_cells: bool = False
    sums: str = "tree"
    chain: int = CHAIN
    integers: bool = False

    def __post_init__(self) -> None:
        if self.product not in ("whole", "recoded", *PRODUCTS):
            raise ValueError(f"product must be one of whole, recoded, {', '.join(PRODUCTS)}, not {self.product!r}")
        if self.group < 1 or self.group & (self.group - 1):
            raise ValueError(f"group must be a power of two, not {self.group!r}")
        if self.registers not in REGISTERS:
            raise ValueError(f"registers must be one of {', '.join(REGISTERS)}, not {self.registers!r}")
        if self.registers in ("rows", "sums") and self.product not in ("booth", "recoded"):
            raise ValueError(f"registers must be 'aligned' for {self.product!r}, not {self.registers!r}")
        if self.sums not in SUMS:
            raise ValueError(f"sums must be one of {', '.join(SUMS)}, not {self.sums!r}")
        if self.chain < 1:
            raise ValueError(f"chain must be 1 or more, not {self.chain!r}")
        if self.registers in ADDED and self.sums == "tree":
            raise ValueError(f"registers must be aligned, rows or sums for sums 'tree', not {self.registers!r}")
        if self.pipeline not in range(MAX_PIPELINE + 1):
            raise ValueError(f"pipeline must be 0 to {MAX_PIPELINE}, not {self.pipeline!r}")

    @property
    def dsp(self) -> bool:
        """Whether multiplications are left to the synthesizer, for its DSP blocks."""
        return self.product == "operator"

    def makes_integer(self, format: Format) -> bool:
        """Whether codes of that format are multiplied as integers in two's complement, and not so decoded anyway."""
        return self.integers and isinstance(format, Minifloat)

    def keeps_apart(self, terms: int) -> bool:
        """Whether that many products have registers that have to stay out of DSP blocks."""
        return self.dsp and self.apart and terms > 1

    @property
    def of_one_product(self) -> "Build":
        """The build of a product that is not added to others."""
        if self.sums == "tree":
            return self
        registers = "aligned" if self.registers in ADDED else self.registers
        return replace(self, sums="tree", registers=registers)

    @property
    def cuts(self) -> tuple[str, ...]:
        """The cuts that hold registers."""
        return ("input", *REGISTERS[self.registers])[: self.pipeline]


@dataclass(frozen=True)
class Term:
    """A product on its way into a sum, in the form that the sum's build takes it in.

    Members
    -------
    addend, carry: the product is ``addend + carry`` in two's complement; or of a magnitude with a ``sign``,
        ``(-1)**sign * addend``
    specials: the flags of what is special about it, by name
    rows: where the build adds rows of all lanes, the rows whose sum it is; ``addend`` is then nothing
    """

    addend: Value
    carry: Value | None
    specials: dict[str, Value]
    sign: Value | None = None
    rows: tuple[ProductRow, ...] = ()


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
    rows = _rows_apart(m, pipeline, build, weight_format, *operands)
    if rows:
        return Term(Const(0, 1), None, _special_product(m, pipeline, *operands), rows=rows)
    carry = None
    if build.product == "whole":
        body, negate = _whole_table(m, weight_format, activation_format, operands)
        shift = None
    elif build.product == "recoded":
        shift = _total_shift(m, operands, activation_format.max_shift)
        late_carry = build.registers != "aligned" and shift is None
        body, carry = _recoded(m, pipeline, build, weight_format, weight, activation, late_carry)
        negate, shift = _cross_rows(pipeline, None, shift)
    else:
        (w, a), negate = _common_signedness(m, operands)
        long, short = (w, a) if len(w) >= len(a) else (a, w)
        shift = _total_shift(m, operands, weight_format.max_shift + activation_format.max_shift)
        apart = apart and not is_shifted(shift)
        # A carry that is not shifted goes in at the accumulator's own adder.
        late_carry = build.registers != "aligned" and shift is None and long.shape().signed
        body, carry = significand_product(
            m, pipeline, build.product, long, short, tree=build.tree, late_carry=late_carry
        )
        negate, shift = _cross_rows(pipeline, negate, shift)
    body = pipeline.cross("product", "body", body, apart=apart)
    carry = pipeline.cross("product", "carry", carry)
    negate, shift = _cross_both(pipeline, "product", negate, shift)
    if build.sums == "signs" and negate is not None:
        addend, _ = align(m, pipeline, body, None, shift, build.group, width, apart)
        sign = pipeline.cross("align", "negate", negate)
        return Term(addend, None, _special_product(m, pipeline, *operands), sign=sign)
    coded = build.sums == "chains"
    addend, negate = align(m, pipeline, body, negate, shift, build.group, width, apart, coded)
    carry = pipeline.cross("align", "carry", carry) if negate is None else negate
    return Term(addend, carry, _special_product(m, pipeline, *operands))


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
    (w, a), negate = _common_signedness(m, (weight, activation))
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


def _common_signedness(m: Module, operands: tuple[Operand, Operand]) -> tuple[tuple[Value, Value], Value | None]:
    """Both significands unsigned and the sign of their product, or both as two's complement where either is that
    already."""
    weight, activation = operands
    if weight.significand.shape().signed or activation.significand.shape().signed:
        return (as_signed(m, weight, "weight"), as_signed(m, activation, "activation")), None
    signs = [operand.sign for operand in operands if operand.sign is not None]
    negate = signs[0] ^ signs[1] if len(signs) == 2 else signs[0] if signs else None
    return (weight.significand, activation.significand), negate


def _total_shift(m: Module, operands: tuple[Operand, Operand], reach: int) -> Shift | None:
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
    significands, negate = _common_signedness(m, operands)
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


def _special_product(m: Module, pipeline: Pipeline, weight: Operand, activation: Operand) -> dict[str, Value]:
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
