"""What all number formats have in common: a code is an integer times a power of two, or a special value."""

from abc import ABC, abstractmethod
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

__all__ = ["TABLE_WIDTH", "Fields", "Format", "Special", "check_flag", "check_format", "check_integer"]

TABLE_WIDTH = 16
"""The widest format, in bits, whose table of all codes is offered."""


class Special:
    """Names of the values that are not finite."""

    NAN = "NaN"
    POSITIVE_INFINITY = "Infinity"
    NEGATIVE_INFINITY = "-Infinity"


class Fields(NamedTuple):
    """The bit fields of a code; ``exponent`` is biased. A field that the format lacks is None."""

    sign: int | None
    exponent: int | None
    fraction: int


class Format(ABC):
    """A number format: ``value(code) = integer(code) * 2**lsb_exponent`` for every code that is finite.

    Formats are immutable and hashable; two formats are equal when every field is.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """The name that ``formats.parse`` reads back to an equal format."""

    @property
    @abstractmethod
    def width(self) -> int:
        """Bits of a code."""

    @property
    @abstractmethod
    def lsb_exponent(self) -> int:
        """Exponent of the power of two that every finite value is an integer multiple of."""

    @property
    @abstractmethod
    def precision(self) -> int:
        """Bits of the longest significand, the hidden bit included and the sign not."""

    @abstractmethod
    def fields(self, code: int) -> Fields:
        """Split ``code`` into its bit fields."""

    @abstractmethod
    def special(self, code: int) -> str | None:
        """The name (in ``Special``) of the value of ``code`` if that is not finite, else None."""

    @abstractmethod
    def integer(self, code: int) -> int:
        """The integer of ``code`` in units of ``2**lsb_exponent``. Raises ValueError where the value is not finite."""

    @property
    @abstractmethod
    def max_integer(self) -> int:
        """The largest integer of any code."""

    @property
    @abstractmethod
    def min_integer(self) -> int:
        """The smallest integer of any code."""

    @property
    def signed(self) -> bool:
        """Whether any value is negative."""
        return self.min_integer < 0

    @property
    def has_nan(self) -> bool:
        return False

    @property
    def has_infinity(self) -> bool:
        return False

    @property
    def finite(self) -> bool:
        """Whether every code is finite."""
        return not (self.has_nan or self.has_infinity)

    @property
    def has_zero(self) -> bool:
        return True

    @property
    def code_count(self) -> int:
        """Number of bit patterns that are codes of the format, special values included."""
        return 1 << self.width

    @property
    def codes(self) -> range | list[int]:
        """All codes of the format in ascending order."""
        return range(1 << self.width)

    @cached_property
    def integers(self) -> tuple[int | None, ...]:
        """The integer of every bit pattern, None where the value is not finite. Raises ValueError above 16 bits."""
        if self.width > TABLE_WIDTH:
            raise ValueError(f"a table of codes must have at most {TABLE_WIDTH} bits, not {self.width} ({self.name})")
        return tuple(self.integer(code) if self.special(code) is None else None for code in range(1 << self.width))

    def value(self, code: int) -> Fraction:
        """The exact value of a finite ``code``."""
        return self.integer(code) * self.lsb

    @property
    def lsb(self) -> Fraction:
        """``2**lsb_exponent``, exactly."""
        return Fraction(2) ** self.lsb_exponent

    @property
    def max_finite(self) -> Fraction:
        return self.max_integer * self.lsb

    @property
    def min_finite(self) -> Fraction:
        """The most negative finite value (0 or the smallest positive one where the format is unsigned)."""
        return self.min_integer * self.lsb

    @property
    def min_subnormal(self) -> Fraction:
        """The smallest magnitude other than zero."""
        return self.lsb

    def check_code(self, code: int) -> int:
        """Return ``code``, or raise ValueError where it does not fit the width."""
        if not 0 <= code < 1 << self.width:
            raise ValueError(f"code must be 0 to {(1 << self.width) - 1} for {self.name}, not {code}")
        return code

    def __str__(self) -> str:
        return self.name


def check_integer(name: str, value: object, least: int, most: int) -> None:
    """Raise ValueError where ``value``, an argument of that name, is not an integer within these limits."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"{name} must be {least} to {most}, not {value!r}")


def check_flag(name: str, value: object) -> None:
    """Raise ValueError where ``value``, an argument of that name, is neither True nor False."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be True or False, not {value!r}")


def check_format(name: str, format: object) -> None:
    """Raise ValueError where ``format``, an argument of that name, is not a format."""
    if not isinstance(format, Format):
        raise ValueError(f"{name} must be a format, as formats.parse gives, not {format!r}")
