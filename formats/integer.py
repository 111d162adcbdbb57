"""Integers: two's complement, its symmetric range, unsigned, and sign-magnitude."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from .base import Fields
from .finite import FiniteFormat

__all__ = ["Integer", "SignMagnitude"]

MAX_WIDTH = 16


def _check_width(name: str, width: int, least: int) -> None:
    if not least <= width <= MAX_WIDTH:
        raise ValueError(f"width of {name} must be {least} to {MAX_WIDTH} bits, not {width}")


class _Whole(FiniteFormat):
    """What integers of every encoding share: the unit is 1, and no code is special."""

    kind = "integer"
    stochastic = True
    bits: int

    @property
    def width(self) -> int:
        return self.bits

    @property
    def lsb_exponent(self) -> int:
        return 0

    @property
    def reach(self) -> Fraction:
        return self.max_finite

    def holds(self, least: int, most: int, unit: int = 1) -> bool:
        return self.min_integer <= least * unit and most * unit <= self.max_integer


@dataclass(frozen=True)
class Integer(_Whole):
    """Two's complement (``int{N}``), the same without its most negative code (``int{N}s``), or unsigned (``uint{N}``).

    The pattern that ``int{N}s`` leaves out, a one and then zeros, still reads as -2**(N-1), as in any two's
    complement; no encoder produces it, and accumulators are sized without it.

    Parameters
    ----------
    bits: width, 1 to 16
    unsigned: 0 to 2**bits - 1
    symmetric: -(2**(bits-1) - 1) to 2**(bits-1) - 1; 2 bits or more
    """

    takes_zero_point = True

    bits: int
    unsigned: bool = False
    symmetric: bool = False

    def __post_init__(self) -> None:
        if self.unsigned and self.symmetric:
            raise ValueError("an integer must be unsigned or symmetric, not both")
        _check_width(self.name, self.bits, 2 if self.symmetric else 1)

    def encoding(self) -> dict[str, Any]:
        return {"encoding": "unsigned" if self.unsigned else "twos_complement"}

    @property
    def wraps(self) -> bool:  # type: ignore[override]  # which of them can is known by their fields
        return not self.symmetric

    @property
    def has_sign_bit(self) -> bool:
        return False

    @property
    def has_negative_zero(self) -> bool:
        return False

    @property
    def name(self) -> str:
        return f"{'u' if self.unsigned else ''}int{self.bits}{'s' if self.symmetric else ''}"

    @property
    def precision(self) -> int:
        return self.bits if self.unsigned else max(self.bits - 1, 1)

    @property
    def max_integer(self) -> int:
        return (1 << self.bits) - 1 if self.unsigned else (1 << self.bits - 1) - 1

    @property
    def min_integer(self) -> int:
        return 0 if self.unsigned else -self.max_integer if self.symmetric else -(1 << self.bits - 1)

    @property
    def code_count(self) -> int:
        return (1 << self.bits) - self.symmetric

    @property
    def codes(self) -> range | list[int]:
        left_out = 1 << self.bits - 1 if self.symmetric else -1
        return [code for code in range(1 << self.bits) if code != left_out]

    def fields(self, code: int) -> Fields:
        return Fields(None if self.unsigned else code >> self.bits - 1, None, self.check_code(code))

    def integer(self, code: int) -> int:
        self.check_code(code)
        return code if self.unsigned or not code >> self.bits - 1 else code - (1 << self.bits)


@dataclass(frozen=True)
class SignMagnitude(_Whole):
    """Sign and magnitude (``sm{N}``): -(2**(N-1) - 1) to 2**(N-1) - 1, both zeros read as 0.

    Parameters
    ----------
    bits: width, the sign included, 2 to 16
    """

    bits: int

    def __post_init__(self) -> None:
        _check_width(self.name, self.bits, 2)

    def encoding(self) -> dict[str, Any]:
        return {"encoding": "sign_magnitude"}

    @property
    def has_sign_bit(self) -> bool:
        return True

    @property
    def has_negative_zero(self) -> bool:
        return True

    def negative(self, code: int) -> bool:
        return bool(self.fields(code).sign)

    @property
    def name(self) -> str:
        return f"sm{self.bits}"

    @property
    def precision(self) -> int:
        return self.bits - 1

    @property
    def max_integer(self) -> int:
        return (1 << self.bits - 1) - 1

    @property
    def min_integer(self) -> int:
        return -self.max_integer

    def fields(self, code: int) -> Fields:
        self.check_code(code)
        return Fields(code >> self.bits - 1, None, code & self.max_integer)

    def integer(self, code: int) -> int:
        sign, _, magnitude = self.fields(code)
        return -magnitude if sign else magnitude
