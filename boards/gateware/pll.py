"""The settings of a PLL, and the clock and the reset that a board gets from them."""

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
    """One way to make a clock from an oscillator.

    Attributes
    ----------
    input_hz: the frequency of the oscillator
    hz: the exact frequency of the clock
    """

    @property
    def input_hz(self) -> int: ...

    @property
    def hz(self) -> Fraction: ...

    def add(self, m: Module, pin: Any, clock: Any) -> Any:
        """Put the PLL between ``pin`` and ``clock``. Returns a value that is 1 while the clock can be used."""
        ...


@dataclass(frozen=True)
class Direct:
    """The oscillator is the clock; there is no PLL."""

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
    """Whether a frequency is within two limits, or equal to one of them."""
    return limits[0] <= hz <= limits[1]


class Clocking(wiring.Component):
    """Makes a clock from the pin of an oscillator, and the reset that belongs to the clock.

    The reset is up from power-up until the PLL has been locked for ``2**CYCLES_BITS`` cycles without a break. It waits
    so long because block RAM of an iCE40 cannot be read in the first microseconds.

    Members
    -------
    pin: In(1), the oscillator
    clk: Out(1), the clock
    rst: Out(1), the reset, synchronous to ``clk``
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
