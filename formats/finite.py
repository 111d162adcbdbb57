"""Formats in which every code is finite and code 0 is zero: what then needs no table."""

from fractions import Fraction

from .base import Format

__all__ = ["FiniteFormat"]


class FiniteFormat(Format):
    """A format without NaN and infinities, whose code 0 is zero and whose lowest bit is a value of its own."""

    @property
    def has_nan(self) -> bool:
        return False

    @property
    def has_infinity(self) -> bool:
        return False

    @property
    def has_negative_infinity(self) -> bool:
        return False

    @property
    def zero_code(self) -> int:
        return 0

    @property
    def min_subnormal(self) -> Fraction:
        return self.lsb
