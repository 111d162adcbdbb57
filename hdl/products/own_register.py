"""A register that is not merged with others that hold the same."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["OwnRegister"]


class OwnRegister(wiring.Component):
    """A bit a cycle late. Latency 1; no reset.

    Of registers that always hold the same, yosys keeps one. What elements of a row know of their common operand then
    comes to all of them from one place of the chip. A module that a design has many of is mapped by itself
    (``synth.fit_runner.repeated_modules``), so this register stays.

    Members
    -------
    d: In(1)
    q: Out(1)
    """

    def __init__(self):
        super().__init__({"d": In(1), "q": Out(1)})

    def elaborate(self, platform) -> Module:
        m = Module()
        held = Signal(reset_less=True)
        m.d.sync += held.eq(self.d)
        m.d.comb += self.q.eq(held)
        return m
