"""A matmul engine whose matrices are in memory: it reads A and W, and writes C, by an AXI4 master of its own."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...formats import Engine, memory_operands, memory_output
from ..bus.axi4 import axi4_master, tie_constants
from ..engine.core import Matmul
from ..engine.panel_loader import size_bits
from ..products.build import Build
from .read_channel import ReadChannel
from .tile_buffer import TileBuffer
from .tile_walk import STRIDE_BITS, TileWalk
from .write_buffer import WriteBuffer
from .write_channel import WriteChannel

__all__ = ["MASTER", "MemoryMatmul", "descriptor_fields"]

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


class MemoryMatmul(wiring.Component):
    """``Matmul``, with its streams connected to memory.

    Tiles are read in the order in which they are needed: those of a panel of A; then for each tile of columns what
    comes with them, and W; and so on with the next panel. Each matrix has a buffer of two tiles, and the bursts of a
    tile are asked for as soon as its place is free, so that what follows is read while the array computes. C is written
    tile by tile: the rows of a panel by a burst of columns.

    Sizes, parameters and descriptors are taken with ``start``. An error that memory answers with changes nothing of
    what is read or written after it.

    Parameters
    ----------
    engine: formats and shape; it has a DMA
    build, dsp_elements: as of ``Matmul``

    Attributes
    ----------
    master: the members of the AXI4 master

    Members
    -------
    start, m, k, n, scale, tensor_scale, zero_point, weight_zero_point, refused_zero, refused_large: as of ``Matmul``
    a_address, a_stride and so on: In, those of ``descriptor_fields``, in bytes, strides in two's complement
    busy: Out(1), from the cycle after ``start`` to the last answer of a write
    done: Out(1), up for a cycle after it
    refused_busy: Out(1), up for a cycle with a ``start`` during a product
    refused_alignment: Out(1), up for a cycle with a ``start`` with an address or a stride that is no multiple of a beat
    read_failed, write_failed: Out(1), up for a cycle with an answer that is an error
    m_axi_*: an AXI4 master
    """

    def __init__(self, engine: Engine, build: Build, dsp_elements: int = 0):
        dma = engine.dma
        assert dma is not None
        self.engine = engine
        self.dma = dma
        self.matmul = Matmul(engine, build, dsp_elements)
        self.descriptors = descriptor_fields(engine)
        self.master = axi4_master(MASTER, dma.memory_bits, dma.address_bits)
        refusals = ("refused_busy", "refused_zero", "refused_large", "refused_alignment")
        super().__init__(
            {
                "start": In(1),
                **{name: In(32) for name in size_bits(engine)},
                **{name: In(width) for name, width in engine.tensor_fields.items()},
                **{name: In(width) for name, width in self.descriptors.items()},
                **{name: Out(1) for name in ("busy", "done", *refusals, "read_failed", "write_failed")},
                **self.master,
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        engine, matmul = self.engine, self.matmul
        m.submodules.matmul = matmul
        low = (self.dma.beat_bytes - 1).bit_length()
        misaligned, obeyed, begin = Signal(), Signal(), Signal()
        m.d.comb += [
            misaligned.eq(Cat(getattr(self, name)[:low] for name in self.descriptors).any()),
            self.refused_busy.eq(self.start & self.busy),
            self.refused_alignment.eq(self.start & ~self.busy & misaligned),
            matmul.start.eq(self.start & ~self.busy & ~misaligned),
            self.refused_zero.eq(matmul.refused_zero),
            self.refused_large.eq(matmul.refused_large),
            obeyed.eq(matmul.start & ~matmul.refused_zero & ~matmul.refused_large),
            *(getattr(matmul, name).eq(getattr(self, name)) for name in (*size_bits(engine), *engine.tensor_fields)),
        ]
        m.d.sync += begin.eq(obeyed)
        held = {
            name: Signal(bits, name=f"held_{name}") for name, bits in {**size_bits(engine), **self.descriptors}.items()
        }
        with m.If(matmul.start):
            m.d.sync += [value.eq(getattr(self, name)) for name, value in held.items()]
        tie_constants(m, self, MASTER, self.dma.memory_bits)
        self._read(m, held, begin)
        idle = self._write(m, held, begin)
        finished = Signal()
        # The first cycle with begin finds everything as the last product left it.
        m.d.comb += finished.eq(self.busy & ~begin & idle)
        m.d.sync += [self.busy.eq((self.busy | obeyed) & ~finished), self.done.eq(finished)]
        return m

    def _given(self, m: Module, part: wiring.Component, held: dict[str, Signal], begin: Signal) -> None:
        """Connect a part's sizes and start."""
        m.d.comb += part.start.eq(begin)
        m.d.comb += [getattr(part, name).eq(held[name]) for name in size_bits(self.engine)]

    def _walk(self, m: Module, walk: TileWalk, name: str, held: dict[str, Signal], begin: Signal) -> None:
        m.submodules[f"walk_{name}"] = walk
        self._given(m, walk, held, begin)
        m.d.comb += [walk.base.eq(held[f"{name}_address"]), walk.stride.eq(held.get(f"{name}_stride", 0))]

    def _read(self, m: Module, held: dict[str, Signal], begin: Signal) -> None:
        operands = memory_operands(self.engine)
        walks = {name: TileWalk(self.engine, operand) for name, operand in operands.items()}
        buffers = {name: TileBuffer(self.engine, operand) for name, operand in operands.items()}
        channel = ReadChannel(self.dma, max(walk.beats for walk in walks.values()), len(operands))
        m.submodules.read = channel
        for index, name in enumerate(operands):
            walk, buffer = walks[name], buffers[name]
            self._walk(m, walk, name, held, begin)
            m.submodules[f"buffer_{name}"] = buffer
            self._given(m, buffer, held, begin)
            m.d.comb += [
                walk.busy.eq(buffer.busy),
                buffer.claim.eq(walk.claim),
                buffer.beat.eq(channel.beat),
                buffer.write.eq(channel.write[index]),
                buffer.row_last.eq(channel.row_last),
                buffer.tile_last.eq(channel.tile_last),
            ]
            wiring.connect(m, buffer.o, getattr(self.matmul, name))
        self._turns(m, walks, channel, begin)
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

    def _turns(self, m: Module, walks: dict[str, TileWalk], channel: ReadChannel, begin: Signal) -> None:
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
        with m.If(begin):
            m.d.sync += turn.eq(0)

    def _write(self, m: Module, held: dict[str, Signal], begin: Signal) -> Value:
        """Connect what writes C. The result is whether all of it is written and answered."""
        operand = memory_output(self.engine)
        walk, buffer = TileWalk(self.engine, operand), WriteBuffer(self.engine, operand)
        m.submodules.write = channel = WriteChannel(self.dma, walk.beats)
        self._walk(m, walk, "c", held, begin)
        m.submodules.buffer_c = buffer
        self._given(m, buffer, held, begin)
        # Rows of a tile are asked for when it is full, and once.
        asked = Signal(2)
        m.d.sync += asked.eq((asked | walk.claim) & ~buffer.leaves)
        m.d.comb += [
            walk.turn.eq(1),
            walk.busy.eq(~buffer.full | asked),
            buffer.asked.eq(asked),
            buffer.i.payload.eq(self.matmul.c.payload.data),
            buffer.i.valid.eq(self.matmul.c.valid),
            self.matmul.c.ready.eq(buffer.i.ready),
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
        return buffer.empty & channel.idle
