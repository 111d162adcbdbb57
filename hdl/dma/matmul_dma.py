"""The DMA of a matmul engine: an AXI4 master on one side, and the streams of the engine's core on the other."""

from amaranth.hdl import Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ...formats import Engine, memory_operands, memory_output
from ..bus.axi4 import axi4_master, tie_constants
from ..engine.panel_loader import size_bits
from .read_channel import ReadChannel
from .tile_buffer import TileBuffer
from .tile_walk import STRIDE_BITS, TileWalk
from .write_buffer import WriteBuffer
from .write_channel import WriteChannel

__all__ = ["MASTER", "MatmulDma", "descriptor_fields"]

MASTER = "m_axi"
"""What the names of the master's ports begin with."""


def descriptor_fields(engine: Engine) -> dict[str, int]:
    """What says where a product's matrices are: names and bits, those of a matrix side by side."""
    dma = engine.dma
    assert dma is not None
    operands = {**memory_operands(engine), "c": memory_output(engine)}
    fields = {}
    for name in ("a", "w", "c", "p", "a_scales", "w_scales"):
        if name in operands:
            fields[f"{name}_address"] = dma.address_bits
            if operands[name].rows_over is not None:
                fields[f"{name}_stride"] = STRIDE_BITS
    return fields


class MatmulDma(wiring.Component):
    """It reads the matrices of a product from memory into streams, and writes the stream of C there.

    Tiles are read in the order in which they are needed: those of a panel of A; then for each tile of columns what
    comes with them, and W; and so on with the next panel. Each matrix has a buffer of two tiles, and the bursts of a
    tile are asked for as soon as its place is free, so that what follows is read while the array computes. C is written
    tile by tile: the rows of a panel by a burst of columns.

    An error that memory answers with changes nothing of what is read or written after it.

    Parameters
    ----------
    engine: formats and shape; it has a DMA

    Attributes
    ----------
    descriptors: names and bits of what says where matrices are
    master: the members of the AXI4 master

    Members
    -------
    start: In(1), begin a product
    m, k, n, and those of ``descriptors``: In, steady from then on; all addresses and strides are those of whole beats
    a, w, p, a_scales, w_scales: Out(stream.Signature(bits)), those of ``engine.stream_bits``
    c: In(stream.Signature(data, last)); ``last`` is not looked at
    idle: Out(1), all of C is written and answered; low from the cycle after ``start``
    read_failed, write_failed: Out(1), up for a cycle with an answer that is an error
    m_axi_*: an AXI4 master
    """

    def __init__(self, engine: Engine):
        dma = engine.dma
        assert dma is not None
        self.engine = engine
        self.dma = dma
        self.descriptors = descriptor_fields(engine)
        self.master = axi4_master(MASTER, dma.memory_bits, dma.address_bits)
        bits = engine.stream_bits
        super().__init__(
            {
                "start": In(1),
                **{name: In(width) for name, width in {**size_bits(engine), **self.descriptors}.items()},
                **{name: Out(stream.Signature(unsigned(width))) for name, width in bits.items() if name != "c"},
                "c": In(stream.Signature(data.StructLayout({"data": unsigned(bits["c"]), "last": unsigned(1)}))),
                **{name: Out(1) for name in ("idle", "read_failed", "write_failed")},
                **self.master,
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        tie_constants(m, self, MASTER, self.dma.memory_bits)
        self._read(m)
        self._write(m)
        return m

    def _given(self, m: Module, part: wiring.Component) -> None:
        """Connect a part's sizes and start."""
        m.d.comb += part.start.eq(self.start)
        m.d.comb += [getattr(part, name).eq(getattr(self, name)) for name in size_bits(self.engine)]

    def _walk(self, m: Module, walk: TileWalk, name: str) -> None:
        m.submodules[f"walk_{name}"] = walk
        self._given(m, walk)
        m.d.comb += [
            walk.base.eq(getattr(self, f"{name}_address")),
            walk.stride.eq(getattr(self, f"{name}_stride") if f"{name}_stride" in self.descriptors else 0),
        ]

    def _read(self, m: Module) -> None:
        operands = memory_operands(self.engine)
        walks = {name: TileWalk(self.engine, operand) for name, operand in operands.items()}
        buffers = {name: TileBuffer(self.engine, operand) for name, operand in operands.items()}
        channel = ReadChannel(self.dma, max(walk.beats for walk in walks.values()), len(operands))
        m.submodules.read = channel
        for index, name in enumerate(operands):
            walk, buffer = walks[name], buffers[name]
            self._walk(m, walk, name)
            m.submodules[f"buffer_{name}"] = buffer
            self._given(m, buffer)
            m.d.comb += [
                walk.busy.eq(buffer.busy),
                buffer.claim.eq(walk.claim),
                buffer.beat.eq(channel.beat),
                buffer.write.eq(channel.write[index]),
                buffer.row_last.eq(channel.row_last),
                buffer.tile_last.eq(channel.tile_last),
            ]
            wiring.connect(m, buffer.o, wiring.flipped(getattr(self, name)))
        self._turns(m, walks, channel)
        m.d.comb += [
            self.m_axi_araddr.eq(channel.ar_address),
            self.m_axi_arlen.eq(channel.ar_extra),
            self.m_axi_arvalid.eq(channel.ar_valid),
            channel.ar_ready.eq(self.m_axi_arready),
            channel.r_data.eq(self.m_axi_rdata),
            channel.r_error.eq(self.m_axi_rresp[1]),
            channel.r_valid.eq(self.m_axi_rvalid),
            self.m_axi_rready.eq(channel.r_ready),
            self.read_failed.eq(channel.failed),
        ]

    def _turns(self, m: Module, walks: dict[str, TileWalk], channel: ReadChannel) -> None:
        """Let matrices take turns: those of A a panel at a time, then the others tile by tile to the panel's end."""
        names = [*walks]
        first_other = next(index for index, name in enumerate(names) if walks[name].operand.repeats)
        turn = Signal(range(max(2, len(names))))
        taken = Signal()
        request = channel.i.payload
        m.d.comb += taken.eq(channel.i.valid & channel.i.ready)
        with m.Switch(turn):
            for index, name in enumerate(names):
                walk = walks[name]
                following: Value | int = index + 1
                ends = walk.tile_ends if index >= first_other else walk.tile_ends & walk.panel_ends
                if index + 1 == len(names):
                    following = Mux(walk.panel_ends, 0, first_other)
                with m.Case(index):
                    m.d.comb += [
                        walk.turn.eq(1),
                        channel.i.valid.eq(walk.o.valid),
                        walk.o.ready.eq(channel.i.ready),
                        request.address.eq(walk.o.payload.address),
                        request.extra.eq(walk.o.payload.extra),
                        request.tile_last.eq(walk.o.payload.tile_last),
                        request.target.eq(index),
                    ]
                    with m.If(taken & ends):
                        m.d.sync += turn.eq(following)
        with m.If(self.start):
            m.d.sync += turn.eq(0)

    def _write(self, m: Module) -> None:
        """Connect what writes C."""
        operand = memory_output(self.engine)
        walk, buffer = TileWalk(self.engine, operand), WriteBuffer(self.engine, operand)
        m.submodules.write = channel = WriteChannel(self.dma, walk.beats)
        self._walk(m, walk, "c")
        m.submodules.buffer_c = buffer
        self._given(m, buffer)
        # Rows of a tile are asked for when it is full, and once.
        asked = Signal(2)
        m.d.sync += asked.eq((asked | walk.claim) & ~buffer.leaves)
        m.d.comb += [
            walk.turn.eq(1),
            walk.busy.eq(~buffer.full | asked),
            buffer.asked.eq(asked),
            buffer.i.payload.eq(self.c.payload.data),
            buffer.i.valid.eq(self.c.valid),
            self.c.ready.eq(buffer.i.ready),
            self.m_axi_awaddr.eq(channel.aw_address),
            self.m_axi_awlen.eq(channel.aw_extra),
            self.m_axi_awvalid.eq(channel.aw_valid),
            channel.aw_ready.eq(self.m_axi_awready),
            self.m_axi_wdata.eq(channel.w_data),
            self.m_axi_wstrb.eq(channel.w_strobes),
            self.m_axi_wlast.eq(channel.w_last),
            self.m_axi_wvalid.eq(channel.w_valid),
            channel.w_ready.eq(self.m_axi_wready),
            channel.b_valid.eq(self.m_axi_bvalid),
            channel.b_error.eq(self.m_axi_bresp[1]),
            self.m_axi_bready.eq(1),
            self.write_failed.eq(channel.failed),
        ]
        wiring.connect(m, walk.o, channel.i)
        wiring.connect(m, buffer.o, channel.beats)
        m.d.comb += self.idle.eq(buffer.empty & channel.idle)
