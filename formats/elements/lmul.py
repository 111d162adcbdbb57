"""L-Mul: products of minifloats by one addition of their codes."""

from dataclasses import dataclass
from typing import ClassVar

from ..base import Format
from ..element import Element, register_element
from ..minifloat import Minifloat

__all__ = ["LMul"]

MAX_WIDTH = 8


@register_element
@dataclass(frozen=True)
class LMul(Element):
    """The linear-complexity product of Luo and Sun, arXiv 2410.00907, in the form that works on bits.

    Exponent and fraction of a code are one integer, its field. The field of a product is ``field(x) + field(y) -
    (bias << m) + 2**(m - l)``, of m fraction bits, where l is m up to 3, 3 of 4, and 4 above. It is the greatest of the
    format where it is above, and the product is zero where the exponent of a factor is zero, or that of the product is
    not above zero. The sign is that of the exact product. Products are added exactly.

    Parameters
    ----------
    wide: 1 for products whose exponent may be any, so that none saturates and none but those of zeros and subnormals
        vanishes; 0 for those of the factors' format
    """

    name: ClassVar[str] = "lmul"
    rule: ClassVar[str] = "lmul"

    wide: int = 0

    def check(self, weight: Format, activation: Format) -> None:
        if self.wide not in (0, 1):
            raise ValueError(f"wide must be 0 or 1, not {self.wide!r}")
        for format in (weight, activation):
            suits = isinstance(format, Minifloat) and format.subnormals and format.finite and format == weight
            if not suits or not format.width <= MAX_WIDTH or not format.max_shift:
                raise ValueError(
                    f"formats must be one finite minifloat of at most {MAX_WIDTH} bits for element lmul, not "
                    f"{weight} and {activation}"
                )
        if fraction_bits(weight) < 1:
            raise ValueError(f"formats must have fraction bits for element lmul, not {weight}")

    def product_range(self, weight: Format, activation: Format) -> tuple[int, int]:
        largest = (1 << weight.width - weight.has_sign_bit) - 1
        most = self.magnitude(weight, largest, largest)
        return (-most if weight.signed else 0), most

    def lsb_exponent(self, weight: Format, activation: Format) -> int:
        if self.wide:
            return 2 * weight.lsb_exponent + fraction_bits(weight)
        return weight.lsb_exponent

    def offset(self, format: Format) -> int:
        """What is added to the sum of the fields."""
        m = fraction_bits(format)
        return 1 << m - (m if m <= 3 else 3 if m == 4 else 4)

    def magnitude(self, format: Format, x: int, y: int) -> int:
        """The product of two fields in units of ``2**lsb_exponent``."""
        m = fraction_bits(format)
        if not (x >> m and y >> m):
            return 0
        field, least = x + y + self.offset(format), 2
        if not self.wide:
            most = (1 << format.width - format.has_sign_bit) - 1
            field, least = min(field - (bias(format) << m), most), 1
        exponent = field >> m
        return ((1 << m) + (field & (1 << m) - 1)) << exponent - least if exponent >= least else 0


def fraction_bits(format: Format) -> int:
    assert isinstance(format, Minifloat)
    return format.fraction_bits


def bias(format: Format) -> int:
    assert isinstance(format, Minifloat)
    return format.bias
