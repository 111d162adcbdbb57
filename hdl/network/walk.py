"""An address that goes a known way at every step: it is added to, by what a memory holds for the kind of step."""

from collections.abc import Sequence

from amaranth.hdl import Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Walk"]


class Walk(wiring.Component):
    """In the cycle after ``step``, ``address`` is that of the step at hand; in the one after that, of the next.

    Parameters
    ----------
    distances: how far the address goes with each kind of step; negative ones are taken modulo its range
    bits: of the address

    Members
    -------
    clear: In(1), the address becomes 0; a step with it goes from there
    step: In(1), a step is taken
    kind: In, which one
    address: Out(bits)
    """

    def __init__(self, distances: Sequence[int], bits: int):
        self.distances = [distance % (1 << bits) for distance in distances]
        self.bits = bits
        super().__init__(
            {
                "clear": In(1),
                "step": In(1),
                "kind": In(max(1, (len(distances) - 1).bit_length())),
                "address": Out(bits),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        depth = 1 << len(self.kind)
        m.submodules.memory = store = memory.Memory(shape=self.bits, depth=depth, init=self.distances)
        read = store.read_port()
        stepped = Signal()
        m.d.comb += [read.addr.eq(self.kind), read.en.eq(self.step)]
        m.d.sync += stepped.eq(self.step)
        with m.If(self.clear):
            m.d.sync += self.address.eq(0)
        with m.Elif(stepped):
            m.d.sync += self.address.eq(self.address + read.data)
        return m
