"""Products a digit, or a bit, of the operands at a time: the number of digits is the number of cycles."""

from dataclasses import dataclass
from typing import ClassVar

from ..base import Format
from ..element import Element, register_element
from ..fixed_point import FixedPoint

__all__ = ["BitSerial", "BoothRounded", "BoothSerial", "rounded", "twos_complement_bits"]

MAX_BITS = 12
"""Bits of a code that is taken as an integer, at most."""


def twos_complement_bits(format: Format) -> int:
    """Bits of the integers of a format in two's complement, whether or not any is negative."""
    return 1 + max(format.max_integer.bit_length(), (-format.min_integer - 1).bit_length() if format.signed else 0)


def booth_digits(format: Format) -> int:
    """Digits to the base of 4, from -2 to 2, of the integers of a format."""
    return -(-twos_complement_bits(format) // 2)


def rounded(integer: int, drop: int) -> int:
    """The integer without its ``drop`` lowest Booth digits: divided by ``4**drop``, rounded to nearest, halves up."""
    return integer if drop == 0 else (integer + (1 << 2 * drop - 1)) >> 2 * drop


@register_element
@dataclass(frozen=True)
class BoothSerial(Element):
    """Exact, a radix-4 Booth digit of the weight a cycle, the highest first.

    Parameters
    ----------
    digits: of the weight's integers, two bits each: 4 for int8
    run_time: 1 where a register of an engine says how many of the lowest digits do not count, as in ``BoothRounded``
    """

    name: ClassVar[str] = "booth_serial"

    digits: int
    run_time: int = 0

    @property
    def interval(self) -> int:
        return self.digits

    @property
    def droppable(self) -> int:
        return self.digits - 1 if self.run_time else 0

    def dropping(self, dropped: int) -> Element:
        if dropped == 0:
            return self
        return BoothRounded(self.digits - dropped, drop=self.dropped + dropped)

    @property
    def dropped(self) -> int:
        """Lowest digits that do not count."""
        return 0

    def check(self, weight: Format, activation: Format) -> None:
        self._check_finite(MAX_BITS, weight, activation)
        if self.run_time not in (0, 1):
            raise ValueError(f"run_time must be 0 or 1, not {self.run_time!r}")
        needed = booth_digits(weight) - self.dropped
        if self.digits != needed or needed < 1:
            raise ValueError(
                f"digits, and drop, must make the {booth_digits(weight)} digits of {weight}, not "
                f"{self.digits + self.dropped}"
            )


@register_element
@dataclass(frozen=True)
class BoothRounded(BoothSerial):
    """The highest Booth digits of the weight alone: the weight is rounded to nearest in multiples of ``4**drop``.

    One stored integer so serves at several precisions, each in cycles in proportion. The sum of the digits from the
    j-th on is ``floor(q / 4**j + 1/2)``, what double rounding gives without its clip.

    Parameters
    ----------
    digits: that count
    drop: the digits below, which do not
    """

    name: ClassVar[str] = "booth_rounded"
    rule: ClassVar[str] = "booth_rounded"

    drop: int = 1

    @property
    def dropped(self) -> int:
        return self.drop

    def check(self, weight: Format, activation: Format) -> None:
        if self.drop < 1:
            raise ValueError(f"drop must be 1 or more, not {self.drop!r}")
        super().check(weight, activation)

    def product_range(self, weight: Format, activation: Format) -> tuple[int, int]:
        weights = [rounded(integer, self.drop) for integer in (weight.min_integer, weight.max_integer)]
        corners = [w * a for w in weights for a in (activation.min_integer, activation.max_integer)]
        return min(corners), max(corners)

    def lsb_exponent(self, weight: Format, activation: Format) -> int:
        return super().lsb_exponent(weight, activation) + 2 * self.drop


@register_element
@dataclass(frozen=True)
class BitSerial(Element):
    """Exact, a bit of the weight by a bit of the activation a cycle, and the ones of all lanes counted.

    That is the element of BISMO (Umuroglu et al., FPL 2018) and of Loom; a cycle's count is added to the sum of the
    word, which is doubled before where the place of the bits is the next lower one.

    Parameters
    ----------
    weight_bits, activation_bits: of the operands' integers in two's complement
    """

    name: ClassVar[str] = "bit_serial"

    weight_bits: int
    activation_bits: int

    @property
    def interval(self) -> int:
        return self.weight_bits * self.activation_bits

    def check(self, weight: Format, activation: Format) -> None:
        self._check_finite(MAX_BITS, weight, activation)
        for name, format in (("weight", weight), ("activation", activation)):
            given, needed = getattr(self, f"{name}_bits"), twos_complement_bits(format)
            if given != needed:
                raise ValueError(f"{name}_bits must be the {needed} of the integers of {format}, not {given!r}")

    @property
    def steps(self) -> list[tuple[int, int]]:
        """The places of the bits of weight and activation that meet in every cycle of a word, highest sums first."""
        places = [(w, a) for w in range(self.weight_bits) for a in range(self.activation_bits)]
        return sorted(places, key=sum, reverse=True)


def word_sum(element: Element, weight: Format, activation: Format, lanes: int) -> FixedPoint:
    """The form of the sum of the products of a word, and of all that it is on the way."""
    least, most = element.product_range(weight, activation)
    return FixedPoint.between(min(2 * least, -2 * most) * lanes, max(2 * most, -2 * least) * lanes, 0)
