"""The one rounding: any number, as a body and a power of two, to the code of any format by any policy."""

from collections.abc import Callable
from types import SimpleNamespace

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from ...formats import (
    RANDOM_BITS,
    Format,
    Integer,
    Minifloat,
    Overflow,
    Requantization,
    Rounding,
    Specials,
)
from .normalize import Placement, named_signal, shift_into_window
from .stall_pipeline import Stages
from .table_output import finish_table

__all__ = ["ROUNDING_STAGES", "Random", "round_to_code"]

Random = Callable[[Value], Value]
"""Gives the random word of the number at hand, and takes the signal that says that it is used up."""

ROUNDING_STAGES = 3
"""Stages after the shift: which way to round, the sum, and what is out of range."""


def round_to_code(
    m: Module,
    stages: Stages,
    live: SimpleNamespace,
    placement: Placement,
    how: Requantization,
    random: Random | None = None,
) -> SimpleNamespace:
    """Round, in as many stages as it takes; the last of them holds ``code``.

    All else in ``live`` comes along. Of ``how``, the output, the rounding, the overflow and the ReLU count. A body may
    hold a sticky lowest bit, where that is below the guard bits of every shift.

    ``live`` holds
    --------------
    body: as ``placement`` says; the sign of two's complement is its top bit
    flip: whether the number is the body negated
    negative: whether the number is negative, infinite or not
    allowed: as ``placement.allowed`` gives it
    nan, infinity: flags; the body means nothing where either is up
    scaled_infinity: flag: the number is infinity times the body, NaN where that is zero
    zero_point: for integers, or None
    """
    live = shift_into_window(m, stages, live, placement)
    _settle(live, placement, how)
    if placement.by_table:
        live = finish_table(m, stages, live, how)
    elif isinstance(how.output, Integer):
        live = _finish_integer(m, stages, live, placement, how, random)
    else:
        live = _finish_magnitude(m, stages, live, placement, how, random)
    return stages.register(live)


def _settle(live: SimpleNamespace, placement: Placement, how: Requantization) -> None:
    """Whether the number is NaN, infinite, or an exact zero."""
    zero = ~Cat(live.window, live.fraction, live.sticky, live.lost, live.sign).any()
    if not isinstance(live.scaled_infinity, Const):
        live.nan = live.nan | (live.scaled_infinity & ~live.infinity & zero)
        live.infinity = live.infinity | live.scaled_infinity
    if not isinstance(live.infinity, Const):
        live.infinity = live.infinity & ~live.nan
    live.zero = zero & ~live.infinity
    live.scaled_infinity = None


def _up(
    stages: Stages, live: SimpleNamespace, placement: Placement, rounding: Rounding, random: Random | None
) -> Value:
    """Whether the window is rounded up: away from zero for a magnitude, towards positive for two's complement."""
    fraction, sticky, negative = live.fraction, live.sticky, live.sign
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
    return fraction & (sticky | live.window[0]) if len(fraction) else Const(0, 1)


def _finish_integer(
    m: Module,
    stages: Stages,
    live: SimpleNamespace,
    placement: Placement,
    how: Requantization,
    random: Random | None,
) -> SimpleNamespace:
    output = how.output
    assert isinstance(output, Integer)
    # What is negated is complemented, and so is the carry that rounds it.
    complement = live.flip
    infinite = live.infinity
    none = live.nan
    if how.relu:
        none = none | live.negative
    if how.overflow is Overflow.WRAP:
        none = none | infinite
    keep = named_signal(m, "keep", ~none)
    up = _up(stages, live, placement, how.rounding, random)
    live.carry = (up ^ complement) & keep
    live.base = ((live.window ^ complement.replicate(placement.window)) & keep.replicate(placement.window)).as_signed()
    live.beyond = (live.lost | (live.window[-1] ^ live.sign) | infinite) & keep
    live.code_zero = None
    if how.overflow is Overflow.WRAP and live.zero_point is not None:
        live.code_zero = infinite & ~live.negative if how.relu else infinite
    _drop(live, "window", "fraction", "sticky", "lost", "nan", "infinity", "zero", "exponent", "allowed")
    _drop(live, "sign", "flip")
    live = stages.register(live)

    # One adder: the carry comes in through a bit below both operands.
    zero_point = Const(0, 1) if live.zero_point is None else live.zero_point
    total = Cat(live.carry, live.base).as_signed() + Cat(live.carry, zero_point, _sign_bit(zero_point)).as_signed()
    live.total = total[1:].as_signed()
    _drop(live, "base", "carry", "zero_point")
    live = stages.register(live)

    bits = output.bits
    total, beyond, negative = live.total, live.beyond, live.negative
    if how.overflow is Overflow.WRAP:
        code = total[:bits]
        if live.code_zero is not None:
            code = Mux(live.code_zero, 0, code)
    else:
        low = total[-1]
        if output.unsigned:
            outside = total[bits:].any()
        else:
            outside = (total[bits - 1 : -1] ^ low.replicate(len(total) - bits)).any()
            if output.symmetric:
                outside = outside | (low & ~total[: bits - 1].any())
        below = Mux(beyond, negative, low)
        least = output.min_integer & ((1 << bits) - 1)
        code = Mux(beyond | outside, Mux(below, least, output.max_integer), total[:bits])
    live.code = code[:bits]
    _drop(live, "total", "beyond", "negative", "code_zero")
    return live


