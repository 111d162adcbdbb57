"""NF4, the 16 values that QLoRA quantizes weights to, as they are and rounded to integers of 8 bits."""

from fractions import Fraction

from ..table import Table
from . import named

__all__ = ["NAMES", "NF4"]

VALUES = (
    *(-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453),
    *(-0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0),
    *(0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224),
    *(0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0),
)
"""The table of bitsandbytes in the order of its codes: quantiles of a normal distribution (Dettmers et al., arXiv
2305.14314), which are float32."""

LSB_EXPONENT = -27
"""The greatest power of two that all of the float32 values are multiples of."""

INTEGERS = tuple(int(Fraction(value) / Fraction(2) ** LSB_EXPONENT) for value in VALUES)

NF4 = Table("nf4", INTEGERS, LSB_EXPONENT)

NAMES = named(
    "nf4",
    NF4,
    # The nearest multiples of 1/127, in units of 1/128: a scale makes up for that, and they are as wide as int8s.
    Table("nf4_int8", tuple(round(127 * Fraction(value)) for value in VALUES), -7),
)
