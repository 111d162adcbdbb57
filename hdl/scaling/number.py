"""What a number consists of on its way to a code: it is ``Unscaled``, ``Unrounded``, ``Windowed``, ``Rounded``.

These are records, as ``Stages`` registers them. Parts that a number does not have are None, or constants.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from amaranth.hdl import Value

__all__ = ["Rounded", "Traits", "Unrounded", "Unscaled", "Windowed"]


@dataclass(frozen=True)
class Unscaled:
    """A number that is still to be multiplied by its scales.

    Members
    -------
    bias: what is to be added to the body first
    zero_point: what is to be added to an integer after rounding
    carried: values by name that come along to the code
    nan, infinity, negative_infinity: flags; the body means nothing where NaN or an infinity is up
    body: integer; signed where it is two's complement, else a magnitude
    scaled_infinity: flag: the number is infinity times the body, and NaN where that is zero
    flip: whether the number is the body negated
    factors: the significands of the scales by name; those that are multiplied already are gone
    exponent: the runtime part of the exponent
    """

    bias: Value | None
    zero_point: Value | None
    carried: Mapping[str, Value]
    nan: Value
    infinity: Value
    negative_infinity: Value
    body: Value
    scaled_infinity: Value
    flip: Value
    factors: Mapping[str, Value]
    exponent: Value | None


@dataclass(frozen=True)
class Traits:
    """What rounding has to know of a number besides its bits.

    Members
    -------
    zero_point: what is to be added to an integer after rounding
    carried: values by name that come along to the code
    nan, infinity: flags; the bits mean nothing where either is up
    scaled_infinity: flag: the number is infinity times its bits, and NaN where they are zero
    flip: whether the number is its bits negated
    negative: whether the number is negative, infinite or not
    """

    zero_point: Value | None
    carried: Mapping[str, Value]
    nan: Value
    infinity: Value
    scaled_infinity: Value
    flip: Value
    negative: Value


@dataclass(frozen=True)
class Unrounded:
    """A number with all its bits.

    Members
    -------
    traits: of the number
    body: as the ``NormalizingShift`` says; the sign of two's complement is its top bit
    allowed: the shift that the exponent allows, as ``NormalizingShift.allowed`` gives it
    """

    traits: Traits
    body: Value
    allowed: Value | int


@dataclass(frozen=True)
class Windowed:
    """A number shifted to where its output keeps bits of it.

    Members
    -------
    traits: of the number
    window: the bits that are kept
    fraction: the guard bits below them, as many as there are
    sticky: whether anything is left below those
    lost: whether anything is left above the window
    sign: the body's sign, where it is two's complement
    exponent: what is left of the allowed shift; None where the output has no exponent
    """

    traits: Traits
    window: Value
    fraction: Value
    sticky: Value
    lost: Value
    sign: Value
    exponent: Value | int | None


@dataclass(frozen=True)
class Rounded:
    """The code of a number, and what came along with it."""

    code: Value
    carried: Mapping[str, Value]
