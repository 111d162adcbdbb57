"""Block-scaled operands, as in OCP's microscaling formats and NVFP4: a scale for every so many elements."""

from dataclasses import dataclass

from .base import Format, check_flag, check_format
from .catalog import parse
from .fixed_point import FixedPoint
from .integer import Integer
from .products import product_range, special_names

__all__ = ["Blocks"]

SIZES = (16, 32, 64, 128)
ACCUMULATE = ("exact", "float32", "auto")

WIDEST_AUTO = 128
"""The widest exact accumulator that ``auto`` takes, in bits."""


@dataclass(frozen=True)
class Blocks:
    """How the elements of a sum of products are scaled, and what adds up the blocks.

    The sum is that of ``block_sum * activation_scale * weight_scale`` over the blocks, a block sum being the exact sum
    of its products, of weights less their zero point where there is one. It is exact, or it is kept in float32: then
    the blocks are added one after another in ascending order, each with one rounding (ties to even, subnormals kept,
    overflow to infinity) of the exact result.

    Parameters
    ----------
    size: elements that share a scale, 16, 32, 64 or 128; the last block of a sum may be shorter
    weight_scale, activation_scale: formats of the scales
    accumulate: ``exact``, ``float32``, or ``auto``, which is exact where that takes at most 128 bits
    zero_points: whether every block of weights has a zero point, a code of the weights' format, beside its scale. It is
        subtracted from each of them, which are integers; activations are finite
    """

    size: int
    weight_scale: Format
    activation_scale: Format
    accumulate: str = "auto"
    zero_points: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.size, int) or self.size not in SIZES:
            raise ValueError(f"block size must be one of {', '.join(map(str, SIZES))}, not {self.size!r}")
        check_format("weight_scale", self.weight_scale)
        check_format("activation_scale", self.activation_scale)
        if self.accumulate not in ACCUMULATE:
            raise ValueError(f"accumulate must be one of {', '.join(ACCUMULATE)}, not {self.accumulate!r}")
        check_flag("zero_points", self.zero_points)

    def check(self, weight: Format, activation: Format) -> None:
        """Raise ValueError where blocks of these formats cannot have zero points as these have."""
        if self.zero_points and not weight.takes_zero_point:
            raise ValueError(f"weight must be int{{N}} or uint{{N}} where blocks have zero points, not {weight}")
        if self.zero_points and not activation.finite:
            raise ValueError(f"activation must have no special values where blocks have zero points, not {activation}")

    def multiplied(self, weight: Format) -> Format:
        """What weights are once their zero point is subtracted: of a format of ``weight.width + 1`` bits if there is
        one."""
        return Integer(weight.width + 1, symmetric=True) if self.zero_points else weight

    def weight_bits(self, weight: Format) -> int:
        """The bits that stand beside a block of weights: those of its scale, and of a zero point above them."""
        return self.weight_scale.width + (weight.width if self.zero_points else 0)

    def exact(self, weight: Format, activation: Format, terms: int) -> FixedPoint:
        """The narrowest accumulator that no sum of up to ``terms`` scaled products overflows."""
        check_format("weight", weight)
        check_format("activation", activation)
        if terms < 1:
            raise ValueError(f"terms must be 1 or more, not {terms!r}")
        self.check(weight, activation)
        weight = self.multiplied(weight)
        factors = (weight, activation, self.weight_scale, self.activation_scale)
        scales = product_range(self.weight_scale, self.activation_scale)
        corners = [product * scale for product in product_range(weight, activation) for scale in scales]
        lsb_exponent = sum(factor.lsb_exponent for factor in factors)
        return FixedPoint.between(min(corners) * terms, max(corners) * terms, lsb_exponent, special_names(*factors))

    def sum_format(self, weight: Format, activation: Format, terms: int) -> FixedPoint | Format:
        """The form that a sum of up to ``terms`` products is kept in: a fixed-point one, or float32."""
        exact = self.exact(weight, activation, terms)
        if self.accumulate == "exact" or (self.accumulate == "auto" and exact.width <= WIDEST_AUTO):
            return exact
        return parse("float32")
