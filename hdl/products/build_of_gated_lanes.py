"""Which way to build several products that are added before the accumulator, where adders take in one more bit.

That is so in logic cells of iCE40 and in carry cells of ECP5: see ``adders``.
"""

from dataclasses import replace

from ...formats import Format, Minifloat
from .build import CHAIN, Build
from .build_of_lanes import TERMS_BITS, luts_of_digits, registers_of_digits
from .ccu2c import CELL
from .decode import is_twos_complement, operand_layout

__all__ = ["build_of_gated_lanes"]

SHORT_CHAIN = 4
"""Lanes to a chain where the clock has little time, or where a chain's adders grow with every lane."""

LUT_INPUTS = 4


def build_of_gated_lanes(
    alone: Build,
    weight: Format,
    activation: Format,
    logic: str,
    lanes: int,
    *,
    auto: bool,
    exact: bool,
    sharing: int = 1,
) -> Build:
    """The build of products that are added before the accumulator, as ``build_of_lanes`` tells.

    Parameters
    ----------
    logic: ``Family.adder_logic``
    lanes: products that are added
    sharing: how many products share a decoder
    """
    cell = CELL if logic == CELL else None
    found = replace(alone, cell=cell, chain=SHORT_CHAIN if alone.tree else CHAIN)
    twos_complement = any(map(is_twos_complement, (weight, activation)))
    unsigned = not (weight.signed or activation.signed)
    if auto and alone.product != "recoded" and (twos_complement or alone.product != "whole"):
        short, long = sorted(map(_integer_bits, (weight, activation)))
        integers = exact and _as_integers(weight, activation, sharing)
        if integers or (weight.max_shift + activation.max_shift == 0 and (twos_complement or unsigned)):
            if short == 1:
                return alone
            has_minifloat = any(isinstance(each, Minifloat) for each in (weight, activation))
            positions = _of_positions(short, long, lanes, cell)
            products = _of_products(short, long, lanes, cell)
            signed = twos_complement and weight.signed and activation.signed
            # A product of one digit has no adder that stands between those of the tree, and yosys merges these. Of a
            # number without a sign there is a digit more, but no row.
            booth = exact and signed and short > 2 and _of_digits(short, long, lanes, cell) <= min(positions, products)
            if signed and (exact or not has_minifloat) and cell is not None and alone.pipeline > 1:
                decoders = _of_decoders(short, lanes, sharing)
                before = _of_digits(short, long, lanes, cell) + decoders if booth else min(positions, products)
                registers = _registers_of_multiples(short, long, lanes, sharing)
                if max(_of_multiples(short, long, lanes, cell) + decoders, registers) <= before:
                    found = replace(found, product="booth", integers=integers)
                    return replace(found, sums="digits", registers="multiples", chain=SHORT_CHAIN)
            if booth:
                held = registers_of_digits(alone, short, LUT_INPUTS, sharing)
                return replace(alone, product="booth", integers=integers, registers=held)
            found = replace(found, product="gated", integers=integers, registers="aligned")
            if positions <= products:
                return replace(found, sums="gated", registers="chains", chain=SHORT_CHAIN)
            return replace(found, sums="chains", registers="shifted", chain=1)
        found = replace(found, product="gated", registers="aligned")
    if twos_complement or unsigned:
        if found.product in ("booth", "recoded") and weight.max_shift + activation.max_shift == 0:
            return alone
        return replace(found, sums="chains", registers="shifted", chain=1)
    return replace(found, sums="turned" if cell is None else "signs", registers="shifted" if alone.tree else "chains")


def _integer_bits(format: Format) -> int:
    """Bits of a format's codes as integers, in two's complement where they are signed."""
    if isinstance(format, Minifloat):
        return format.precision + format.max_shift + format.signed
    layout = operand_layout(format)
    return layout["significand"].width + ("sign" in layout.members)


