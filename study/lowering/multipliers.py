"""Real factors become multipliers and shifts to the right."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...formats.network.records import MAX_RESIDUAL_SHIFT, MAX_SHIFT

__all__ = ["RealFactors", "dyadic", "residual_shifts"]

Array = NDArray[Any]

SPARE = 4
"""A residual's multiplier may have so many bits fewer than it could, so that fewer shifts are needed."""
LEAST = 12
"""Bits that it has at least, where multipliers have so many."""


class RealFactors(NamedTuple):
    """What a record's sums and its residual are multiplied by, for one of its outputs.

    Members
    -------
    sums: (channels,), 0 or more
    residual: 0 without one
    """

    sums: Array
    residual: float

    def shift(self, bits: int) -> int:
        """The greatest by which all multipliers have at most so many bits.

        Raises ValueError where there is none.
        """
        top = float(self.sums.max(initial=0))
        found = _greatest(top, bits, MAX_SHIFT)
        if self.residual:
            found = min(found, _greatest(self.residual, bits, MAX_SHIFT + MAX_RESIDUAL_SHIFT) + MAX_RESIDUAL_SHIFT)
        if found < 0:
            raise ValueError(f"scales must leave a factor below {1 << bits}, not {max(top, self.residual):g}")
        return found

    def span(self, bits: int) -> tuple[int, int]:
        """The least and the greatest shift to the left that suit the residual."""
        least = self.shift(bits) - _greatest(self.residual, bits, MAX_SHIFT + MAX_RESIDUAL_SHIFT)
        spare = min(SPARE, max(0, bits - LEAST))
        return max(0, least), min(max(0, least + spare), MAX_RESIDUAL_SHIFT)


def dyadic(factors: RealFactors, bits: int, shifts: Sequence[int]) -> tuple[int, list[int], int, int]:
    """The shift to the right, the multipliers, and the residual's multiplier and its shift to the left.

    ``bits``: of multipliers. Raises ValueError where they have one, and a factor is neither 0 nor the power of two that
    all others are.
    """
    shift = factors.shift(bits)
    multipliers = np.rint(factors.sums * 2.0**shift).astype(np.int64).tolist()
    left, residual = shifts[0], 0
    if factors.residual:
        least, most = factors.span(bits)
        left = next(each for each in shifts if least <= each <= most)
        residual = int(np.rint(factors.residual * 2.0 ** (shift - left)))
    if bits == 1:
        numbers = np.append(factors.sums, factors.residual)
        rounded = np.ldexp(np.append(multipliers, residual << left).astype(np.float64), -shift)
        if not np.array_equal(numbers, rounded):
            raise ValueError(
                "multiplier_bits must be more than 1 where scales are not the same power of two for all channels"
            )
    return shift, multipliers, residual, left


def residual_shifts(spans: Iterable[tuple[int, int]]) -> tuple[int, ...]:
    """The fewest numbers of which every span, both ends included, has one; 0 without spans."""
    found: list[int] = []
    for least, most in sorted(spans, key=lambda span: span[1]):
        if not found or found[-1] < least:
            found.append(most)
    return tuple(found) or (0,)


def _greatest(factor: float, bits: int, most: int) -> int:
    """The greatest shift, at most ``most``, by which a factor becomes a multiplier of so many bits."""
    if factor <= 0:
        return most
    found = min(bits - int(np.floor(np.log2(factor))), most)
    while np.rint(factor * 2.0**found) >= 1 << bits:
        found -= 1
    return found
