"""Some of the shift that brings a number to where its output keeps bits of it is known beforehand, and stands here."""

from dataclasses import dataclass
from functools import cached_property

from amaranth.hdl import Module, Signal, Value

from ...formats import RANDOM_BITS, Format, Integer, Minifloat, Rounding, SignMagnitude
from .code_changes import table_window

__all__ = ["WIDE_DIGIT", "NormalizingShift"]

WIDE_DIGIT = 4
"""The lowest bit of a digit of the shift that takes a stage to be found and one to shift by."""


@dataclass(frozen=True)
class NormalizingShift:
    """The shift of a body into the *window*, the bits that the output keeps: all of it that is static.

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
        """The bits that are kept before rounding. An integer has one more than its own, for its sign or an overflow."""
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
        """How many bits are set above the body. More are of no use: a body lower still is below the guard bits."""
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
        """Whether the leading bit has to be found. It is known where it is the top bit save in the least binade."""
        return self.floats and not (self.normalized and self._offset + self.least <= self.zeros)

    @cached_property
    def _offset(self) -> int:
        """What has to be added to an exponent to get the shift that it allows."""
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
        """The register stages of the shift.

        A digit that has to be found takes one stage, or two where that means to look at many bits. Two digits that are
        known share a stage.
        """
        if not self.shifts:
            return 0
        bits = self.farthest.bit_length()
        digits = (bits + 1) // 2
        return digits + max((bits - WIDE_DIGIT) // 2, 0) if self.detects else (digits + 1) // 2

    @cached_property
    def runtime(self) -> bool:
        return self.least < self.greatest

    def allowed_at(self, exponent: int) -> int:
        """The shift, 0 to ``most_allowed``, that a runtime part of the exponent allows which is known beforehand."""
        return min(max(self._offset + exponent, 0), self.most_allowed)

    def allowed(self, m: Module, exponent: Value | None) -> Value | int:
        """Compute the shift, 0 to ``most_allowed``, that the runtime part of the exponent allows."""
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
