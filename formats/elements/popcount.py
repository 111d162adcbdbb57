"""Sums of products of single bits, which are counts of ones."""

from dataclasses import dataclass
from typing import ClassVar

from ..base import Format
from ..element import Element, register_element

__all__ = ["Popcount"]

VALUES = ((0, 1), (-1, 1))
"""The integers of codes 0 and 1 that a count of ones makes products of."""


@register_element
@dataclass(frozen=True)
class Popcount(Element):
    """Exact, for bits that are 0 and 1, or -1 and +1: products are counted.

    A sum of n products is ``popcount(w & a)`` of zeros and ones, ``2 * popcount(w ~^ a) - n`` of signs, and
    ``2 * popcount(w & a)`` less the popcount of the zeros and ones where one operand has signs (XNOR-Net, arXiv
    1603.05279; BiBERT, arXiv 2203.06390). Lanes may be left out, even where no format has a zero.
    """

    name: ClassVar[str] = "popcount"

    def check(self, weight: Format, activation: Format) -> None:
        for format in (weight, activation):
            if format.width != 1 or tuple(format.integers) not in VALUES:
                raise ValueError(f"formats must be uint1 or bipolar for element popcount, not {format}")

    def fills(self, weight: Format, activation: Format) -> bool:
        return True
