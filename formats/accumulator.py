"""The exact accumulator of a sum of products: how many bits it needs, and what its lowest bit weighs."""

from dataclasses import dataclass

from .base import Format
from .products import product_range

__all__ = ["Accumulator"]


@dataclass(frozen=True)
class Accumulator:
    """The narrowest two's complement (or unsigned) integer that no sum of up to ``terms`` products overflows.

    Its value is ``integer * 2**lsb_exponent``. The bound is the true one: ``terms`` times the extreme products, not a
    sum of field widths. It is unsigned where no product is negative.

    Parameters
    ----------
    weight, activation: formats of the operands
    terms: most products in one sum, 1 or more
    """

    weight: Format
    activation: Format
    terms: int

    def __post_init__(self) -> None:
        if self.terms < 1:
            raise ValueError(f"terms must be 1 or more, not {self.terms}")

    @property
    def min_sum(self) -> int:
        return min(0, product_range(self.weight, self.activation)[0] * self.terms)

    @property
    def max_sum(self) -> int:
        return max(0, product_range(self.weight, self.activation)[1] * self.terms)

    @property
    def signed(self) -> bool:
        return self.min_sum < 0

    @property
    def width(self) -> int:
        magnitude = max(self.max_sum, -self.min_sum - 1).bit_length()
        return max(1, magnitude + self.signed)

    @property
    def lsb_exponent(self) -> int:
        return self.weight.lsb_exponent + self.activation.lsb_exponent
