"""Where the code of a format that is known by its table alone changes, as a value grows."""

from itertools import pairwise
from typing import NamedTuple

from ...formats import Format, Overflow, Rounding, Special

__all__ = ["CodeChange", "code_changes", "code_of_zero", "table_window"]

MAX_TABLE_BITS = 8
"""Bits of an output that is encoded by its table, at most: every code takes a comparison."""


class CodeChange(NamedTuple):
    """From ``half`` halves of the lowest bit on, or above it where ``strict``, a value has this code."""

    half: int
    strict: bool
    code: int


def code_changes(output: Format, rounding: Rounding, overflow: Overflow) -> tuple[int, list[CodeChange]]:
    """The code of what lies lowest, and every place where the code changes, in ascending order.

    The rules are those of ``Rounding`` and ``Overflow``.
    """
    below, above = output.beyond
    least, most = output.ordered[0], output.ordered[-1]
    low, high = least[1], most[1]
    if overflow is Overflow.NAN:
        low = high = output.special_codes[Special.NAN]
    elif overflow is Overflow.INFINITY:
        low = output.special_codes.get(Special.NEGATIVE_INFINITY, low)
        high = output.special_codes.get(Special.POSITIVE_INFINITY, high)
    places = [(below, low), *output.ordered, (above, high)]
    changes = []
    for (lower, _), (upper, code) in pairwise(places):
        if upper == least[0] > 0:
            change = CodeChange(0, True, code)
        elif lower == most[0] < 0:
            change = CodeChange(0, False, code)
        elif rounding is Rounding.TOWARD_ZERO:
            if lower >= 0:
                change = CodeChange(2 * upper, False, code)
            elif upper <= 0:
                change = CodeChange(2 * lower, True, code)
            else:
                change = CodeChange(0, False, code)
        else:
            change = CodeChange(lower + upper, not _tie_goes_up(lower, upper), code)
        changes.append(change)
    return low, changes


def _tie_goes_up(lower: int, upper: int) -> bool:
    if abs(lower) == abs(upper):
        return True
    if abs(lower) < abs(upper):
        return abs(lower) % (2 * (upper - lower)) != 0
    return abs(upper) % (2 * (upper - lower)) == 0


def table_window(output: Format) -> int:
    """Bits of a magnitude, in halves of the format's lowest bit, beyond which nothing changes any more."""
    if output.width > MAX_TABLE_BITS:
        raise ValueError(
            f"an output that hardware encodes by its table must have at most {MAX_TABLE_BITS} bits, not {output.width} "
            f"({output.name})"
        )
    return max(2 * abs(place) for place in output.beyond).bit_length()


def code_of_zero(low: int, changes: list[CodeChange], output: Format, overflow: Overflow) -> int:
    """The code of an exact zero, which overflows where there is none."""
    if not output.has_zero and overflow is not Overflow.SATURATE:
        return low if output.min_integer > 0 else changes[-1].code
    code = low
    for change in changes:
        if change.half < 0 or (change.half == 0 and not change.strict):
            code = change.code
    return code
