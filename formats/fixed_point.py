"""The form that exact sums have: an integer, the weight of its lowest bit, and flags of what is special."""

from dataclasses import dataclass

from .accumulator import Accumulator
from .base import Format, check_flag
from .products import SPECIALS, special_names

__all__ = ["FixedPoint"]


@dataclass(frozen=True)
class FixedPoint:
    """``integer * 2**lsb_exponent``, or what one of the flags says; the integer means nothing while one is up.

    Parameters
    ----------
    width: bits of the integer, 1 or more
    signed: whether it is two's complement; else unsigned
    lsb_exponent: of the weight of the lowest bit
    specials: the flags that there are, of ``SPECIALS``; kept in that order, whatever order they come in
    """

    width: int
    signed: bool
    lsb_exponent: int
    specials: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.width, int) or self.width < 1:
            raise ValueError(f"width must be 1 or more, not {self.width!r}")
        check_flag("signed", self.signed)
        if not isinstance(self.specials, tuple) or not set(self.specials) <= set(SPECIALS):
            raise ValueError(f"specials must be of {', '.join(SPECIALS)}, not {self.specials!r}")
        object.__setattr__(self, "specials", tuple(name for name in SPECIALS if name in self.specials))

    @classmethod
    def of(cls, weight: Format, activation: Format, terms: int) -> "FixedPoint":
        """The exact accumulator of up to ``terms`` products, as a MAC or dot product of the two formats has it."""
        accumulator = Accumulator(weight, activation, terms)
        return cls(accumulator.width, accumulator.signed, accumulator.lsb_exponent, special_names(weight, activation))

    @classmethod
    def between(cls, least: int, most: int, lsb_exponent: int, specials: tuple[str, ...] = ()) -> "FixedPoint":
        """The narrowest form that has zero and all integers from ``least`` to ``most``; unsigned where none is
        negative."""
        least, most = min(0, least), max(0, most)
        signed = least < 0
        return cls(max(1, max(most, -least - 1).bit_length() + signed), signed, lsb_exponent, specials)

    @property
    def max_integer(self) -> int:
        return (1 << self.width - self.signed) - 1

    @property
    def min_integer(self) -> int:
        return -(1 << self.width - 1) if self.signed else 0
