"""Any number, as a body and a power of two, is rounded to the code of any format by any policy."""

from collections.abc import Mapping
from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from ...formats import Format, Integer, Minifloat, Overflow, Requantization, Specials
from .normalize import normalize
from .normalizing_shift import NormalizingShift
from .number import Rounded, Unrounded
from .round_integer import round_integer
from .round_to_table import round_to_table
from .settle import Random, Settled, rounds_up, settle
from .stall_pipeline import Stages

__all__ = ["ROUNDING_STAGES", "Random", "round_to_code"]

ROUNDING_STAGES = 3
"""Stages after the shift: which way to round, the sum, and what is out of range."""


@dataclass(frozen=True)
class _MagnitudeParts:
    """A magnitude whose rounding is decided: the position is that of the window and its exponent, plus ``up``.

    Members
    -------
    nan, infinity, zero, negative: flags
    exponent, lost: as in ``Windowed``
    leading: the window's top bit, which the window is without where the output has no subnormals
    """

    carried: Mapping[str, Value]
    nan: Value
    infinity: Value
    exponent: Value | int | None
    negative: Value
    lost: Value
    window: Value
    zero: Value
    up: Value
    leading: Value


@dataclass(frozen=True)
class _Position:
    """A rounded magnitude: how many steps it lies above the format's least, going on beyond the largest finite one.

    Within the format's range that is the code, but for its sign.

    Members
    -------
    nan, infinity, zero, negative: flags
    lost: whether the magnitude is longer than the position
    leading: whether the magnitude had reached the least one of a format without zero before it was rounded
    small: whether it has not after rounding either; None for formats with subnormals
    """

    carried: Mapping[str, Value]
    nan: Value
    infinity: Value
    negative: Value
    lost: Value
    zero: Value
    leading: Value
    position: Value
    small: Value | None


def round_to_code(
    m: Module,
    stages: Stages,
    number: Unrounded,
    shift: NormalizingShift,
    how: Requantization,
    random: Random | None = None,
) -> Rounded:
    """Round a number, in ``shift.stages + ROUNDING_STAGES`` stages; the last of them holds the code.

    Of ``how``, the output, the rounding, the overflow and the ReLU count. A body may have a sticky lowest bit, where
    that is below the guard bits of every shift.
    """
    settled = settle(normalize(m, stages, number, shift))
    if shift.by_table:
        code = round_to_table(m, stages, settled, how)
    elif isinstance(how.output, Integer):
        code = round_integer(m, stages, settled, shift, how, random)
    else:
        code = _round_magnitude(m, stages, settled, shift, how, random)
    return stages.register(code)


def _round_magnitude(
    m: Module,
    stages: Stages,
    number: Settled,
    shift: NormalizingShift,
    how: Requantization,
    random: Random | None,
) -> Rounded:
    """Round a magnitude to its ``_Position``, and that to a code, in the stages between the shift and the last one."""
    output = how.output
    hidden = isinstance(output, Minifloat) and not output.subnormals
    up = rounds_up(stages, number, how.rounding, random)
    window, zero, infinity, negative = number.window, number.zero, number.infinity, number.negative
    if shift.twos:
        up = up ^ number.sign
        window = window ^ number.sign.replicate(shift.window)
    if how.relu:
        zero = zero | (negative & ~number.nan)
        infinity = infinity & ~negative
        negative = Const(0, 1)
    leading = window[-1]
    if hidden:
        window = window[:-1]
    parts = stages.register(
        _MagnitudeParts(
            carried=number.carried,
            nan=number.nan,
            infinity=infinity,
            exponent=number.exponent,
            negative=negative,
            lost=number.lost,
            window=window,
            zero=zero,
            up=up,
            leading=leading,
        )
    )

    fraction_bits = output.fraction_bits if isinstance(output, Minifloat) else 0
    if isinstance(parts.exponent, Value) or (parts.exponent and shift.floats):
        exponent = Value.cast(parts.exponent)[: max(shift.most_allowed.bit_length(), 1)]
        # One adder: the rounding comes in through a bit below both operands.
        total = Cat(parts.up, parts.window) + Cat(parts.up, Const(0, fraction_bits), exponent)
        position = total[1:]
    else:
        position = parts.window + parts.up
    small = ~(parts.leading | position[fraction_bits:].any()) if hidden else None
    rounded = stages.register(
        _Position(
            carried=parts.carried,
            nan=parts.nan,
            infinity=parts.infinity,
            negative=parts.negative,
            lost=parts.lost,
            zero=parts.zero,
            leading=parts.leading,
            position=position,
            small=small,
        )
    )
    return Rounded(_encode(m, rounded, output, how.overflow), rounded.carried)


def _encode(m: Module, number: _Position, output: Format, overflow: Overflow) -> Value:
    """The code of a position, or of what is special or out of range."""
    has_sign = not isinstance(output, Minifloat) or output.has_sign
    bits = output.width - has_sign
    most, past = _largest(output)
    position = number.position
    beyond = position[bits:].any() | number.infinity | number.lost
    if past < 1 << bits:
        # The codes past the largest finite one are those whose upper bits are ones.
        beyond = beyond | position[(past & -past).bit_length() - 1 : bits].all()
    negative = number.negative & ~number.zero
    below = Const(0, 1) if has_sign else negative
    zero = number.zero | below
    outside = beyond & ~zero
    if not output.has_zero:
        zero = zero | (~number.leading & ~number.infinity)
        outside = beyond & ~zero
        if overflow is not Overflow.SATURATE:
            assert number.small is not None
            outside = outside | number.zero | (negative & number.small & ~number.infinity & ~below)
    if overflow is Overflow.NAN:
        reached = position.any() | number.infinity | number.lost if output.has_zero else Const(1, 1)
        outside = outside | (below & reached)
    nan = _nan(output) if output.has_nan else 0
    instead = {Overflow.INFINITY: past, Overflow.NAN: nan}.get(overflow, most)
    magnitude = Signal(bits, name="magnitude")
    m.d.comb += magnitude.eq(Mux(number.nan, nan, Mux(outside, instead, Mux(zero, 0, position[:bits]))))
    sign = negative & ~number.nan
    if isinstance(output, Minifloat) and output.specials is Specials.FNUZ:
        # Its NaN takes the place of the negative zero.
        sign = (sign & magnitude.any()) | number.nan
        if overflow is Overflow.NAN:
            sign = sign | outside
    return Cat(magnitude, sign) if has_sign else magnitude


def _largest(output: Format) -> tuple[int, int]:
    """The position of the largest finite magnitude, and the one past it."""
    if not isinstance(output, Minifloat):
        return output.max_integer, output.max_integer + 1
    top = 1 << output.exponent_bits + output.fraction_bits
    most = top - {Specials.IEEE: (1 << output.fraction_bits) + 1, Specials.FN: 2}.get(output.specials, 1)
    return most, most + 1


def _nan(output: Format) -> int:
    """The code of NaN but for its sign. It is the quiet one, as ml_dtypes writes it."""
    assert isinstance(output, Minifloat)
    _, past = _largest(output)
    match output.specials:
        case Specials.FNUZ:
            return 0
        case Specials.IEEE:
            return past + (1 << output.fraction_bits - 1)
    return past
