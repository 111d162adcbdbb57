"""The exact accumulator of a sum of products: how many bits it needs, and what its lowest bit weighs."""

from dataclasses import dataclass

from .base import Format
from .element import EXACT, Element

__all__ = ["Accumulator", "product_range"]


def product_range(weight: Format, activation: Format) -> tuple[int, int]:
    """The least and the greatest integer of any exact product, its lsb_exponent being the sum of the operands'."""
    return EXACT.product_range(weight, activation)


@dataclass(frozen=True)
class Accumulator:
    """The narrowest two's complement (or unsigned) integer that no sum of up to ``terms`` products overflows.

    Its value is ``integer * 2**lsb_exponent``. The bound is the true one: ``terms`` times the extreme products, not a
    sum of field widths. It is unsigned where no product is negative.

    Parameters
    ----------
    weight, activation: formats of the operands
    terms: most products in one sum, 1 or more
    element: the kind of element that multiplies
    """

    weight: Format
    activation: Format
    terms: int
    element: Element = EXACT

    def __post_init__(self) -> None:
        if self.terms < 1:
            raise ValueError(f"terms must be 1 or more, not {self.terms}")

    @property
    def product_range(self) -> tuple[int, int]:
        """The least and the greatest integer of any product."""
        return self.element.product_range(self.weight, self.activation)

    @property
    def min_sum(self) -> int:
        return min(0, self.product_range[0] * self.terms)

    @property
    def max_sum(self) -> int:
        return max(0, self.product_range[1] * self.terms)

    @property
    def signed(self) -> bool:
        return self.min_sum < 0

    @property
    def width(self) -> int:
        magnitude = max(self.max_sum, -self.min_sum - 1).bit_length()
        return max(1, magnitude + self.signed)

    @property
    def lsb_exponent(self) -> int:
        return self.element.lsb_exponent(self.weight, self.activation)
