"""Packings: how several products are made by one multiplication, of factors that hold several operands each.

A multiplier of DSP blocks is much wider than few-bit operands. Two polynomials whose coefficients are operands, at
``x = 2**step``, are multiplied by it, and products or their sums are coefficients of the result. A packing says which
ones, and what corrects the digits that one coefficient takes from the next.

- ``SummedPacking``: a dot product of some lanes in two's complement. With the weights in one order and the activations
  in the other, the sum of their products is the middle coefficient.
- ``ApartPacking``: two products of unsigned significands, which may still be shifted each by itself. They are the
  first and the last coefficient.
- ``HalvesPacking``: two products by a block that has a mode for them.
- ``GridPacking``: the products of one or two weights and one or two activations, each weight by each activation, which
  elements of an array have in neighbouring rows and columns. All coefficients are products.
"""

from dataclasses import dataclass

from amaranth.hdl import Shape

from ...families import DspBlock
from ...formats import Format
from .decode import is_twos_complement, operand_layout

__all__ = [
    *("ApartPacking", "GridPacking", "HalvesPacking", "Packing", "SummedPacking"),
    *("factor_bits", "find_grid", "find_packing", "grid_bits", "integer_bits", "product_bits"),
]

MAX_SUMMED = 4
"""Most products in one multiplication."""

MAX_INTEGER_BITS = 8
"""Longest operand that is taken as an integer; longer ones leave no room for a second in any block."""


@dataclass(frozen=True)
class SummedPacking:
    """The sum of n products as a coefficient of ``(w0 + w1 x + ...) * (a0 x**(n - 1) + a1 x**(n - 2) + ...)``.

    All below the sum is a number in two's complement that lies within its digits: where it is negative, it has
    borrowed one from the sum, which its top bit says. Of a sum that is a bit too long for its place (``overlaps``), the
    top bit has met the lowest bit of the next coefficient, the parity of which is known from the operands.

    Parameters
    ----------
    products: n, operands in a factor, 2 to ``MAX_SUMMED``
    step: bits from one operand to the next
    overlaps: whether the top bit of the sum is corrected
    """

    products: int
    step: int
    overlaps: bool

    @property
    def width(self) -> int:
        """Bits of the sum."""
        return self.step + self.overlaps

    @property
    def lsb(self) -> int:
        """Where the sum begins; the bit below is the borrow."""
        return (self.products - 1) * self.step


@dataclass(frozen=True)
class ApartPacking:
    """The products ``w0 * a0`` and ``w1 * a1`` as coefficients of ``(w0 + w1 x) * (a0 + a1 x)``.

    No operand is negative, and each coefficient has all digits that it needs, so that there is nothing to correct.

    Parameters
    ----------
    step: bits from one operand to the next
    """

    step: int

    products = 2


@dataclass(frozen=True)
class HalvesPacking:
    """The products ``w0 * a0`` and ``w1 * a1`` by the two halves of a block, each of factors of ``bits`` bits."""

    bits: int

    products = 2


@dataclass(frozen=True)
class GridPacking:
    """The products of ``columns`` weights by ``rows`` activations, each by each, as the coefficients of
    ``(w0 + w1 y) * (a0 + a1 x)``.

    Operands are integers in two's complement, integers' magnitudes, or significands that are still to be shifted. In
    two's complement, all below a product is a number that lies within its digits: where it is negative, it has borrowed
    one from the product, which its top bit says. Of the others, signs are apart, and there is nothing to correct: both
    factors are operands with zeros between them.

    Parameters
    ----------
    rows, columns: how many activations and weights, 1 or 2 each
    operands: one of ``GRID_OPERANDS``
    step: digits of a product
    by_columns: whether ``y`` is ``2**step``, and ``x`` that for each of the columns; or the other way around
    """

    rows: int
    columns: int
    operands: str
    step: int
    by_columns: bool

    @property
    def products(self) -> int:
        """Of a multiplication, of which every element of an array has one."""
        return self.rows * self.columns

    @property
    def signed(self) -> bool:
        """Whether operands are in two's complement."""
        return self.operands == "signed"

    @property
    def weight_step(self) -> int:
        """Bits from one weight to the next."""
        return self.step * (1 if self.by_columns else self.rows)

    @property
    def activation_step(self) -> int:
        """Bits from one activation to the next."""
        return self.step * (self.columns if self.by_columns else 1)


Packing = SummedPacking | ApartPacking | HalvesPacking | GridPacking

GRID_OPERANDS = ("signed", "magnitudes", "significands")
"""What a grid multiplies, the smallest way first."""

GRIDS = ((2, 2), (2, 1), (1, 2))
"""Rows and columns of elements that may share a block, the best first."""


