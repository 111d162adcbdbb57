"""Which way to build several products that are added before the accumulator, or products of operands that an array
decodes once for many of them: what ``auto`` takes for them."""

from dataclasses import replace

from ...formats import Format, Integer, Minifloat
from .build import CHAIN, CHAINED_LUT_INPUTS, Build
from .decode import is_twos_complement, operand_layout

__all__ = ["build_of_integers", "build_of_lanes", "luts_of_digits", "registers_of_digits"]

WIDE_REACH = 12
"""Positions over which products are shifted, from which on it pays on LUT4 that no adders of lanes are merged."""

TERMS_BITS = 12
"""By how many bits a sum is longer than its products: those of 4,096 terms."""

MAX_INTEGER_CODE_BITS = 8
"""Bits of a code that a table may make an integer of."""


def build_of_lanes(
    alone: Build, weight: Format, activation: Format, lut: int, *, auto: bool, exact: bool, sharing: int = 1
) -> Build:
    """The build of products that are added before the accumulator.

    The choice of a group of bits, which comes last where a shift is coarse, fits into the adders of a chain, and so do
    the rows of integers. Where there is neither, signs stay apart. The rules were found by measuring some forty pairs
    at 8 lanes; a product alone is not built in this way.

    Parameters
    ----------
    alone: the build of a product that is added to no other
    lut: inputs of the family's LUTs
    auto: whether the product may be built in another way, too
    exact: whether elements are exact ones, which take operands as integers or as digits of recoded weights
    sharing: how many products share a decoder
    """
    twos_complement = any(map(is_twos_complement, (weight, activation)))
    unsigned = not (weight.signed or activation.signed)
    reach = weight.max_shift + activation.max_shift
    fast = alone.tree
    if lut < CHAINED_LUT_INPUTS:
        if auto and exact:
            integers = build_of_integers(alone, weight, activation, lut, sharing)
            if integers is not None:
                return integers
        if reach >= WIDE_REACH and alone.product != "whole":
            return replace(alone, sums="chains", registers="shifted", chain=1)
        return alone
    group = _group_in_chains(reach) if twos_complement else alone.group
    chained = replace(alone, group=group, sums="chains", registers="chains", chain=CHAIN // 2 if fast else CHAIN)
    if auto and exact and _chains_integers(weight, activation, group, sharing):
        return replace(chained, product="booth", integers=True)
    if reach == 0 and (twos_complement or unsigned) and (auto or alone.product in ("booth", "recoded")):
        return chained if alone.product == "recoded" else replace(chained, product="booth")
    coarse = alone.product != "whole" and reach + _exponent_offset(weight, activation) >= group
    if twos_complement or unsigned or coarse:
        return replace(chained, registers="shifted", onto_sum=not fast and _is_wide(weight, activation))
    return replace(alone, sums="signs", registers="chains")


def _group_in_chains(reach: int) -> int:
    """Positions of the fine shift of a number in two's complement, which by itself has none that is coarse: in a chain,
    the coarse choice is the adder's, and so is the sign behind it."""
    return 4 if reach < 16 else 8 if reach < 32 else 16


def _is_wide(weight: Format, activation: Format) -> bool:
    """Whether it is smaller that every adder of a chain is as long as the whole sum, and one fewer."""
    width = weight.precision + activation.precision + weight.max_shift + activation.max_shift
    return width > (CHAIN - 1) * TERMS_BITS - CHAIN.bit_length() * CHAIN // 2


def build_of_integers(alone: Build, weight: Format, activation: Format, lut: int, sharing: int) -> Build | None:
    """The build that makes an integer of a minifloat beside an integer, and no shift; None where it is not smaller.

    A table makes the integer, and the product has more rows or longer ones. Both ways are estimated by their LUTs; the
    estimates were held to the elements of some twenty pairs on three families.

    Parameters
    ----------
    alone: the build of a product that is added to no other
    lut: inputs of the family's LUTs
    sharing: how many products share a table
    """
    pair = _minifloat_beside_integer(weight, activation)
    if pair is None:
        return None
    minifloat, integer = pair
    rows = _booth_luts if lut >= CHAINED_LUT_INPUTS else luts_of_digits
    table = _integer_bits(minifloat) << max(0, minifloat.width - lut)
    shifts = (2 if lut >= CHAINED_LUT_INPUTS else 4) * (integer.width + minifloat.precision + minifloat.max_shift)
    multiplied = rows(minifloat.precision + 1, integer.width) if minifloat.precision > 1 else 0
    if table // sharing + rows(_integer_bits(minifloat), integer.width) >= multiplied + shifts:
        return None
    registers = registers_of_digits(alone, min(_integer_bits(minifloat), integer.width), lut, sharing)
    return replace(alone, product="booth", registers=registers, integers=True)


def registers_of_digits(alone: Build, bits: int, lut: int, sharing: int) -> str:
    """What the second register stage holds where integers are multiplied by Booth's digits, of the shorter one's bits.

    The operands of an array come late in a cycle, since many elements share them. Where the clock is fast, rows have
    that cycle to themselves if more than one adder follows anyway.
    """
    rows = (bits + 1) // 2
    if alone.short_paths and sharing > 1 and rows > 2:
        return "rows"
    return "sums" if alone.tree else "aligned" if lut >= CHAINED_LUT_INPUTS else "rows"


def _exponent_offset(*formats: Format) -> int:
    """By how much the exponents of decoded codes of these formats are too great together."""
    return sum(format.exponent_offset for format in formats if "exponent" in operand_layout(format).members)


def _minifloat_beside_integer(weight: Format, activation: Format) -> tuple[Minifloat, Integer] | None:
    """The minifloat and the integer of a pair that can be multiplied as integers in two's complement."""
    match weight, activation:
        case (Integer() as integer, Minifloat() as minifloat) if minifloat.max_shift:
            pass
        case (Minifloat() as minifloat, Integer() as integer) if minifloat.max_shift:
            pass
        case _:
            return None
    if minifloat.width > MAX_INTEGER_CODE_BITS or not (integer.signed and minifloat.signed):
        return None
    return minifloat, integer


def _integer_bits(minifloat: Minifloat) -> int:
    """Bits of the integers that codes become."""
    return minifloat.precision + minifloat.max_shift + 1


def _chains_integers(weight: Format, activation: Format, group: int, sharing: int) -> bool:
    """Whether a minifloat beside an integer is smaller as an integer where rows are chained. Both ways are estimated by
    their LUTs."""
    pair = _minifloat_beside_integer(weight, activation)
    if pair is None:
        return False
    minifloat, integer = pair
    whole = _integer_bits(minifloat)
    # A LUT chooses among four places, and another one inverts; a short code is a table.
    places = minifloat.max_shift // 4 + 1
    table = min(whole << max(0, minifloat.width - CHAINED_LUT_INPUTS), whole * (places + 1))
    significand = minifloat.precision + 1
    product = significand + integer.width
    fine = product + min(group - 1, minifloat.max_shift)
    shifted = significand + _booth_luts(significand, integer.width) + fine * (8 if group > 4 else 5) // 5
    return table // sharing + _booth_luts(whole, integer.width) + 1 < shifted + product + minifloat.max_shift


def _booth_luts(a: int, b: int) -> int:
    """LUTs of the rows of two integers in two's complement, of so many bits each, where adders take in the rows."""
    long, short = max(a, b), min(a, b)
    return (short + 1) // 2 * (long + 1)


def luts_of_digits(a: int, b: int) -> int:
    """LUTs of the product of two integers in two's complement, of so many bits each, by Booth's digits, where rows have
    LUTs of their own beside those of the adders."""
    long, short = max(a, b), min(a, b)
    rows = (short + 1) // 2
    return rows * (long + 1) + (rows - 1) * (long + 3)
