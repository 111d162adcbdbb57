"""What happens to a sum on its way into a narrow format: the one rounding of the whole computation."""

from dataclasses import dataclass

from .base import Format, check_flag, check_format, check_integer
from .policy import Overflow, Rounding, check_policies

__all__ = ["RANDOM_BITS", "Requantization"]

MAX_BIAS_BITS = 64

RANDOM_BITS = 16
"""Random bits that stochastic rounding takes for one output."""


@dataclass(frozen=True)
class Requantization:
    """``(accumulator + bias) * scale * tensor_scale``, exactly; then the ReLU; then rounded once to the output format.

    NaN comes of a NaN accumulator, a NaN scale, and infinity times zero. In a format without NaN it becomes zero (the
    zero point where there is one; code 0 if there is no zero either). An infinity overflows; under ``WRAP`` it becomes
    code 0. A NaN is the positive one, unless overflow makes it of a value, whose sign it then has. An exact zero is
    positive, and a value that rounds to zero keeps its sign where the format has a negative
    zero. Stochastic rounding goes up in magnitude where the first ``RANDOM_BITS`` bits of what is cut off, plus as many
    random bits, carry.

    Parameters
    ----------
    output: format of the result; any but a dyadic one
    scale: format of a scale that comes with every sum; None for none
    tensor_scale: format of a second such scale, as NVFP4 has one for the whole tensor; None for none
    bias_bits: bits of the signed bias, in units of the accumulator's lowest bit, 0 to 64; 0 for none
    zero_point: whether an integer is added after rounding and before overflow is judged; for ``int{N}`` and ``uint{N}``
    relu: whether what is negative becomes (positive) zero, before rounding; NaN stays
    rounding, overflow: of the result; ``INFINITY`` and ``NAN`` for formats that have them, ``WRAP`` for ``int{N}`` and
        ``uint{N}``
    seed: of the stochastic rounding's random words, 1 to 2**32 - 1
    """

    output: Format
    scale: Format | None = None
    tensor_scale: Format | None = None
    bias_bits: int = 0
    zero_point: bool = False
    relu: bool = False
    rounding: Rounding = Rounding.TIES_TO_EVEN
    overflow: Overflow = Overflow.SATURATE
    seed: int = 1

    def __post_init__(self) -> None:
        check_format("output", self.output)
        if self.output.scales_only:
            raise ValueError(f"output must be a format other than a dyadic one, not {self.output.name}")
        for name, scale in (("scale", self.scale), ("tensor_scale", self.tensor_scale)):
            if scale is not None:
                check_format(name, scale)
        check_integer("bias_bits", self.bias_bits, 0, MAX_BIAS_BITS)
        check_flag("zero_point", self.zero_point)
        check_flag("relu", self.relu)
        if self.zero_point and not self.output.takes_zero_point:
            raise ValueError(f"zero_point must be False except for int{{N}} and uint{{N}}, not for {self.output.name}")
        check_policies(self.output, self.rounding, self.overflow)
        if not isinstance(self.seed, int) or not 1 <= self.seed < 1 << 32:
            raise ValueError(f"seed must be 1 to 2**32 - 1, not {self.seed!r}")
