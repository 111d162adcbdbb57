"""Exact sums of products whose exponents reach far: products are summed by exponent first."""

from dataclasses import dataclass
from typing import ClassVar

from ..base import Format
from ..element import Element, register_element
from ..fixed_point import FixedPoint

__all__ = ["Bins"]

MAX_PLACES = 64
MAX_BINS = 64
WIDE = 60
"""The greatest exponent from which on bins measured smaller than the exact sum: e5m2's is 62, and e4m3's 30."""
FEW_BINS = 32
"""Words of the LUT RAM that xc7's LUTs make two bits wide."""


def _reach(weight: Format, activation: Format) -> int:
    """The greatest exponent of a product, as exponents are added."""
    return sum(format.exponent_offset + format.max_shift for format in (weight, activation))


@register_element
@dataclass(frozen=True)
class Bins(Element):
    """Exact, for formats with exponents: every lane adds its products in short sums, one for each range of exponents.

    The upper bits of a product's exponent choose a sum, a bin, and only the lower ones shift the product's significand.
    Behind the last word of a sum, the bins are read out one a cycle, the lowest first, added over the lanes and carried
    into the next, and are 0 again. That takes as many cycles as there are bins, in which no word may come:
    ``recovery``. A bin is as wide as ``terms`` products need, shared out among the lanes.

    Parameters
    ----------
    places: of the sum, that a bin is apart from the next: a power of two; 0 stands for the least that makes no more
        than 32 bins
    """

    name: ClassVar[str] = "bins"

    places: int = 0

    @classmethod
    def hint(cls, weight: Format, activation: Format) -> str:
        if _reach(weight, activation) < WIDE:
            return ""
        return "it takes fewer LUTs where there is LUT RAM (xc7, ecp5), and some cycles more for a sum"

    def check(self, weight: Format, activation: Format) -> None:
        if self.places not in (0, *(1 << power for power in range(MAX_PLACES.bit_length()))):
            raise ValueError(f"places must be a power of two up to {MAX_PLACES}, or 0, not {self.places!r}")
        if not weight.max_shift + activation.max_shift:
            raise ValueError(f"formats must have an exponent for element bins, not {weight} and {activation}")
        if not 2 <= self.recovery(weight, activation) <= MAX_BINS:
            raise ValueError(
                f"places must make 2 to {MAX_BINS} bins of the exponents of {weight} x {activation}, not "
                f"{self.recovery(weight, activation)}"
            )

    def apart(self, weight: Format, activation: Format) -> int:
        """Places that a bin is apart from the next."""
        return self.places or 1 << (_reach(weight, activation) // FEW_BINS).bit_length()

    def recovery(self, weight: Format, activation: Format) -> int:
        return _reach(weight, activation) // self.apart(weight, activation) + 1

    def most_terms(self, weight: Format, activation: Format, accumulator: FixedPoint) -> int:
        """The most terms of sums that have this form: what a bin has to hold."""
        least, most = self.product_range(weight, activation)
        return max(accumulator.max_integer, -accumulator.min_integer) // max(most, -least)
