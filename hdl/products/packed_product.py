"""Several products by one multiplication, as terms of a sum: factors are put together and results taken apart."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed

from ...formats import Format
from .decode import Operand, as_signed
from .packing import SummedPacking, factor_bits, integer_bits
from .pipeline import Pipeline
from .truth_table import truth_table

__all__ = ["factor_of", "integer_of", "products_apart", "summed_products"]

MAX_TABLE_BITS = 7
"""Bits of an operand's fields that become its integer by a truth table."""

MAX_BORROW_BITS = 5
"""Longest operand that a borrow is taken from by truth tables."""


def summed_products(
    m: Module,
    pipeline: Pipeline,
    packing: SummedPacking,
    weight_format: Format,
    activation_format: Format,
    operands: Sequence[tuple[Operand, Operand]],
    apart: bool,
) -> tuple[Value, Value]:
    """The sum of the products of all ``operands``, ``packing.products`` or fewer, as ``(value, carry)``, behind all
    cuts of the pipeline; ``apart`` keeps its registers out of DSP blocks."""
    weights = [integer_of(m, weight_format, weight, f"weight{k}") for k, (weight, _) in enumerate(operands)]
    activations = [integer_of(m, activation_format, each, f"activation{k}") for k, (_, each) in enumerate(operands)]
    idle = [Const(0, signed(1))] * (packing.products - len(operands))
    factors = []
    for name, format, integers in (
        ("weights", weight_format, weights + idle),
        ("activations", activation_format, (activations + idle)[::-1]),
    ):
        factor = Signal(signed(factor_bits(format, packing)), name=name)
        m.d.comb += factor.eq(factor_of(m, integers, packing.step, name))
        factors.append(_late(pipeline, name, factor))
    parity: Value = Const(0, 1)
    for weight, activation in zip(weights[1:], activations, strict=False):
        parity = parity ^ (weight[0] & activation[0])
    product = Signal((factors[0] * factors[1]).shape(), name="packed_product")
    m.d.comb += product.eq(factors[0] * factors[1])
    # The top bit's correction crosses the cuts by itself: registers of the product may then go into the block.
    found = product[packing.lsb - 1 : packing.lsb + packing.width]
    parity = parity if packing.overlaps else None
    for cut in ("partial", "sums"):
        parity = pipeline.cross(cut, "parity", parity)
    for cut in ("product", "align"):
        found = pipeline.cross(cut, "packed", found, apart=apart)
        parity = pipeline.cross(cut, "parity", parity)
    if parity is not None:
        found = Cat(found[:-1], found[-1] ^ parity)
    return found[1:].as_signed(), found[0]


def products_apart(m: Module, pipeline: Pipeline, step: int, pairs: Sequence[tuple[Value, Value]]) -> list[Value]:
    """The products of two pairs of unsigned significands, which cross the cuts before the product."""
    factors = []
    for name, low, high in zip(("weights", "activations"), *pairs, strict=True):
        factor = _late(pipeline, name, Cat(low, Const(0, step - len(low)), high))
        factors.append(factor)
    product = Signal(len(factors[0]) + len(factors[1]), name="packed_product")
    m.d.comb += product.eq(factors[0] * factors[1])
    lengths = [len(w) + len(a) for w, a in pairs]
    return [product[: lengths[0]], product[2 * step :][: lengths[1]]]


def integer_of(m: Module, format: Format, operand: Operand, name: str) -> Value:
    """The integer that a finite operand is, in two's complement."""
    if operand.exponent is None:
        return as_signed(m, operand, name)
    bits = integer_bits(format)
    significand, exponent, sign = operand.significand, operand.exponent, operand.sign
    fields = Cat(significand, exponent, *([] if sign is None else [sign]))
    integer = Signal(signed(bits), name=f"{name}_integer")

    def value(code: int) -> int:
        magnitude = code & (1 << len(significand)) - 1
        shift = (code >> len(significand) & (1 << len(exponent)) - 1) - operand.exponent_offset
        # An exponent below the offset is none that a decoder gives.
        magnitude <<= max(0, shift)
        return -magnitude if code >> len(significand) + len(exponent) else magnitude

    if len(fields) <= MAX_TABLE_BITS:
        m.d.comb += integer.eq(truth_table(fields, value, bits))
        return integer
    magnitude = Signal(bits, name=f"{name}_magnitude")
    m.d.comb += magnitude.eq((significand << exponent) >> operand.exponent_offset)
    m.d.comb += integer.eq(magnitude if sign is None else Mux(sign, -magnitude, magnitude))
    return integer


def factor_of(m: Module, integers: Sequence[Value], step: int, name: str) -> Value:
    """The operands as one number, the first in the lowest bits. A negative one borrows one from the next."""
    parts, borrow = [], None
    for k, integer in enumerate(integers):
        part = integer if borrow is None else _less(m, integer, borrow, f"{name}{k}")
        parts.append(part)
        borrow = part[-1]
    low = [Cat(part, part[-1].replicate(step - len(part))) for part in parts[:-1]]
    return Cat(*low, parts[-1]).as_signed()


def _less(m: Module, integer: Value, borrow: Value, name: str) -> Value:
    """``integer - borrow``, a bit longer."""
    less = Signal(signed(len(integer) + 1), name=name)
    if len(integer) <= MAX_BORROW_BITS:
        half = 1 << len(integer) - 1
        size = 2 * half

        def value(code: int) -> int:
            number = (code % size ^ half) - half
            return number - (code >> len(integer))

        m.d.comb += less.eq(truth_table(Cat(integer, borrow), value, len(less)))
    else:
        m.d.comb += less.eq(integer - borrow)
    return less


def _late(pipeline: Pipeline, name: str, factor: Value) -> Value:
    """The factor behind the cuts before the product."""
    for cut in ("partial", "sums"):
        factor = pipeline.cross(cut, name, factor)
    return factor
