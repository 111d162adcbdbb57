"""Policies that a caller names wherever a value is forced into a format: how to round, and what to do on overflow."""

from enum import Enum

__all__ = ["Overflow", "Rounding"]


class Rounding(Enum):
    """How a value between two neighbours of a format is rounded (IEEE 754-2019, 4.3; Gupta et al., ICML 2015).

    ``TIES_TO_EVEN``: the nearer one; of two equally near ones that with an even significand, and where both are odd
    (in formats without a fraction) the larger magnitude. ``TOWARD_ZERO``: the smaller magnitude. ``STOCHASTIC``:
    either, with a probability proportional to how near it is.
    """

    TIES_TO_EVEN = "ties_to_even"
    TOWARD_ZERO = "toward_zero"
    STOCHASTIC = "stochastic"


class Overflow(Enum):
    """What becomes of a rounded value beyond the largest finite one (OCP FP8 1.0, 5.2.1, names the first three).

    ``SATURATE``: the finite value nearest to it. ``INFINITY``: infinity, for formats that have it. ``NAN``: NaN, for
    formats that have it. ``WRAP``: the low bits of the integer, for two's complement and unsigned integers.
    """

    SATURATE = "saturate"
    INFINITY = "infinity"
    NAN = "nan"
    WRAP = "wrap"