def find_packing(weight: Format, activation: Format, block: DspBlock, lanes: int) -> Packing | None:
    """The packing that takes the fewest blocks for so many products, or None where a block holds only one of them.

    Of those with as many products a block, a sum comes first, since it spares an adder, and then what is a plain
    multiplication.
    """
    summed = [_summed(weight, activation, block, count) for count in range(min(MAX_SUMMED, lanes), 1, -1)]
    found: list[Packing] = [packing for packing in summed if packing is not None]
    if lanes > 1:
        found += filter(None, (_apart(weight, activation, block), _halves(weight, activation, block)))
    return min(found, key=lambda packing: -(-lanes // packing.products), default=None)


def find_grid(weight: Format, activation: Format, block: DspBlock, rows: int, columns: int) -> GridPacking | None:
    """The packing by which most elements of an array of so many rows and columns share a block, or None."""
    for grid in GRIDS:
        if grid[0] > rows or grid[1] > columns:
            continue
        for operands in GRID_OPERANDS:
            for by_columns in (False, True):
                packing = _grid(weight, activation, grid, operands, by_columns)
                if packing is not None and _holds_grid(packing, weight, activation, block):
                    return packing
    return None


def _grid(
    weight: Format, activation: Format, grid: tuple[int, int], operands: str, by_columns: bool
) -> GridPacking | None:
    formats = weight, activation
    if operands == "significands":
        if any(map(is_twos_complement, formats)) or not weight.max_shift + activation.max_shift:
            return None
        step = sum(_significand(format).width for format in formats)
    else:
        if not all(format.finite for format in formats) or max(map(integer_bits, formats)) > MAX_INTEGER_BITS:
            return None
        corners = [w * a for w in _ends(weight) for a in _ends(activation)]
        signed = operands == "signed"
        step = _bits(min(corners) - 1, max(corners)) if signed else max(map(abs, corners)).bit_length()
    return GridPacking(*grid, operands, step, by_columns)


def _holds_grid(packing: GridPacking, weight: Format, activation: Format, block: DspBlock) -> bool:
    return block.holds(*grid_bits(packing, weight, activation), signed=packing.signed)


def grid_bits(packing: GridPacking, weight: Format, activation: Format) -> tuple[int, int]:
    """Bits of the factors of weights and activations of a grid, in two's complement where operands are."""
    found = []
    for format, count, step in (
        (weight, packing.columns, packing.weight_step),
        (activation, packing.rows, packing.activation_step),
    ):
        places = sum(1 << k * step for k in range(count))
        least, most = _ends(format)
        if packing.signed:
            found.append(_bits(least * places, most * places))
        else:
            magnitude = max(-least, most)
            bits = _significand(format).width if packing.operands == "significands" else magnitude.bit_length()
            found.append((count - 1) * step + bits)
    return found[0], found[1]


def integer_bits(format: Format) -> int:
    """Bits of a format's integers in two's complement."""
    return _bits(*_ends(format))


def product_bits(weight: Format, activation: Format) -> tuple[int, int, int]:
    """Bits of the factors of a product of significands, as they are multiplied, and of the product."""
    shapes = [_significand(format) for format in (weight, activation)]
    signed = any(shape.signed for shape in shapes)
    w, a = (shape.width + (signed and not shape.signed) for shape in shapes)
    if not signed or weight.max_shift + activation.max_shift:
        return w, a, w + a
    corners = [one * other for one in _ends(weight) for other in _ends(activation)]
    return w, a, min(w + a, _bits(min(corners), max(corners)))


def _summed(weight: Format, activation: Format, block: DspBlock, count: int) -> SummedPacking | None:
    if not (weight.finite and activation.finite):
        return None
    formats = weight, activation
    if max(map(integer_bits, formats)) > MAX_INTEGER_BITS:
        return None
    for overlaps in (False, True):
        for step in range(1, max(block.bits)):
            packing = SummedPacking(count, step, overlaps)
            if _sums(packing, formats) and block.holds(factor_bits(weight, packing), factor_bits(activation, packing)):
                return packing
    return None


def _sums(packing: SummedPacking, formats: tuple[Format, Format]) -> bool:
    """Whether the sum is exact for all operands."""
    corners = [w * a for w in _ends(formats[0]) for a in _ends(formats[1])]
    least, most = min(corners), max(corners)
    below = [sum((k + 1) * end << k * packing.step for k in range(packing.products - 1)) for end in (least, most)]
    half, room = 1 << packing.lsb - 1, 1 << packing.width - 1
    n = packing.products
    return -half <= below[0] and below[1] < half and -room <= n * least - 1 and n * most < room


def factor_bits(format: Format, packing: SummedPacking) -> int:
    """Bits of a factor of a sum, in two's complement."""
    places = sum(1 << k * packing.step for k in range(packing.products))
    least, most = _ends(format)
    return _bits(least * places, most * places)


def _bits(least: int, most: int) -> int:
    """Bits of numbers from ``least`` to ``most`` in two's complement."""
    return 1 + max(most.bit_length(), (-least - 1).bit_length() if least < 0 else 0)


def _apart(weight: Format, activation: Format, block: DspBlock) -> ApartPacking | None:
    shapes = [_significand(format) for format in (weight, activation)]
    if any(shape.signed for shape in shapes):
        return None
    bits = [shape.width for shape in shapes]
    step = sum(bits) + 1
    return ApartPacking(step) if block.holds(step + bits[0], step + bits[1], signed=False) else None


def _halves(weight: Format, activation: Format, block: DspBlock) -> HalvesPacking | None:
    w, a, _ = product_bits(weight, activation)
    return HalvesPacking(block.halves) if max(w, a) <= block.halves else None


def _significand(format: Format) -> Shape:
    return Shape.cast(operand_layout(format)["significand"].shape)


def _ends(format: Format) -> tuple[int, int]:
    """The least and the greatest integer of any bit pattern, also of the one that a symmetric integer leaves out."""
    if is_twos_complement(format):
        width = _significand(format).width
        return -(1 << width - 1), (1 << width - 1) - 1
    return format.min_integer, format.max_integer
