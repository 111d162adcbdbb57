"""The adapter by which AXI4-Lite reads and writes registers."""

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .registers import bus_signature

__all__ = ["AxiLite"]

OKAY, SLVERR = 0b00, 0b10


class AxiLite(wiring.Component):
    """An AXI4-Lite subordinate of 32-bit words in front of a ``RegisterBlock``.

    Address and data of a write may come in any order and any distance; every channel may stall. One access at a time,
    in turns where reads and writes wait for each other. An address without a register is answered with SLVERR and
    nothing is written; everything else, writes to read-only fields among it, with OKAY. ``awprot`` and ``arprot`` are
    ignored, and so are the lowest two address bits.

    Every output is a register or the inverse of one: no path leads through. Latency from the last of ``awvalid`` and
    ``wvalid`` to ``bvalid``, and from ``arvalid`` to ``rvalid``, 2 cycles; initiation interval 2 for each direction.
    Reset drops what has been accepted and not answered, as AXI wants it.

    Parameters
    ----------
    address_bits: of the byte address, 3 to 32, as of the ``RegisterBlock``
    fast: whether a register stands between the choice of an access and the access; latency and interval are then 3
        cycles

    Members
    -------
    s_axi_*: the ports of AXI4-Lite by name, ``s_axi_awaddr`` and ``s_axi_araddr`` of ``address_bits``
    bus: Out(bus_signature(address_bits))
    """

    def __init__(self, address_bits: int, fast: bool = False):
        bus = bus_signature(address_bits)
        self.address_bits = address_bits
        self.fast = fast
        super().__init__({**self.ports(address_bits), "bus": Out(bus)})

    @staticmethod
    def ports(address_bits: int) -> dict[str, wiring.Member]:
        """The ports of AXI4-Lite, as members of a component."""
        return {
            "s_axi_awaddr": In(address_bits),
            "s_axi_awprot": In(3),
            "s_axi_awvalid": In(1),
            "s_axi_awready": Out(1),
            "s_axi_wdata": In(32),
            "s_axi_wstrb": In(4),
            "s_axi_wvalid": In(1),
            "s_axi_wready": Out(1),
            "s_axi_bresp": Out(2),
            "s_axi_bvalid": Out(1),
            "s_axi_bready": In(1),
            "s_axi_araddr": In(address_bits),
            "s_axi_arprot": In(3),
            "s_axi_arvalid": In(1),
            "s_axi_arready": Out(1),
            "s_axi_rdata": Out(32),
            "s_axi_rresp": Out(2),
            "s_axi_rvalid": Out(1),
            "s_axi_rready": In(1),
        }

    def elaborate(self, platform) -> Module:
        m = Module()
        # What each request channel has brought and is not yet used.
        aw_held = Signal()
        w_held = Signal()
        ar_held = Signal()
        aw_address = Signal(self.address_bits - 2, reset_less=True)
        ar_address = Signal(self.address_bits - 2, reset_less=True)
        m.d.comb += [
            self.s_axi_awready.eq(~aw_held),
            self.s_axi_wready.eq(~w_held),
            self.s_axi_arready.eq(~ar_held),
        ]
        with m.If(self.s_axi_awvalid & ~aw_held):
            m.d.sync += [aw_held.eq(1), aw_address.eq(self.s_axi_awaddr[2:])]
        with m.If(self.s_axi_wvalid & ~w_held):
            m.d.sync += [w_held.eq(1), self.bus.write_data.eq(self.s_axi_wdata), self.bus.strobes.eq(self.s_axi_wstrb)]
        with m.If(self.s_axi_arvalid & ~ar_held):
            m.d.sync += [ar_held.eq(1), ar_address.eq(self.s_axi_araddr[2:])]

        can_write = Signal()
        can_read = Signal()
        wrote = Signal()
        m.d.comb += [
            can_write.eq(aw_held & w_held & (~self.s_axi_bvalid | self.s_axi_bready)),
            can_read.eq(ar_held & (~self.s_axi_rvalid | self.s_axi_rready)),
        ]
        writes = can_write & ~(can_read & wrote)
        reads = can_read & ~writes
        address = Mux(writes, aw_address, ar_address)
        if self.fast:
            # What is chosen stays at hand until it has been accessed.
            at_work = self.bus.write | self.bus.read
            m.d.sync += [self.bus.write.eq(writes & ~at_work), self.bus.read.eq(reads & ~at_work)]
            m.d.sync += self.bus.address.eq(address)
        else:
            m.d.comb += [self.bus.write.eq(writes), self.bus.read.eq(reads), self.bus.address.eq(address)]
        response = Mux(self.bus.error, Const(SLVERR, 2), Const(OKAY, 2))
        with m.If(self.bus.write):
            m.d.sync += [aw_held.eq(0), w_held.eq(0), wrote.eq(1)]
            m.d.sync += [self.s_axi_bvalid.eq(1), self.s_axi_bresp.eq(response)]
        with m.Elif(self.s_axi_bready):
            m.d.sync += self.s_axi_bvalid.eq(0)
        with m.If(self.bus.read):
            m.d.sync += [ar_held.eq(0), wrote.eq(0)]
            m.d.sync += [self.s_axi_rvalid.eq(1), self.s_axi_rresp.eq(response)]
            m.d.sync += self.s_axi_rdata.eq(self.bus.read_data)
        with m.Elif(self.s_axi_rready):
            m.d.sync += self.s_axi_rvalid.eq(0)
        return m
