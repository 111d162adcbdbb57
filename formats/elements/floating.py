"""Accumulators that are floating-point numbers: the sum is rounded after every word."""

from dataclasses import dataclass
from typing import ClassVar

from ..base import Format
from ..element import Element, register_element
from ..fixed_point import FixedPoint

__all__ = ["FloatingSum"]

MAX_WIDTH = 8
MAX_BITS = 60
LIMITS = {"exponent_bits": (1, 5), "fraction_bits": (1, 16), "drop": (0, MAX_BITS)}


@register_element
@dataclass(frozen=True)
class FloatingSum(Element):
    """Exact products whose sum is a floating-point number.

    The products of a word are added exactly, and to the sum, which is then rounded to the nearest number with
    ``fraction_bits`` bits behind its first one, ties to even. Small sums are rounded to multiples of ``2**drop`` units
    of the products, as subnormals are, and what is beyond the greatest number becomes that, with its sign. The order of
    the words therefore matters.

    Parameters
    ----------
    exponent_bits: there are ``2**exponent_bits - 1`` binades, that of the subnormals included; 1 to 5
    fraction_bits: bits behind a number's first one, 1 to 16
    drop: the least number is ``2**drop`` units of the products
    """

    name: ClassVar[str] = "floating"
    rule: ClassVar[str] = "floating"

    exponent_bits: int
    fraction_bits: int
    drop: int = 0

    def check(self, weight: Format, activation: Format) -> None:
        for name, (least, most) in LIMITS.items():
            value = getattr(self, name)
            if not (isinstance(value, int) and least <= value <= most):
                raise ValueError(f"{name} must be {least} to {most}, not {value!r}")
        self._check_finite(MAX_WIDTH, weight, activation)
        bits = max(self.magnitude_bits, max(map(abs, super().product_range(weight, activation))).bit_length())
        if bits > MAX_BITS:
            raise ValueError(f"products and sums must be of at most {MAX_BITS} bits for element floating, not {bits}")

    @property
    def magnitude_bits(self) -> int:
        """Bits of the greatest sum, in units of the products."""
        return self.fraction_bits + (1 << self.exponent_bits) - 1 + self.drop

    @property
    def largest(self) -> int:
        """The greatest sum."""
        ones = self.fraction_bits + 1
        return ((1 << ones) - 1) << self.magnitude_bits - ones

    def accumulator(self, weight: Format, activation: Format, terms: int) -> FixedPoint:
        exact = super().accumulator(weight, activation, terms)
        return FixedPoint(self.magnitude_bits + exact.signed, exact.signed, exact.lsb_exponent)
