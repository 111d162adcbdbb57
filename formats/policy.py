"""Policies that a caller names wherever a value is forced into a format: how to round, and what to do on overflow."""

from enum import Enum

from .base import Format

__all__ = ["Overflow", "Rounding", "check_policies"]


class Rounding(Enum):
    """How a value between two neighbours of a format is rounded (IEEE 754-2019, 4.3; Gupta et al., ICML 2015).

    ``TIES_TO_EVEN``: the nearer one; of two equally near ones that with an even significand, and where both are odd
    (in formats without a fraction) the larger magnitude. ``TOWARD_ZERO``: the smaller magnitude. ``STOCHASTIC``:
    either, with a probability proportional to how near it is.

    A format that is its table has no significands to be even. There the smaller magnitude counts as even where it is an
    even multiple of the step between both, which says the same of integers and minifloats; where it is not, a tie goes
    to the larger magnitude, and of opposite values to the positive one. Toward zero, what lies between a negative and a
    positive neighbour goes to that of its own sign, and an exact zero to the positive one. Stochastic rounding to a
    table is refused.
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


def check_policies(format: Format, rounding: Rounding, overflow: Overflow) -> None:
    """Raise ValueError where these are not policies, or ``format`` cannot show what the overflow is to become."""
    if not isinstance(rounding, Rounding):
        raise ValueError(f"rounding must be a Rounding, not {rounding!r}")
    if not isinstance(overflow, Overflow):
        raise ValueError(f"overflow must be an Overflow, not {overflow!r}")
    if overflow is Overflow.INFINITY and not format.has_infinity:
        raise ValueError(
            f"overflow must be one that {format.name} can show, not {overflow.value!r}: it has no infinity"
        )
    if overflow is Overflow.NAN and not format.has_nan:
        raise ValueError(f"overflow must be one that {format.name} can show, not {overflow.value!r}: it has no NaN")
    if rounding is Rounding.STOCHASTIC and not format.stochastic:
        raise ValueError(
            f"rounding must be 'ties_to_even' or 'toward_zero' for {format.name}, whose steps need not be powers of "
            f"two, not {rounding.value!r}"
        )
    if overflow is Overflow.WRAP and not format.wraps:
        raise ValueError(f"overflow must be 'wrap' for int{{N}} and uint{{N}} only, not for {format.name}")
