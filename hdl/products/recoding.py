"""The values of a small table as sums of few signed powers of two, and products that have a row for each of these.

Radix-4 Booth recoding makes a row of every two bits of an integer, whichever integers there are. A table has few of
them, and those of many tables are sums of two or three powers of two. Each row then takes one of a few powers, and a
truth table of the code says which.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, product

from amaranth.hdl import Module, Mux, Signal, Value

from ...formats import Format
from .pipeline import Pipeline
from .significand_product import ProductRow
from .truth_table import truth_table

__all__ = ["Recoding", "controls", "recoded_rows", "recoding"]

MAX_CODE_BITS = 6
"""Bits of a code that one LUT6 takes in whole."""

MAX_PRECISION = 7
"""Bits of the magnitudes of tables that a recoding is looked for."""

MAX_ROWS = 3
POWERS = (3, 2)
"""Powers of two that the first row has, and each later one: what a LUT6 selects from beside the sum that it adds to."""

CONTROLS = 3
"""Bits that say which multiple a row is: two for the power, and the sign."""


Exponents = tuple[tuple[int, ...], ...]
"""Of the powers that each row has, ascending."""


@dataclass(frozen=True)
class Recoding:
    """How the integers of a table are made of signed powers of two.

    Members
    -------
    exponents: of the powers of each row, ascending; the first row's least is the least of all
    digits: for every code, a digit of each row: 0, or a power of the row, or its negative
    signs: for each row a bit of the code, and whether it is inverted, that is the sign of every digit other than zero;
        None where the sign needs a truth table
    """

    exponents: Exponents
    digits: tuple[tuple[int, ...], ...]
    signs: "tuple[Sign | None, ...]"

    @property
    def control_bits(self) -> int:
        """Bits that tell the digits of a code."""
        return CONTROLS * len(self.exponents)

    @property
    def bits(self) -> int:
        """Bits of the longest integer, as two's complement."""
        integers = [sum(digits) for digits in self.digits]
        return 1 + max(max(integers).bit_length(), (-min(integers) - 1).bit_length())

    def controls(self, code: int) -> int:
        """The digits of a code as bits: for each row the number of its power, from 1, or 0 for zero, and the sign."""
        found = 0
        for row, (exponents, digit, sign) in enumerate(zip(self.exponents, self.digits[code], self.signs, strict=True)):
            place = exponents.index(abs(digit).bit_length() - 1) + 1 if digit else 0
            negative = digit < 0 if sign is None else sign.negative(code)
            found |= (place | negative << CONTROLS - 1) << CONTROLS * row
        return found


@dataclass(frozen=True)
class Sign:
    """A sign that is a bit of the code, or that bit inverted."""

    bit: int
    inverted: bool

    def negative(self, code: int) -> int:
        return code >> self.bit & 1 ^ self.inverted

    def suits(self, code: int, digit: int) -> bool:
        """Whether a digit of that code has this sign, or is zero, which has any."""
        return digit == 0 or (digit < 0) == self.negative(code)


@lru_cache(maxsize=256)
def recoding(format: Format) -> Recoding | None:
    """The recoding of a table into the fewest rows, None for another format, or one that has no such recoding."""
    if format.kind != "table" or format.width > MAX_CODE_BITS or format.precision > MAX_PRECISION:
        return None
    if not format.finite:
        return None
    integers = [format.integer(code) for code in range(1 << format.width)]
    fewest = max(map(_fewest_powers, integers))
    for rows in range(max(1, fewest), MAX_ROWS + 1):
        exponents = _smallest(_choices(rows, max(map(abs, integers)).bit_length()), {*map(abs, integers)})
        if exponents is not None:
            return _with_signs(exponents, integers)
    return None


def _with_signs(exponents: Exponents, integers: list[int]) -> Recoding:
    """Of the ways to make each integer those by which the signs of as many rows as can be are bits of the code, and of
    these the one with the fewest digits other than zero."""
    by_sum: dict[int, list[tuple[int, ...]]] = {}
    for digits in _sums(exponents):
        by_sum.setdefault(sum(digits), []).append(digits)
    ways = [by_sum[integer] for integer in integers]
    signs: list[Sign | None] = [None] * len(exponents)
    for row in reversed(range(len(exponents))):
        for bit, inverted in product(range((len(integers) - 1).bit_length()), (False, True)):
            sign = Sign(bit, inverted)
            left = [[way for way in each if sign.suits(code, way[row])] for code, each in enumerate(ways)]
            if all(left):
                ways, signs[row] = left, sign
                break
    chosen = tuple(max(each, key=lambda way: way.count(0)) for each in ways)
    return Recoding(exponents, chosen, tuple(signs))


def _fewest_powers(integer: int) -> int:
    """Of how many signed powers of two an integer is the sum at least: digits of its non-adjacent form."""
    return (abs(integer) ^ 3 * abs(integer)).bit_count()


def _choices(rows: int, most: int) -> Iterator[Exponents]:
    """The exponents that so many rows may have, with those of the first row least."""
    of_first, of_later = POWERS
    for first in combinations(range(most + 1), min(of_first, most + 1)):
        later = combinations(range(first[0], most + 1), min(of_later, most + 1 - first[0]))
        for others in combinations(later, rows - 1):
            yield first, *others


def _sums(exponents: Exponents) -> Iterator[tuple[int, ...]]:
    """Every choice of a digit in each row."""
    powers = ([0, *(sign << exponent for exponent in row for sign in (1, -1))] for row in exponents)
    return product(*powers)


def _smallest(choices: Iterator[Exponents], magnitudes: set[int]) -> Exponents | None:
    """Of the choices by which all magnitudes are sums, the one whose rows and adders are the shortest."""
    best, least = None, 0
    for exponents in choices:
        top = max(row[-1] for row in exponents)
        size = exponents[0][-1] - exponents[0][0] + sum(top - row[0] for row in exponents[1:])
        if (best is None or size < least) and magnitudes <= {sum(digits) for digits in _sums(exponents)}:
            best, least = exponents, size
    return best


def controls(m: Module, format: Format, code: Value, name: str) -> Value:
    """The digits of a code of a format that has a recoding; the signal made for them in ``m`` starts with ``name``."""
    how = recoding(format)
    assert how is not None
    found = Signal(how.control_bits, name=f"{name}_digits")
    m.d.comb += found.eq(truth_table(code, how.controls, how.control_bits))
    return found


def recoded_rows(m: Module, pipeline: Pipeline, a: Value, controls: Value, how: Recoding) -> Iterator[ProductRow]:
    """The rows whose sum is ``a``, which is signed, times the integer whose digits ``controls`` has."""
    for k, exponents in enumerate(how.exponents):
        least = exponents[0]
        span = exponents[-1] - least
        width = len(a) + span
        place, negative = controls[CONTROLS * k : CONTROLS * k + 2], controls[CONTROLS * k + 2]
        multiples = [a << exponent - least for exponent in exponents]
        multiple = multiples[0]
        if len(multiples) > 1:
            multiple = Mux(place[1], multiples[1], multiple)
        if len(multiples) > 2:
            multiple = Mux(place.all(), multiples[2], multiple)
        zero = None
        if pipeline.registered("partial"):
            zero = ~place.any()  # which the registers' reset makes for free
        else:
            multiple = Mux(place.any(), multiple, 0)
        row = pipeline.cross("partial", f"row{k}", multiple[:width] ^ negative.replicate(width), clear=zero)
        carry = pipeline.cross("partial", f"carry{k}", negative, clear=zero)
        reach = 1 << len(a) - 1 + span
        yield ProductRow(row.as_signed(), least, -reach, reach, carry)