def _as_integers(weight: Format, activation: Format, sharing: int) -> bool:
    """Whether a minifloat is smaller as an integer beside one in two's complement, where nothing is shifted: both ways
    are estimated by their LUTs."""
    minifloats = [each for each in (weight, activation) if isinstance(each, Minifloat) and each.max_shift]
    if len(minifloats) != 1 or not any(map(is_twos_complement, (weight, activation))):
        return False
    (minifloat,) = minifloats
    other = _integer_bits(activation if minifloat is weight else weight)
    whole, significand = _integer_bits(minifloat), minifloat.precision + 1
    table = whole << max(0, minifloat.width - LUT_INPUTS)
    places = minifloat.max_shift.bit_length()
    shifted = _product(min(significand, other), max(significand, other), None) + places * (
        significand + other + minifloat.max_shift
    )
    return table // sharing + _product(min(whole, other), max(whole, other), None) <= significand + shifted


def _adder(bits: int, cell: str | None) -> int:
    """LUTs of an adder; a carry cell has two bits."""
    return bits if cell is None else bits + bits % 2


def _product(short: int, long: int, cell: str | None) -> int:
    """LUTs of a product of integers of so many bits, row after row."""
    if cell is None:
        return long + (short - 1) * _adder(long + 1, cell)
    return _adder(long + 2, cell) + (short - 2) * _adder(long + 1, cell)


def _tree(bits: int, count: int, cell: str | None) -> int:
    """LUTs of the adders of a tree of so many numbers of so many bits."""
    return sum((count >> level) * _adder(bits + level, cell) for level in range(1, count.bit_length()))


def _of_products(short: int, long: int, lanes: int, cell: str | None) -> int:
    """LUTs of products and of the tree that adds them."""
    return lanes * _product(short, long, cell) + _tree(short + long, lanes, cell)


def _of_digits(short: int, long: int, lanes: int, cell: str | None) -> int:
    """LUTs of products in two's complement by Booth's digits, whose rows are made before their adders, and of the tree.

    Where adders are no cells of their own, the carry of a digit takes a LUT to enter one.
    """
    carries = (short + 1) // 2 if cell is None else 0
    return lanes * (luts_of_digits(short, long) + carries) + _tree(short + long, lanes, cell)


def _of_multiples(short: int, long: int, lanes: int, cell: str) -> int:
    """LUTs of products by Booth's digits that carry cells apply, added by their positions, and of what joins these."""
    length = min(SHORT_CHAIN, lanes)
    chain = long + 1 + sum(_adder(long + 1 + (k - 1).bit_length(), cell) for k in range(2, length + 1))
    grown = long + 1 + (length - 1).bit_length()
    position = lanes * chain // length + _tree(grown, -(-lanes // length), cell)
    whole = long + 1 + (lanes - 1).bit_length()
    positions = (short + 1) // 2
    return positions * position + (positions - 1) * _adder(whole + short // 2, cell)


def _registers_of_multiples(short: int, long: int, lanes: int, sharing: int) -> int:
    """Registers of such products beyond one for each LUT of a sum: multiples, what goes with the digits, the operands
    where only this sum has them, and a second one for each bit of the sum."""
    first = -(-lanes // SHORT_CHAIN)
    multiples = (short + 1) // 2 * (first * (long + 1) + (lanes - first) * 2 * long)
    operands = lanes * (short + long) if sharing == 1 else 0
    return multiples + _of_decoders(short, lanes, sharing) + operands + short + long + TERMS_BITS


def _of_decoders(short: int, lanes: int, sharing: int) -> int:
    """LUTs of the decoders of digits, and registers of what these tell."""
    return 3 * ((short + 1) // 2) * lanes // sharing


def _of_positions(short: int, long: int, lanes: int, cell: str | None) -> int:
    """LUTs of rows added by their positions, and of what joins these."""
    length = min(SHORT_CHAIN, lanes)
    chain = long if cell is None else 0
    chain += sum(_adder(long + (k - 1).bit_length(), cell) for k in range(2, length + 1))
    grown = long + (length - 1).bit_length()
    position = lanes * chain // length + _tree(grown, -(-lanes // length), cell)
    whole = long + (lanes - 1).bit_length()
    return short * position + (short - 1) * _adder(whole + short // 2, cell)
