"""The adapter by which Wishbone reads and writes registers."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .registers import bus_signature

__all__ = ["Wishbone"]


class Wishbone(wiring.Component):
    """A Wishbone B4 subordinate (classic standard cycles, 32 bits, granularity of bytes) in front of a
    ``RegisterBlock``.

    Latency 1 cycle from ``wb_cyc & wb_stb`` to ``wb_ack`` or ``wb_err``, which are low without the two; initiation
    interval 2. An address without a register is answered with ``wb_err`` and nothing is written. A cycle that the
    initiator gives up is forgotten, but a write has happened once it was seen.

    Parameters
    ----------
    address_bits: of the byte address, 3 to 32, as of the ``RegisterBlock``

    Members
    -------
    wb_cyc, wb_stb, wb_we: In(1)
    wb_adr: In(address_bits - 2), in words
    wb_sel: In(4), bytes that are written
    wb_dat_w: In(32)
    wb_dat_r: Out(32), the word with ``wb_ack``, until the next one
    wb_ack, wb_err: Out(1), never both
    bus: Out(bus_signature(address_bits))
    """

    def __init__(self, address_bits: int):
        bus = bus_signature(address_bits)
        self.address_bits = address_bits
        super().__init__({**self.ports(address_bits), "bus": Out(bus)})

    @staticmethod
    def ports(address_bits: int) -> dict[str, wiring.Member]:
        """The ports of Wishbone, as members of a component."""
        return {
            "wb_cyc": In(1),
            "wb_stb": In(1),
            "wb_we": In(1),
            "wb_adr": In(address_bits - 2),
            "wb_sel": In(4),
            "wb_dat_w": In(32),
            "wb_dat_r": Out(32),
            "wb_ack": Out(1),
            "wb_err": Out(1),
        }

    def elaborate(self, platform) -> Module:
        m = Module()
        request = Signal()
        start = Signal()
        done = Signal()
        failed = Signal()
        m.d.comb += [
            request.eq(self.wb_cyc & self.wb_stb),
            start.eq(request & ~done),
            self.bus.address.eq(self.wb_adr),
            self.bus.write_data.eq(self.wb_dat_w),
            self.bus.strobes.eq(self.wb_sel),
            self.bus.read.eq(start & ~self.wb_we),
            self.bus.write.eq(start & self.wb_we),
            self.wb_ack.eq(request & done & ~failed),
            self.wb_err.eq(request & done & failed),
        ]
        m.d.sync += done.eq(start)
        with m.If(start):
            m.d.sync += failed.eq(self.bus.error)
        with m.If(self.bus.read):
            m.d.sync += self.wb_dat_r.eq(self.bus.read_data)
        return m
