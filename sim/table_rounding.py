"""Rounding and overflow for a format that is known by its table alone: the nearest of its values, looked up."""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..formats import Format, Overflow, Rounding, Special
from .codes import SIGNIFICAND_BITS, code_dtype

__all__ = ["round_by_table"]

FAR = 1 << 60
"""A magnitude, in half steps of the lowest bit, beyond all that a table has."""


class _Places(NamedTuple):
    """The values in ascending order, with one more at either end for what overflows; and the code of each."""

    integers: NDArray[np.int64]
    codes: NDArray[np.int64]


@lru_cache(maxsize=256)
def _places(format: Format, overflow: Overflow) -> _Places:
    below, above = format.beyond
    if max(abs(below), abs(above)).bit_length() > SIGNIFICAND_BITS:
        raise ValueError(f"integers of a table must have at most {SIGNIFICAND_BITS} bits, not as in {format.name}")
    integers, codes = zip(*format.ordered, strict=True)
    low, high = codes[0], codes[-1]
    if overflow is Overflow.NAN:
        low = high = format.special_codes[Special.NAN]
    elif overflow is Overflow.INFINITY:
        low = format.special_codes.get(Special.NEGATIVE_INFINITY, low)
        high = format.special_codes.get(Special.POSITIVE_INFINITY, high)
    return _Places(np.array([below, *integers, above]), np.array([low, *codes, high]))


def round_by_table(
    negative: NDArray[np.bool_],
    significand: NDArray[np.uint64],
    exponent: NDArray[np.int64],
    nan: NDArray[np.bool_],
    infinite: NDArray[np.bool_],
    format: Format,
    rounding: Rounding,
    overflow: Overflow,
) -> NDArray[Any]:
    """The codes of values as ``rounding.Split`` has them; the caller has checked that the policies suit the format.

    A value is overflowed where it is rounded to one of both places beyond the ends. In a format without zero that has
    values of one sign only, everything of that sign rounds to one of them or beyond the far end.
    """
    places = _places(format, overflow)
    last = len(places.integers) - 1
    value = _quarters(negative, significand, exponent - format.lsb_exponent)
    start = np.clip(np.searchsorted(4 * places.integers, value, side="right") - 1, 0, last - 1)
    lower, upper = places.integers[start], places.integers[start + 1]
    if rounding is Rounding.TOWARD_ZERO:
        up = (upper <= 0) | ((lower < 0) & (value >= 0))
    else:
        middle = 2 * (lower + upper)
        up = (value > middle) | ((value == middle) & _tie_goes_up(lower, upper))
    # The ends, and a value that is in the table, need no rounding.
    up = np.where(value <= 4 * lower, False, np.where(value >= 4 * upper, True, up))
    place = start + up
    if places.integers[1] > 0:
        place = np.where(value > 0, np.maximum(place, 1), 0)
    elif places.integers[-2] < 0:
        place = np.where(value < 0, np.minimum(place, last - 1), last)
    place = np.where(infinite, np.where(negative, 0, last), place)
    codes = places.codes[place]
    if overflow is not Overflow.SATURATE and not format.has_zero:
        codes = np.where((value == 0) & ~infinite, places.codes[last if places.integers[1] <= 0 else 0], codes)
    if format.negative_zero is not None:
        inside = (place > 0) & (place < last)
        codes = np.where(negative & inside & (places.integers[place] == 0), format.negative_zero, codes)
    if format.has_nan:
        codes = np.where(nan, format.special_codes[Special.NAN], codes)
    return codes.astype(code_dtype(format))


def _quarters(
    negative: NDArray[np.bool_], significand: NDArray[np.uint64], exponent: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Values in quarters of the lowest bit, odd where they lie between two multiples of a half of it."""
    right = -(exponent + 1)
    by = np.clip(right, 0, 63).astype(np.uint64)
    halves = np.where(right > 63, np.uint64(0), significand >> by)
    rest = np.where(right > 63, significand, significand & ((np.uint64(1) << by) - np.uint64(1))) > 0
    # What is not shifted to the right by some places has its highest bit far above any table, or is zero.
    far = (significand > 0) & ((right < 4) | (halves >= FAR))
    magnitude = np.where(far, np.int64(2 * FAR), 2 * np.minimum(halves, np.uint64(FAR)).astype(np.int64) + rest)
    magnitude = np.where(significand > 0, magnitude, 0)
    return np.where(negative, -magnitude, magnitude)


def _tie_goes_up(lower: NDArray[np.int64], upper: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether a value in the middle goes to the upper of its neighbours, by the rule of ``Rounding.TIES_TO_EVEN``."""
    small, large = np.abs(lower), np.abs(upper)
    even = np.minimum(small, large) % (2 * (upper - lower)) == 0
    return np.where(small < large, ~even, np.where(small > large, even, True))
