"""The exact accumulator of a sum of products: how many bits it needs, and what its lowest bit weighs."""

from dataclasses import dataclass

from .base import Format

__all__ = ["Accumulator", "product_range"]


def product_range(weight: Format, activation: Format) -> tuple[int, int]:
    """The least and the greatest integer of any product, its lsb_exponent being the sum of the operands'."""
    corners = [
        w * a
        for w in (weight.min_integer, weight.max_integer)
        for a in (activation.min_integer, activation.max_integer)
    ]
    return min(corners), max(corners)


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
