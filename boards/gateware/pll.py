"""What a PLL's settings are, and the clock and reset that a board gets by them."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

from amaranth.hdl import ClockDomain, Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

__all__ = ["MHZ", "Clocking", "Direct", "Settings", "within"]

MHZ = 1_000_000


class Settings(Protocol):
    """One way to make a clock of an oscillator's.

    Attributes
    ----------
    input_hz: the oscillator's frequency
    hz: the clock's, exactly
    """

    @property
    def input_hz(self) -> int: ...

    @property
    def hz(self) -> Fraction: ...

    def add(self, m: Module, pin: Any, clock: Any) -> Any:
        """Put it between ``pin`` and ``clock``; returns what is 1 while the clock is good."""
        ...


@dataclass(frozen=True)
class Direct:
    """No PLL: the oscillator itself."""

    input_hz: int

    @property
    def hz(self) -> Fraction:
        return Fraction(self.input_hz)

    def add(self, m: Module, pin: Any, clock: Any) -> Any:
        m.d.comb += clock.eq(pin)
        return Const(1)

    @classmethod
    def all(cls, input_hz: int) -> Iterator["Direct"]:
        yield cls(input_hz)


def within(hz: Fraction | int, limits: tuple[int, int]) -> bool:
    """Whether a frequency is at or between two limits."""
    return limits[0] <= hz <= limits[1]


class Clocking(wiring.Component):
    """A clock out of an oscillator's pin, and the reset of its domain.

    The reset is up from power-up until the PLL has been locked for ``2**CYCLES_BITS`` cycles without a break: on iCE40,
    block RAM cannot be read in the first microseconds.

    Members
    -------
    pin: In(1), the oscillator
    clk: Out(1), rst: Out(1)
    """

    CYCLES_BITS = 10

    def __init__(self, settings: Settings):
        self.settings = settings
        super().__init__({"pin": In(1), "clk": Out(1), "rst": Out(1, init=1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        good = self.settings.add(m, self.pin, self.clk)
        m.domains.start = start = ClockDomain(local=True, reset_less=True)
        m.d.comb += start.clk.eq(self.clk)
        locked = Signal()
        m.submodules.locked = FFSynchronizer(good, locked, o_domain="start")
        waited = Signal(self.CYCLES_BITS + 1)
        with m.If(~locked):
            m.d.start += waited.eq(0)
        with m.Elif(~waited[-1]):
            m.d.start += waited.eq(waited + 1)
        m.d.start += self.rst.eq(~waited[-1])
        return m
