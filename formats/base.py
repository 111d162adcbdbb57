"""What all number formats have in common: a code is an integer times a power of two, or a special value."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from fractions import Fraction
from functools import cached_property
from typing import Any, NamedTuple

__all__ = [
    "TABLE_WIDTH",
    "Fields",
    "Format",
    "Special",
    "check_flag",
    "check_format",
    "check_integer",
    "check_operand",
]

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

    A new kind has to say ``name``, ``width``, ``lsb_exponent`` and ``integer``, and ``special`` where some code is not
    finite. All else follows from the table of its codes, up to 16 bits, and a kind overrides what it knows a cheaper
    answer to. The golden model and the hardware treat a kind that they know nothing more of by its table as well.
    """

    kind: str = "table"
    """The name by which the study compares kinds of formats with each other."""

    scales_only: bool = False
    """Whether the format is one of scales, which no operand and no output can have."""

    stochastic: bool = False
    """Whether values can be rounded to it stochastically: where every step is a power of two."""

    wraps: bool = False
    """Whether the low bits of any integer are a code of the format, as ``Overflow.WRAP`` needs it."""

    takes_zero_point: bool = False
    """Whether codes are integers to which a zero point can be added, or from which one can be subtracted."""

    max_shift: int = 0
    """The largest left shift of a significand, of a format with an exponent."""

    exponent_offset: int = 0
    """What the decoded exponent of the least values is, so that shifts count from there."""

    powers_of_two: bool = False
    """Whether every value is a power of two, as it is of minifloats without a fraction."""

    normalized: bool = False
    """Whether the top bit of a significand is set wherever the exponent is above its least."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The name that ``formats.parse`` reads back to an equal format."""

    @property
    def label(self) -> str:
        """A short name of letters, digits, hyphens and underscores, for file names and tables: the name, unless that is
        long."""
        return self.name

    @property
    @abstractmethod
    def width(self) -> int:
        """Bits of a code."""

    @property
    def choices(self) -> "tuple[Format, ...]":
        """What a selector in the top bits of a code chooses from, in order; nothing where there is no selector.

        A selector belongs to a group of codes, which all have the same one.
        """
        return ()

    @property
    def selector_bits(self) -> int:
        """Bits of the selector: those of ``width`` that are stored once for a group of codes."""
        return max(0, len(self.choices) - 1).bit_length()

    @property
    @abstractmethod
    def lsb_exponent(self) -> int:
        """Exponent of the power of two that every finite value is an integer multiple of."""

    @abstractmethod
    def integer(self, code: int) -> int:
        """The integer of ``code`` in units of ``2**lsb_exponent``. Raises ValueError where the value is not finite."""

    def special(self, code: int) -> str | None:
        """The name (in ``Special``) of the value of ``code`` if that is not finite, else None."""
        self.check_code(code)
        return None

    def fields(self, code: int) -> Fields:
        """Split ``code`` into its bit fields; a format without any has all of its code as the fraction."""
        return Fields(None, None, self.check_code(code))

    def encoding(self) -> dict[str, Any]:
        """How codes are read, for the JSON beside emitted Verilog: plain values, ``encoding`` among them.

        A table has ``table``, what each code is in order: an integer, the name of a special value, or ``-0``.
        """
        return {"encoding": "table", "table": [*self.entries]}

    def describe(self) -> dict[str, Any]:
        """What the JSON beside emitted Verilog says of the format; ``formats.read_format`` reads it."""
        return {
            "name": self.name,
            "width": self.width,
            "signed": self.signed,
            "lsb_exponent": self.lsb_exponent,
            **self.encoding(),
        }

    @property
    def precision(self) -> int:
        """Bits of the longest significand, the hidden bit included and the sign not."""
        return max(self.max_integer, -self.min_integer, 1).bit_length()

    @property
    def max_integer(self) -> int:
        """The largest integer of any code."""
        return self.ordered[-1][0]

    @property
    def min_integer(self) -> int:
        """The smallest integer of any code."""
        return self.ordered[0][0]

    @property
    def signed(self) -> bool:
        """Whether any value is negative."""
        return self.min_integer < 0

    @property
    def has_nan(self) -> bool:
        return Special.NAN in self.special_codes

    @property
    def has_infinity(self) -> bool:
        return Special.POSITIVE_INFINITY in self.special_codes or self.has_negative_infinity

    @property
    def has_negative_infinity(self) -> bool:
        return Special.NEGATIVE_INFINITY in self.special_codes

    @property
    def finite(self) -> bool:
        """Whether every code is finite."""
        return not (self.has_nan or self.has_infinity)

    @property
    def has_zero(self) -> bool:
        return self.zero_code is not None

    @property
    def has_negative_zero(self) -> bool:
        return self.negative_zero is not None

    def negative(self, code: int) -> bool:
        """Whether the value of ``code`` has a minus sign; a zero has one where the format tells both zeros apart."""
        special = self.special(code)
        return special == Special.NEGATIVE_INFINITY if special is not None else self.integer(code) < 0

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
        self._check_table()
        return tuple(self.integer(code) if self.special(code) is None else None for code in range(1 << self.width))

    @cached_property
    def entries(self) -> tuple[int | str, ...]:
        """What every bit pattern is: an integer, the name of a special value, or ``-0``. Raises ValueError above 16
        bits."""
        return tuple(
            self.special(code) or "" if integer is None else "-0" if not integer and self.negative(code) else integer
            for code, integer in enumerate(self.integers)
        )

    @cached_property
    def special_codes(self) -> Mapping[str, int]:
        """The lowest code of every special value that there is, by its name. Raises ValueError above 16 bits."""
        self._check_table()
        found: dict[str, int] = {}
        for code in self.codes:
            special = self.special(code)
            if special is not None:
                found.setdefault(special, code)
        return found

    @cached_property
    def ordered(self) -> tuple[tuple[int, int], ...]:
        """Every integer that there is, ascending, with the code that encoders give it: the lowest one, and for zero
        the lowest without a minus sign if there is one. Raises ValueError above 16 bits."""
        integers = self.integers
        found: dict[int, int] = {}
        for code in self.codes:
            integer = integers[code]
            if integer is not None and not (integer == 0 and self.negative(code)):
                found.setdefault(integer, code)
        if self.negative_zero is not None:
            found.setdefault(0, self.negative_zero)
        return tuple(sorted(found.items()))

    @cached_property
    def zero_code(self) -> int | None:
        """The code that encoders give zero, None where there is no zero. Raises ValueError above 16 bits."""
        return dict(self.ordered).get(0)

    @cached_property
    def negative_zero(self) -> int | None:
        """The lowest code of a zero with a minus sign, None where there is none. Raises ValueError above 16 bits."""
        integers = self.integers
        return next((code for code in self.codes if integers[code] == 0 and self.negative(code)), None)

    @property
    def filler(self) -> int:
        """A finite code to stand where nothing counts: that of zero where there is one."""
        return self.ordered[0][1] if self.zero_code is None else self.zero_code

    @property
    def nothing(self) -> int:
        """The code of what is NaN in a format without NaN: that of zero, and code 0 where there is no zero either."""
        return self.zero_code or 0

    @cached_property
    def has_sign_bit(self) -> bool:
        """Whether the top bit of every code is its sign, so that codes that differ in it alone are opposite values.

        Raises ValueError above 16 bits.
        """
        half = 1 << self.width - 1
        integers = self.integers
        return self.width > 1 and all(
            low is not None and low >= 0 and high == -low
            for low, high in zip(integers[:half], integers[half:], strict=True)
        )

    @cached_property
    def beyond(self) -> tuple[int, int]:
        """The integers next to the least one, below it, and next to the greatest one, above it, if there were any.

        The first and the last step go on. Overflow is judged by whether a value is rounded to these.
        """
        values = [integer for integer, _ in self.ordered]
        if len(values) == 1:
            return values[0] - 1, values[0] + 1
        return 2 * values[0] - values[1], 2 * values[-1] - values[-2]

    def holds(self, least: int, most: int, unit: int = 1) -> bool:
        """Whether every multiple of ``unit`` from ``least * unit`` to ``most * unit`` is an integer of the format."""
        known = {integer for integer, _ in self.ordered}
        return most - least < len(known) and all(whole * unit in known for whole in range(least, most + 1))

    def _check_table(self) -> None:
        if self.width > TABLE_WIDTH:
            raise ValueError(f"a table of codes must have at most {TABLE_WIDTH} bits, not {self.width} ({self.name})")

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
        return min(abs(integer) for integer, _ in self.ordered if integer) * self.lsb

    @property
    def reach(self) -> Fraction:
        """The magnitude that scales bring the largest value of a tensor to."""
        return max(self.max_finite, -self.min_finite)

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


def check_operand(name: str, format: object) -> None:
    """Raise ValueError where ``format``, an argument of that name, is not a format that numbers can have."""
    check_format(name, format)
    assert isinstance(format, Format)
    if format.scales_only:
        raise ValueError(f"{name} must be a format of numbers, not of scales as {format.name}")
