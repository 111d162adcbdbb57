"""Where a number lies before what its output keeps of it, and the shift that brings it there."""

from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from ...formats import RANDOM_BITS, Format, Integer, Minifloat, Rounding, SignMagnitude
from .select import select
from .stall_pipeline import Stages
from .table_output import table_window

__all__ = ["Placement", "named_signal", "shift_into_window"]

WIDE_DIGIT = 4
"""The lowest bit of a digit of the shift that takes a stage to be found and one to shift by."""


@dataclass(frozen=True)
class Placement:
    """Where a body of bits lies before the *window*, the bits that the output keeps; all of it static.

    A number is ``body * 2**(constant + exponent)``. ``zeros`` more bits (copies of the sign for two's complement) are
    set above the body, so that only shifts to the left remain. The top of the window is the top of what is extended
    so, after a shift by ``allowed`` or less: less for a minifloat, whose leading bit stops there.

    Two's complement never becomes a magnitude before it is rounded, which spares a long adder. The complement of a
    negative body is its magnitude with a tail of ones instead of one more in the last place; so its leading bit is
    right save for powers of two, which stand as ones all the way in the binade below, and rounding mends that.

    Parameters
    ----------
    output, rounding: of the result
    width: bits of the body, its sign not counted
    twos: whether the body is two's complement; else it is a magnitude
    constant: static part of the exponent
    least, greatest: limits of the runtime part, for all numbers that are finite; equal where there is none
    normalized: whether the body's top bit is set wherever the exponent is above ``least``
    """

    output: Format
    rounding: Rounding
    width: int
    twos: bool
    constant: int
    least: int = 0
    greatest: int = 0
    normalized: bool = False

    @cached_property
    def window(self) -> int:
        """Bits kept before rounding: for an integer one more than its own, for the sign or what overflows."""
        match self.output:
            case Integer():
                return self.output.bits + 1
            case SignMagnitude():
                return self.output.bits - 1
            case Minifloat():
                return self.output.precision
        return table_window(self.output)

    @cached_property
    def guard(self) -> int:
        """Bits below the window that rounding looks at one by one."""
        if self.by_table:
            return 0
        return {Rounding.TIES_TO_EVEN: 1, Rounding.TOWARD_ZERO: 0, Rounding.STOCHASTIC: RANDOM_BITS}[self.rounding]

    @cached_property
    def by_table(self) -> bool:
        """Whether the output is known by its table alone. Its window is in halves of the format's lowest bit."""
        return not isinstance(self.output, (Integer, SignMagnitude, Minifloat))

    @cached_property
    def _top_exponent(self) -> int:
        return self.output.lsb_exponent - self.by_table + self.window - 1

    @cached_property
    def zeros(self) -> int:
        """With that many of them, all of a body that lies lower still is below the guard bits."""
        below = self._top_exponent - (self.constant + self.least + self.width - 1)
        return min(max(below, 0), self.window + self.guard + self.twos)

    @cached_property
    def extended(self) -> int:
        return self.zeros + self.width

    @cached_property
    def floats(self) -> bool:
        """Whether the output has an exponent."""
        return isinstance(self.output, Minifloat)

    @cached_property
    def detects(self) -> bool:
        """Whether the leading bit has to be found: no, where it is known wherever it is above the least binade."""
        return self.floats and not (self.normalized and self._offset + self.least <= self.zeros)

    @cached_property
    def _offset(self) -> int:
        """What makes an exponent the shift that is allowed."""
        return self.constant + self.extended - 1 - self._top_exponent

    @cached_property
    def _enough(self) -> int:
        """An allowed shift from which on every body but zero overflows."""
        if isinstance(self.output, Minifloat):
            return self._last_leading + (1 << self.output.exponent_bits)
        return self.extended

    @cached_property
    def _last_leading(self) -> int:
        """The shift that the smallest magnitude needs; minus one is all tail."""
        return self.extended - 1 + self.twos

    @cached_property
    def most_allowed(self) -> int:
        greatest = max(self._offset + self.greatest, 0)
        return min(greatest, (1 << self._enough.bit_length()) - 1)

    @cached_property
    def farthest(self) -> int:
        """The largest shift of a body that is not zero."""
        if self.detects:
            return min(self.most_allowed, self._last_leading)
        return min(self.most_allowed, self.zeros) if self.floats else self.most_allowed

    @cached_property
    def never_stops(self) -> bool:
        """Whether every leading bit is allowed to come to the top."""
        return self._offset + self.least >= self._last_leading

    @cached_property
    def shifts(self) -> bool:
        """Whether the shift is a runtime one."""
        return self.farthest > 0 and (self.detects or self.runtime)

    @cached_property
    def stages(self) -> int:
        """Register stages of the shift: a digit that has to be found takes one, or two if that means to look at many
        bits; one that is known takes half of one."""
        if not self.shifts:
            return 0
        bits = self.farthest.bit_length()
        digits = (bits + 1) // 2
        return digits + max((bits - WIDE_DIGIT) // 2, 0) if self.detects else (digits + 1) // 2

    @cached_property
    def runtime(self) -> bool:
        return self.least < self.greatest

    def allowed(self, m: Module, exponent: Value | None) -> Value | int:
        """The shift that is allowed, 0 to ``most_allowed``, for the runtime part of the exponent."""
        if not self.runtime or exponent is None:
            return min(max(self._offset + self.least, 0), self._enough)
        total = exponent + self._offset
        bits = max(self.most_allowed.bit_length(), 1)
        allowed = Signal(bits, name="allowed")
        value = total[:bits]
        if self._offset + self.greatest > self.most_allowed:
            beyond = total[bits : max(len(total) - total.shape().signed, bits)].any()
            value = value | beyond.replicate(bits)
        if self._offset + self.least < 0:
            value = value & ~total[-1].replicate(bits)
        m.d.comb += allowed.eq(value)
        return allowed


def _top(value: Value, start: int, stop: int) -> Value:
    """Bits of ``value`` counted from its top, as many of them as there are."""
    return value[max(len(value) - stop, 0) : max(len(value) - start, 0)]


def named_signal(m: Module, name: str, value: Value) -> Signal:
    signal = Signal(value.shape(), name=name)
    m.d.comb += signal.eq(value)
    return signal


def shift_into_window(m: Module, stages: Stages, live: SimpleNamespace, placement: Placement) -> SimpleNamespace:
    """The body shifted into the window: ``window`` and ``fraction`` below it, ``sticky`` for what lies lower,
    ``lost`` for what lies higher, ``exponent`` for what is left of the allowed shift.

    Where the shift is a runtime one it goes by digits of two bits, the highest first. What can no longer reach the
    window then is dropped at once, so that the first digit's multiplexers are already not much wider than the window.
    """
    live.sign = live.body[-1] if placement.twos else Const(0, 1)
    live.bits = Cat(live.body[: placement.width], live.sign.replicate(placement.zeros))
    live.sticky = Const(0, 1)
    live.lost = Const(0, 1)
    live.body = None
    keep = placement.window + placement.guard
    allowed = live.allowed

    farthest = placement.farthest
    if isinstance(allowed, Value) and placement.floats and not placement.detects and farthest < placement.most_allowed:
        allowed = Mux(allowed > farthest, farthest, allowed)
    if not placement.shifts:
        amount = min(allowed, farthest) if isinstance(allowed, int) else 0
        live.lost = _differs(_top(live.bits, 0, amount), placement, live)
        live.sticky = _top(live.bits, amount + keep, placement.extended).any()
        live.bits = _top(live.bits, amount, amount + keep)
        live.exponent = live.allowed - amount
        return _split(live, placement)

    count = farthest.bit_length()
    limit = Const(allowed, max(allowed.bit_length(), count)) if isinstance(allowed, int) else allowed
    if placement.detects:
        never = placement.never_stops
        live.tight = Const(0, 1) if never else ~limit[count:].any()
    digits: list[str] = []
    low = count
    while low:
        high, low = low, max(low - 2, 0)
        most = min(farthest >> low, (1 << high - low) - 1) if high == count else (1 << high - low) - 1
        digit = limit[low:high]
        if placement.detects:
            digit = _leading_digit(m, live, placement, digit, most, low)
        digits.append(f"digit{low}")
        setattr(live, digits[-1], digit)
        if placement.detects and low >= WIDE_DIGIT:
            live.limit = limit
            live = stages.register(live)
            limit = live.limit
            digit = getattr(live, digits[-1])
        _shift_digit(m, live, placement, digit, most, low, keep)
        if placement.detects or len(digits) % 2 == 0 or low == 0:
            live.limit = limit
            live = stages.register(live)
            limit = live.limit
    shifted = Cat(getattr(live, name) for name in reversed(digits))
    live.exponent = live.allowed - shifted if placement.floats else None
    live.limit = live.tight = None
    for name in digits:
        setattr(live, name, None)
    return _split(live, placement)


def _leading_digit(m: Module, live: SimpleNamespace, placement: Placement, wanted: Value, most: int, low: int) -> Value:
    """How many times ``2**low`` copies of the sign are at the top, but not more than ``wanted`` as long as that is
    ``tight``: as long as all higher digits were what was wanted."""
    step = 1 << low
    empty = [~_differs(_top(live.bits, (j - 1) * step, j * step), placement, live) for j in range(1, most + 1)]
    zeros = named_signal(m, f"zeros{low}", Cat(Cat(*empty[:j]).all() for j in range(1, most + 1)))
    inside = [wanted >= j for j in range(1, most + 1)]
    taken = Cat(zero & (within | ~live.tight) for zero, within in zip(zeros, inside, strict=True))
    taken = named_signal(m, f"taken{low}", taken)
    equal = Cat(zero | ~within for zero, within in zip(zeros, inside, strict=True)).all()
    if most < (1 << len(wanted)) - 1:
        equal = equal & (wanted <= most)
    live.tight = named_signal(m, f"tight{low}", live.tight & equal)
    if most == 1:
        digit = Cat(taken[0])
    elif most == 2:
        digit = Cat(taken[0] & ~taken[1], taken[1])
    else:
        digit = Cat(taken[0] & ~taken[1] | taken[2], taken[1])
    return named_signal(m, f"shift{low}", digit)


def _shift_digit(
    m: Module, live: SimpleNamespace, placement: Placement, digit: Value, most: int, low: int, keep: int
) -> None:
    """Shift ``live.bits`` left by ``digit << low`` and drop what no later shift, by less than ``1 << low``, can bring
    back."""
    step = 1 << low
    width = len(live.bits)
    reach = min(width, keep + step - 1)
    choices = []
    for j in range(most + 1):
        part = _top(live.bits, j * step, j * step + reach)
        choices.append(Cat(Const(0, reach - len(part)), part))
    sticky = [live.sticky]
    lost = [live.lost]
    for j in range(most + 1):
        start = reach + j * step
        stop = width if j == most else min(start + step, width)
        if start < stop:
            sticky.append(_top(live.bits, start, stop).any() & (digit <= j))
        if j and not placement.floats:
            lost.append(_differs(_top(live.bits, (j - 1) * step, j * step), placement, live) & (digit >= j))
    live.sticky = named_signal(m, f"sticky{low}", Cat(*sticky).any())
    live.lost = named_signal(m, f"lost{low}", Cat(*lost).any())
    live.bits = named_signal(m, f"bits{low}", select(digit, choices))


def _differs(bits: Value, placement: Placement, live: SimpleNamespace) -> Value:
    """Whether bits say more than the sign does."""
    return (bits ^ live.sign.replicate(len(bits))).any() if placement.twos else bits.any()


def _split(live: SimpleNamespace, placement: Placement) -> SimpleNamespace:
    missing = placement.window - len(live.bits)
    live.window = Cat(Const(0, max(missing, 0)), _top(live.bits, 0, placement.window))
    live.fraction = live.bits[: max(-missing, 0)]
    live.bits = None
    return live
