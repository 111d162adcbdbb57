"""Accumulators with fewer bits than exact sums take: products are cut, and sums saturate."""

from dataclasses import dataclass
from typing import ClassVar

from ..base import Format
from ..element import Element, register_element
from ..fixed_point import FixedPoint

__all__ = ["WindowSum", "cut"]

MAX_BITS = 64
MAX_WIDTH = 16
MAX_DROP = 256


def cut(integer: int, drop: int) -> int:
    """The integer divided by ``2**drop``, rounded toward zero."""
    return integer >> drop if integer >= 0 else -(-integer >> drop)


@register_element
@dataclass(frozen=True)
class WindowSum(Element):
    """Exact products of which a window of bits counts.

    Every product loses its lowest bits: its magnitude is cut, which rounds it toward zero. The products of a word are
    added exactly, and added to the sum, which then saturates: what is out of range becomes the least or the greatest
    value. The order of the words therefore matters.

    Parameters
    ----------
    bits: of the accumulator, 2 to 64; where an exact sum needs no more, it is that narrow and never saturates
    drop: lowest bits of every product that do not count
    """

    name: ClassVar[str] = "window"
    rule: ClassVar[str] = "window"

    bits: int
    drop: int = 0

    def check(self, weight: Format, activation: Format) -> None:
        for name, least, most in (("bits", 2, MAX_BITS), ("drop", 0, MAX_DROP)):
            value = getattr(self, name)
            if not (isinstance(value, int) and least <= value <= most):
                raise ValueError(f"{name} must be {least} to {most}, not {value!r}")
        self._check_finite(MAX_WIDTH, weight, activation)

    def product_range(self, weight: Format, activation: Format) -> tuple[int, int]:
        least, most = super().product_range(weight, activation)
        return cut(least, self.drop), cut(most, self.drop)

    def lsb_exponent(self, weight: Format, activation: Format) -> int:
        return super().lsb_exponent(weight, activation) + self.drop

    def accumulator(self, weight: Format, activation: Format, terms: int) -> FixedPoint:
        exact = super().accumulator(weight, activation, terms)
        return FixedPoint(min(exact.width, self.bits), exact.signed, exact.lsb_exponent)

    def limits(self, weight: Format, activation: Format) -> tuple[int, int]:
        """The least and the greatest sum of any number of products."""
        signed = self.product_range(weight, activation)[0] < 0
        form = FixedPoint(self.bits, signed, 0)
        return form.min_integer, form.max_integer
