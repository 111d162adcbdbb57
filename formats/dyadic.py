"""Dyadic scales: a multiplier and a shift to the right, what integer-only inference scales its sums by."""

from dataclasses import dataclass
from typing import Any

from .base import Fields, check_integer
from .finite import FiniteFormat

__all__ = ["Dyadic"]

MAX_MULTIPLIER_BITS = 32
MAX_SHIFT_BITS = 6


@dataclass(frozen=True)
class Dyadic(FiniteFormat):
    """An unsigned multiplier and, above it, a shift to the right: ``multiplier * 2**-shift``.

    Most values have several codes. It is the format of a scale (Jacob et al., CVPR 2018, 2.2), not of operands.

    Parameters
    ----------
    multiplier_bits: 1 to 32
    shift_bits: 1 to 6
    """

    kind = "dyadic"
    scales_only = True

    multiplier_bits: int
    shift_bits: int

    def __post_init__(self) -> None:
        check_integer("multiplier bits", self.multiplier_bits, 1, MAX_MULTIPLIER_BITS)
        check_integer("shift bits", self.shift_bits, 1, MAX_SHIFT_BITS)

    @property
    def name(self) -> str:
        return f"dyadic{self.multiplier_bits}s{self.shift_bits}"

    @property
    def width(self) -> int:
        return self.multiplier_bits + self.shift_bits

    def encoding(self) -> dict[str, Any]:
        return {"encoding": "dyadic", "multiplier_bits": self.multiplier_bits, "shift_bits": self.shift_bits}

    @property
    def has_negative_zero(self) -> bool:
        return False

    @property
    def has_sign_bit(self) -> bool:
        return False

    @property
    def max_shift(self) -> int:  # type: ignore[override]  # it follows from the fields
        """The largest shift to the right."""
        return (1 << self.shift_bits) - 1

    @property
    def lsb_exponent(self) -> int:
        return -self.max_shift

    @property
    def precision(self) -> int:
        return self.multiplier_bits

    def fields(self, code: int) -> Fields:
        """The multiplier as fraction and the shift as exponent: one that divides."""
        self.check_code(code)
        return Fields(None, code >> self.multiplier_bits, code & ((1 << self.multiplier_bits) - 1))

    def integer(self, code: int) -> int:
        _, shift, multiplier = self.fields(code)
        assert shift is not None
        return multiplier << self.max_shift - shift

    @property
    def max_integer(self) -> int:
        return ((1 << self.multiplier_bits) - 1) << self.max_shift

    @property
    def min_integer(self) -> int:
        return 0
