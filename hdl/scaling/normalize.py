"""The shift that brings a number to where its output keeps bits of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from .normalizing_shift import WIDE_DIGIT, NormalizingShift
from .number import Traits, Unrounded, Windowed
from .select import select
from .stall_pipeline import Stages

__all__ = ["named_signal", "normalize"]


@dataclass(frozen=True)
class _Shifting:
    """A number on its way into the window.

    Members
    -------
    traits: of the number
    allowed: the shift that its exponent allows
    sign: the body's sign, where it is two's complement
    bits: what is left of the body; the top of the window is its top once the shift is complete
    sticky, lost: whether anything was dropped below and above ``bits``
    tight: whether all digits so far are those of ``limit``
    digits: those of the shift so far, by name, the highest first
    limit: the largest shift that is wanted
    """

    traits: Traits
    allowed: Value | int
    sign: Value
    bits: Value
    sticky: Value
    lost: Value
    tight: Value
    digits: Mapping[str, Value]
    limit: Value


def named_signal(m: Module, name: str, value: Value) -> Signal:
    """A signal of that name, driven by the value."""
    signal = Signal(value.shape(), name=name)
    m.d.comb += signal.eq(value)
    return signal


def normalize(m: Module, stages: Stages, number: Unrounded, shift: NormalizingShift) -> Windowed:
    """Shift the body into the window, in ``shift.stages`` stages.

    Where the shift is a runtime one it goes by digits of two bits, the highest first. What can no longer reach the
    window then is dropped at once, so that the first digit's multiplexers are already not much wider than the window.
    """
    sign = number.body[-1] if shift.twos else Const(0, 1)
    bits = Cat(number.body[: shift.width], sign.replicate(shift.zeros))
    allowed, farthest = number.allowed, shift.farthest
    if isinstance(allowed, Value) and shift.floats and not shift.detects and farthest < shift.most_allowed:
        allowed = Mux(allowed > farthest, farthest, allowed)
    if not shift.shifts:
        return _cut_out(number, shift, sign, bits, min(allowed, farthest) if isinstance(allowed, int) else 0)

    count = farthest.bit_length()
    limit = Const(allowed, max(allowed.bit_length(), count)) if isinstance(allowed, int) else allowed
    tight = Const(0, 1) if shift.never_stops or not shift.detects else ~limit[count:].any()
    no = Const(0, 1)
    state = _Shifting(number.traits, number.allowed, sign, bits, no, no, tight, {}, limit)
    low = count
    while low:
        high, low = low, max(low - 2, 0)
        most = min(farthest >> low, (1 << high - low) - 1) if high == count else (1 << high - low) - 1
        name, digit = f"digit{low}", state.limit[low:high]
        if shift.detects:
            digit, tight = _leading_digit(m, state, shift, digit, most, low)
            state = replace(state, tight=tight)
        state = replace(state, digits={**state.digits, name: digit})
        if shift.detects and low >= WIDE_DIGIT:
            state = stages.register(state)
        state = _shift_digit(m, state, shift, state.digits[name], most, low)
        if shift.detects or len(state.digits) % 2 == 0 or low == 0:
            state = stages.register(state)
    shifted = Cat(reversed([*state.digits.values()]))
    exponent = state.allowed - shifted if shift.floats else None
    return _windowed(state.traits, shift, state.bits, state.sticky, state.lost, state.sign, exponent)


def _cut_out(number: Unrounded, shift: NormalizingShift, sign: Value, bits: Value, amount: int) -> Windowed:
    """The number shifted by an amount that is known beforehand."""
    keep = shift.window + shift.guard
    lost = _differs(_top(bits, 0, amount), shift, sign)
    sticky = _top(bits, amount + keep, shift.extended).any()
    kept = _top(bits, amount, amount + keep)
    return _windowed(number.traits, shift, kept, sticky, lost, sign, number.allowed - amount)


def _windowed(
    traits: Traits,
    shift: NormalizingShift,
    bits: Value,
    sticky: Value,
    lost: Value,
    sign: Value,
    exponent: Value | int | None,
) -> Windowed:
    """Split the shifted bits into the window and the fraction below it."""
    missing = shift.window - len(bits)
    window = Cat(Const(0, max(missing, 0)), _top(bits, 0, shift.window))
    return Windowed(traits, window, bits[: max(-missing, 0)], sticky, lost, sign, exponent)


def _leading_digit(
    m: Module, state: _Shifting, shift: NormalizingShift, wanted: Value, most: int, low: int
) -> tuple[Value, Value]:
    """The next digit of the shift, and whether all digits are still those that are wanted.

    The digit says how many times ``2**low`` copies of the sign are at the top. It is not more than ``wanted`` as long
    as all higher digits were what was wanted.
    """
    step = 1 << low
    empty = [~_differs(_top(state.bits, (j - 1) * step, j * step), shift, state.sign) for j in range(1, most + 1)]
    zeros = named_signal(m, f"zeros{low}", Cat(Cat(*empty[:j]).all() for j in range(1, most + 1)))
    inside = [wanted >= j for j in range(1, most + 1)]
    taken = Cat(zero & (within | ~state.tight) for zero, within in zip(zeros, inside, strict=True))
    taken = named_signal(m, f"taken{low}", taken)
    equal = Cat(zero | ~within for zero, within in zip(zeros, inside, strict=True)).all()
    if most < (1 << len(wanted)) - 1:
        equal = equal & (wanted <= most)
    tight = named_signal(m, f"tight{low}", state.tight & equal)
    if most == 1:
        digit = Cat(taken[0])
    elif most == 2:
        digit = Cat(taken[0] & ~taken[1], taken[1])
    else:
        digit = Cat(taken[0] & ~taken[1] | taken[2], taken[1])
    return named_signal(m, f"shift{low}", digit), tight


def _shift_digit(m: Module, state: _Shifting, shift: NormalizingShift, digit: Value, most: int, low: int) -> _Shifting:
    """Shift the bits left by ``digit << low``, and drop what no later shift, by less than ``1 << low``, can bring
    back."""
    step = 1 << low
    width = len(state.bits)
    reach = min(width, shift.window + shift.guard + step - 1)
    choices = []
    for j in range(most + 1):
        part = _top(state.bits, j * step, j * step + reach)
        choices.append(Cat(Const(0, reach - len(part)), part))
    sticky = [state.sticky]
    lost = [state.lost]
    for j in range(most + 1):
        start = reach + j * step
        stop = width if j == most else min(start + step, width)
        if start < stop:
            sticky.append(_top(state.bits, start, stop).any() & (digit <= j))
        if j and not shift.floats:
            lost.append(_differs(_top(state.bits, (j - 1) * step, j * step), shift, state.sign) & (digit >= j))
    return replace(
        state,
        sticky=named_signal(m, f"sticky{low}", Cat(*sticky).any()),
        lost=named_signal(m, f"lost{low}", Cat(*lost).any()),
        bits=named_signal(m, f"bits{low}", select(digit, choices)),
    )


def _top(value: Value, start: int, stop: int) -> Value:
    """Bits of ``value`` counted from its top, as many of them as there are."""
    return value[max(len(value) - stop, 0) : max(len(value) - start, 0)]


def _differs(bits: Value, shift: NormalizingShift, sign: Value) -> Value:
    """Whether the bits say more than the sign does."""
    return (bits ^ sign.replicate(len(bits))).any() if shift.twos else bits.any()
