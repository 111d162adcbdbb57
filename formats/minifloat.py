"""Minifloats of any exponent and fraction width, bias and set of special values."""

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import Any

from .base import Fields, Format, Special

__all__ = ["Minifloat", "Specials", "default_bias"]

MAX_EXPONENT_BITS = 8
MAX_FRACTION_BITS = 23
MAX_BIAS = 400


def default_bias(exponent_bits: int) -> int:
    """The bias that a minifloat has unless it names another: that of IEEE 754."""
    return (1 << exponent_bits - 1) - 1 if exponent_bits else 0


class Specials(Enum):
    """Which codes of a minifloat are not finite, by the naming of ml_dtypes.

    ``NONE``: no code (the minifloats of arXiv 2311.12359). ``IEEE``: an exponent of all ones, infinity where the
    fraction is zero and NaN elsewhere. ``FN``: NaN where exponent and fraction are all ones. ``FNUZ``: NaN instead of
    the negative zero.
    """

    NONE = "none"
    IEEE = "ieee"
    FN = "fn"
    FNUZ = "fnuz"


@dataclass(frozen=True)
class Minifloat(Format):
    """Sign, biased exponent and fraction, from the most significant bit down.

    An exponent of zero is subnormal: ``fraction * 2**(1 - bias - fraction_bits)``; any other exponent has the hidden
    bit: ``(2**fraction_bits + fraction) * 2**(exponent - bias - fraction_bits)``. Both zeros read as 0.

    Parameters
    ----------
    exponent_bits: 1 to 8
    fraction_bits: 0 to 23
    bias: of the exponent; None is ``2**(exponent_bits - 1) - 1``
    specials: which codes are not finite
    has_sign: whether the first bit is a sign
    subnormals: False reads an exponent of zero like any other, so that no code is zero (``float8_e8m0fnu``)
    alias: the name to go by instead of the ``e{E}m{M}`` that follows from the fields; needed with specials or without
        subnormals, which that name cannot tell
    """

    kind = "minifloat"
    stochastic = True
    normalized = True

    exponent_bits: int
    fraction_bits: int
    bias: int = None  # type: ignore[assignment]  # never None after __post_init__
    specials: Specials = Specials.NONE
    has_sign: bool = True
    subnormals: bool = True
    alias: str | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.exponent_bits <= MAX_EXPONENT_BITS:
            plain = f"sm{self.fraction_bits + 1}" if self.has_sign else f"uint{self.fraction_bits}"
            hint = f"; without an exponent it is {plain}" if self.exponent_bits == 0 else ""
            raise ValueError(f"exponent bits must be 1 to {MAX_EXPONENT_BITS}, not {self.exponent_bits}{hint}")
        if not 0 <= self.fraction_bits <= MAX_FRACTION_BITS:
            raise ValueError(f"fraction bits must be 0 to {MAX_FRACTION_BITS}, not {self.fraction_bits}")
        if self.specials is Specials.FNUZ and not self.has_sign:
            raise ValueError("specials must not be FNUZ without a sign: there is no negative zero to use for NaN")
        if self.alias is None and (self.specials is not Specials.NONE or not self.subnormals):
            raise ValueError("alias must be given for a minifloat with specials or without subnormals, not None")
        if self.bias is None:
            object.__setattr__(self, "bias", default_bias(self.exponent_bits))
        if not -MAX_BIAS <= self.bias <= MAX_BIAS:
            raise ValueError(f"bias must be {-MAX_BIAS} to {MAX_BIAS}, not {self.bias}")

    @property
    def name(self) -> str:
        if self.alias is not None:
            return self.alias
        bias = "" if self.bias == default_bias(self.exponent_bits) else f"b{self.bias}"
        return f"{'' if self.has_sign else 'u'}e{self.exponent_bits}m{self.fraction_bits}{bias}"

    @property
    def width(self) -> int:
        return self.has_sign + self.exponent_bits + self.fraction_bits

    @property
    def lsb_exponent(self) -> int:
        return self.subnormals - self.bias - self.fraction_bits

    @property
    def precision(self) -> int:
        return self.fraction_bits + 1

    @property
    def has_nan(self) -> bool:
        return self.specials is not Specials.NONE and not (self.specials is Specials.IEEE and self.fraction_bits == 0)

    @property
    def has_infinity(self) -> bool:
        return self.specials is Specials.IEEE

    @property
    def has_negative_infinity(self) -> bool:
        return self.has_infinity and self.has_sign

    @property
    def has_zero(self) -> bool:
        return self.subnormals

    @property
    def zero_code(self) -> int | None:  # type: ignore[override]  # it needs no table
        return 0 if self.subnormals else None

    @property
    def filler(self) -> int:
        return 0

    @property
    def has_negative_zero(self) -> bool:
        return self.has_sign and self.has_zero and self.specials is not Specials.FNUZ

    @property
    def has_sign_bit(self) -> bool:  # type: ignore[override]  # it needs no table
        return self.has_sign

    def negative(self, code: int) -> bool:
        return bool(self.fields(code).sign)

    @property
    def powers_of_two(self) -> bool:  # type: ignore[override]  # it follows from the fields
        return self.fraction_bits == 0

    @property
    def max_shift(self) -> int:  # type: ignore[override]  # it follows from the fields
        return max(0, self.max_integer.bit_length() - self.precision)

    @property
    def exponent_offset(self) -> int:  # type: ignore[override]  # it follows from the fields
        return int(self.subnormals and self.max_shift > 0)

    def encoding(self) -> dict[str, Any]:
        return {
            "encoding": "minifloat",
            "exponent_bits": self.exponent_bits,
            "fraction_bits": self.fraction_bits,
            "bias": self.bias,
            "subnormals": self.subnormals,
            "specials": self.specials.value,
        }

    def holds(self, least: int, most: int, unit: int = 1) -> bool:
        within = self.min_integer <= least * unit and most * unit <= self.max_integer
        return within and max(-least, most) <= 1 << self.precision

    def fields(self, code: int) -> Fields:
        self.check_code(code)
        magnitude_bits = self.exponent_bits + self.fraction_bits
        return Fields(
            code >> magnitude_bits if self.has_sign else None,
            (code >> self.fraction_bits) & ((1 << self.exponent_bits) - 1),
            code & ((1 << self.fraction_bits) - 1),
        )

    def special(self, code: int) -> str | None:
        sign, exponent, fraction = self.fields(code)
        if self.specials is Specials.FNUZ:
            return Special.NAN if sign and not exponent and not fraction else None
        if self.specials is Specials.NONE or exponent != (1 << self.exponent_bits) - 1:
            return None
        if self.specials is Specials.FN:
            return Special.NAN if fraction == (1 << self.fraction_bits) - 1 else None
        if fraction:
            return Special.NAN
        return Special.NEGATIVE_INFINITY if sign else Special.POSITIVE_INFINITY

    def integer(self, code: int) -> int:
        special = self.special(code)
        if special is not None:
            raise ValueError(f"code must be finite to be an integer, not {code} ({special} in {self.name})")
        sign, exponent, fraction = self.fields(code)
        assert exponent is not None
        if exponent or not self.subnormals:
            fraction += 1 << self.fraction_bits
        magnitude = fraction << max(exponent - self.subnormals, 0)
        return -magnitude if sign else magnitude

    @property
    def max_integer(self) -> int:
        code = (1 << self.exponent_bits + self.fraction_bits) - 1
        if self.specials is Specials.IEEE:
            code = (((1 << self.exponent_bits) - 1) << self.fraction_bits) - 1
        elif self.specials is Specials.FN:
            code -= 1
        return self.integer(code)

    @property
    def min_integer(self) -> int:
        return -self.max_integer if self.has_sign else 0 if self.has_zero else 1 << self.fraction_bits

    @property
    def min_subnormal(self) -> Fraction:
        return self.lsb * (1 if self.subnormals else 1 << self.fraction_bits)

    @property
    def reach(self) -> Fraction:
        return self.max_finite

    def __repr__(self) -> str:
        return f"Minifloat({self.name!r})"