def _sign_bit(value: Value) -> Value:
    return value[-1] if value.shape().signed else Const(0, 1)


def _finish_magnitude(
    m: Module,
    stages: Stages,
    live: SimpleNamespace,
    placement: Placement,
    how: Requantization,
    random: Random | None,
) -> SimpleNamespace:
    """A position is how many steps a magnitude lies above the format's least: its code but for the sign, and going on
    beyond the largest finite one."""
    output = how.output
    hidden = isinstance(output, Minifloat) and not output.subnormals
    live.up = _up(stages, live, placement, how.rounding, random)
    if placement.twos:
        live.up = live.up ^ live.sign
        live.window = live.window ^ live.sign.replicate(placement.window)
    if how.relu:
        live.zero = live.zero | (live.negative & ~live.nan)
        live.infinity = live.infinity & ~live.negative
        live.negative = Const(0, 1)
    live.leading = live.window[-1]
    if hidden:
        live.window = live.window[:-1]
    _drop(live, "fraction", "sticky", "allowed", "zero_point", "sign", "flip")
    live = stages.register(live)

    fraction_bits = output.fraction_bits if isinstance(output, Minifloat) else 0
    window = live.window
    if isinstance(live.exponent, Value) or (live.exponent and placement.floats):
        exponent = Value.cast(live.exponent)[: max(placement.most_allowed.bit_length(), 1)]
        # One adder: the rounding comes in through a bit below both operands.
        total = Cat(live.up, window) + Cat(live.up, Const(0, fraction_bits), exponent)
        live.position = total[1:]
    else:
        live.position = window + live.up
    if hidden:
        live.small = ~(live.leading | live.position[fraction_bits:].any())
    _drop(live, "window", "up", "exponent")
    live = stages.register(live)

    _encode(m, live, output, how.overflow)
    _drop(live, "position", "small", "leading", "lost", "nan", "infinity", "zero", "negative")
    return live


def _encode(m: Module, live: SimpleNamespace, output: Format, overflow: Overflow) -> None:
    """The code of a position, or of what is special or out of range."""
    has_sign = not isinstance(output, Minifloat) or output.has_sign
    bits = output.width - has_sign
    most, past = _largest(output)
    position = live.position
    beyond = position[bits:].any() | live.infinity | live.lost
    if past < 1 << bits:
        # The codes past the largest finite one are those whose upper bits are ones.
        beyond = beyond | position[(past & -past).bit_length() - 1 : bits].all()
    negative = live.negative & ~live.zero
    below = Const(0, 1) if has_sign else negative
    zero = live.zero | below
    outside = beyond & ~zero
    if not output.has_zero:
        zero = zero | (~live.leading & ~live.infinity)
        outside = beyond & ~zero
        if overflow is not Overflow.SATURATE:
            outside = outside | live.zero | (negative & live.small & ~live.infinity & ~below)
    if overflow is Overflow.NAN:
        reached = position.any() | live.infinity | live.lost if output.has_zero else Const(1, 1)
        outside = outside | (below & reached)
    nan = _nan(output) if output.has_nan else 0
    instead = {Overflow.INFINITY: past, Overflow.NAN: nan}.get(overflow, most)
    magnitude = Signal(bits, name="magnitude")
    m.d.comb += magnitude.eq(Mux(live.nan, nan, Mux(outside, instead, Mux(zero, 0, position[:bits]))))
    sign = negative & ~live.nan
    if isinstance(output, Minifloat) and output.specials is Specials.FNUZ:
        # Its NaN takes the place of the negative zero.
        sign = (sign & magnitude.any()) | live.nan
        if overflow is Overflow.NAN:
            sign = sign | outside
    live.code = Cat(magnitude, sign) if has_sign else magnitude


def _largest(output: Format) -> tuple[int, int]:
    """The position of the largest finite magnitude, and the one past it."""
    if not isinstance(output, Minifloat):
        return output.max_integer, output.max_integer + 1
    top = 1 << output.exponent_bits + output.fraction_bits
    most = top - {Specials.IEEE: (1 << output.fraction_bits) + 1, Specials.FN: 2}.get(output.specials, 1)
    return most, most + 1


def _nan(output: Format) -> int:
    """NaN's code but for the sign: quiet, as ml_dtypes writes it."""
    assert isinstance(output, Minifloat)
    _, past = _largest(output)
    match output.specials:
        case Specials.FNUZ:
            return 0
        case Specials.IEEE:
            return past + (1 << output.fraction_bits - 1)
    return past


def _drop(live: SimpleNamespace, *names: str) -> None:
    for name in names:
        setattr(live, name, None)
