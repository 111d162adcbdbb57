"""The products of some weights by some activations, each by each, by one multiplication."""

from collections.abc import Sequence
from dataclasses import replace

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed

from ...formats import Format
from .decode import Operand
from .packed_product import MAX_TABLE_BITS, factor_of, integer_of
from .packing import GridPacking, grid_bits
from .pipeline import Pipeline
from .truth_table import truth_table

__all__ = ["grid_operand", "grid_products"]


def grid_operand(m: Module, packing: GridPacking, format: Format, operand: Operand, name: str) -> Operand:
    """The operand in the form that the packing multiplies."""
    if packing.operands == "significands":
        return operand
    if packing.signed:
        return replace(operand, significand=integer_of(m, format, operand, name), sign=None, exponent=None)
    if operand.exponent is not None:
        return replace(operand, significand=_shifted(m, format, operand, name), exponent=None)
    significand = operand.significand
    if not significand.shape().signed:
        return operand
    magnitude = Signal(_magnitude_bits(format), name=f"{name}_magnitude")
    m.d.comb += magnitude.eq(Mux(significand[-1], -significand, significand))
    return replace(operand, significand=magnitude, sign=significand[-1])


def _magnitude_bits(format: Format) -> int:
    # An integer in two's complement has its least number, even where the format leaves that out.
    return max(max(-format.min_integer, format.max_integer).bit_length(), format.width - 1)


def _shifted(m: Module, format: Format, operand: Operand, name: str) -> Value:
    """The significand in its place."""
    significand, exponent = operand.significand, operand.exponent
    assert exponent is not None
    fields = Cat(significand, exponent)
    magnitude = Signal(format.max_integer.bit_length(), name=f"{name}_magnitude")

    def value(code: int) -> int:
        shift = (code >> len(significand)) - operand.exponent_offset
        # An exponent below the offset is none that a decoder gives.
        return (code & (1 << len(significand)) - 1) << max(0, shift)

    if len(fields) <= MAX_TABLE_BITS:
        m.d.comb += magnitude.eq(truth_table(fields, value, len(magnitude)))
    else:
        m.d.comb += magnitude.eq((significand << exponent) >> operand.exponent_offset)
    return magnitude


def grid_products(
    m: Module,
    pipeline: Pipeline,
    packing: GridPacking,
    formats: tuple[Format, Format],
    weights: Sequence[Value],
    activations: Sequence[Value],
) -> list[list[tuple[Value, Value | None]]]:
    """The products as ``(value, carry)``, by activations and then by weights, behind the cuts before the product.

    Parameters
    ----------
    formats: of weights and activations
    weights, activations: as ``grid_operand`` makes them, as many as the packing has columns and rows
    """
    steps = packing.weight_step, packing.activation_step
    factors = []
    for name, operands, step, bits in zip(
        ("weights", "activations"), (weights, activations), steps, grid_bits(packing, *formats), strict=True
    ):
        factor: Value
        if packing.signed:
            factor = Signal(signed(bits), name=name)
            m.d.comb += factor.eq(factor_of(m, operands, step, name))
        else:
            low = [Cat(operand, Const(0, step - len(operand))) for operand in operands[:-1]]
            factor = Cat(*low, operands[-1])
        for cut in ("partial", "sums"):
            factor = pipeline.cross(cut, name, factor)
        factors.append(factor)
    product = Signal((factors[0] * factors[1]).shape(), name="grid_product")
    m.d.comb += product.eq(factors[0] * factors[1])
    places = [[r * steps[1] + c * steps[0] for c in range(packing.columns)] for r in range(packing.rows)]
    return [[_coefficient(product, place, packing) for place in row] for row in places]


def _coefficient(product: Value, place: int, packing: GridPacking) -> tuple[Value, Value | None]:
    digits = product[place:][: packing.step]
    if not packing.signed:
        return digits, None
    return digits.as_signed(), product[place - 1] if place else None
