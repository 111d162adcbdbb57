"""It is settled how a number in its window will be rounded: its special values, and whether it goes up."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Value

from ...formats import RANDOM_BITS, Rounding
from .number import Windowed
from .stall_pipeline import Stages

__all__ = ["Random", "Settled", "rounds_up", "settle"]

Random = Callable[[Value], Value]
"""Gives the random word of the number at hand, and takes the signal that says that it is used up."""


@dataclass(frozen=True)
class Settled:
    """A number in its window, of which all is known that decides how it is rounded.

    Members
    -------
    window, fraction, sticky, lost, sign, exponent: as in ``Windowed``
    nan, infinity, zero: flags, of which one at most is up
    flip, negative, zero_point, carried: as in ``Traits``
    """

    window: Value
    fraction: Value
    sticky: Value
    lost: Value
    sign: Value
    exponent: Value | int | None
    nan: Value
    infinity: Value
    zero: Value
    flip: Value
    negative: Value
    zero_point: Value | None
    carried: Mapping[str, Value]


def settle(number: Windowed) -> Settled:
    """Find whether the number is NaN, infinite, or an exact zero."""
    traits = number.traits
    nan, infinity = traits.nan, traits.infinity
    zero = ~Cat(number.window, number.fraction, number.sticky, number.lost, number.sign).any()
    if not isinstance(traits.scaled_infinity, Const):
        nan = nan | (traits.scaled_infinity & ~infinity & zero)
        infinity = infinity | traits.scaled_infinity
    if not isinstance(infinity, Const):
        infinity = infinity & ~nan
    return Settled(
        window=number.window,
        fraction=number.fraction,
        sticky=number.sticky,
        lost=number.lost,
        sign=number.sign,
        exponent=number.exponent,
        nan=nan,
        infinity=infinity,
        zero=zero & ~infinity,
        flip=traits.flip,
        negative=traits.negative,
        zero_point=traits.zero_point,
        carried=traits.carried,
    )


def rounds_up(stages: Stages, number: Settled, rounding: Rounding, random: Random | None) -> Value:
    """Whether the window is rounded up: away from zero for a magnitude, towards positive for two's complement."""
    fraction, sticky, negative = number.fraction, number.sticky, number.sign
    if rounding is Rounding.STOCHASTIC:
        assert random is not None
        word = random(stages.valid & stages.advance)
        if not len(fraction):
            return Const(0, 1)
        # A fraction above a negative floor is one less the magnitude's own: up where the magnitude is not.
        padded = Cat(Const(0, RANDOM_BITS - len(fraction)), fraction)
        carry = negative & sticky
        return (Cat(carry, padded) + Cat(carry, word ^ negative.replicate(RANDOM_BITS)))[RANDOM_BITS + 1]
    if rounding is Rounding.TOWARD_ZERO:
        return negative & (fraction.any() | sticky)
    return fraction & (sticky | number.window[0]) if len(fraction) else Const(0, 1)
