"""The rows of a matrix's tiles are asked for, one after another, where they are in memory."""

from amaranth.hdl import Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ...formats import Engine, MemoryOperand
from ..engine.loops import Loop, LoopNest
from ..engine.panel_loader import size_bits

__all__ = ["STRIDE_BITS", "TileWalk", "request_layout"]

STRIDE_BITS = 32


def request_layout(address_bits: int, beats: int) -> data.StructLayout:
    """Of a request for the row of a tile: where, beats less one, and whether it is the last row of its tile."""
    extra = max(1, (beats - 1).bit_length())
    return data.StructLayout({"address": unsigned(address_bits), "extra": unsigned(extra), "tile_last": unsigned(1)})


class TileWalk(wiring.Component):
    """It goes through the tiles of a matrix, and through the rows of each, from ``start`` on: a row a cycle.

    A tile is as many rows and columns as ``MemoryOperand`` has them, or what is left of the matrix. Tiles of a matrix
    that is read once go along its rows first; one that repeats has tiles of all rows, which are gone through once for
    every panel of A. The address of a row is that of the row before and the stride, so that nothing is multiplied.

    Parameters
    ----------
    engine: whose sizes they are; it has a DMA
    operand: the matrix

    Attributes
    ----------
    beats: of a request, at most

    Members
    -------
    start: In(1); m, k, n, base, stride: In, steady from then on. base and stride are multiples of a beat's bytes, the
        stride in two's complement
    turn: In(1), whether rows may be asked for
    busy: In(2), which half of the buffer has a tile in it; no row of a tile is asked for while its half is
    claim: Out(2), the half that a tile will be in whose last row is taken in this cycle
    tile_ends, panel_ends, ends: Out(1), the request is the last of its tile, of its panel of A, of all; they mean
        something with a request
    o: Out(stream of ``request_layout``)
    """

    def __init__(self, engine: Engine, operand: MemoryOperand):
        dma = engine.dma
        assert dma is not None
        self.engine = engine
        self.operand = operand
        self.dma = dma
        self.beats = operand.beats(dma)
        super().__init__(
            {
                "start": In(1),
                **{name: In(bits) for name, bits in size_bits(engine).items()},
                "base": In(dma.address_bits),
                "stride": In(STRIDE_BITS),
                "turn": In(1),
                "busy": In(2),
                "claim": Out(2),
                **{name: Out(1) for name in ("tile_ends", "panel_ends", "ends")},
                "o": Out(stream.Signature(request_layout(dma.address_bits, self.beats))),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        nest = self._nest(m)
        active = Signal()
        half = Signal()
        transfer = Signal()
        request = self.o.payload
        m.d.comb += [
            self.o.valid.eq(active & self.turn & ~self.busy.bit_select(half, 1)),
            transfer.eq(self.o.valid & self.o.ready),
            request.extra.eq(self._extra(nest.left["chunk"])),
            request.tile_last.eq(nest.wraps["row"] if "row" in nest.left else 1),
            self.tile_ends.eq(request.tile_last),
            self.ends.eq(nest.done),
            self.claim.eq((transfer & request.tile_last) << half),
        ]
        self._addresses(m, nest, transfer)
        self._panels(m, nest, transfer)
        with m.If(transfer):
            nest.advance()
            m.d.sync += half.eq(half ^ request.tile_last)
            with m.If(nest.done):
                m.d.sync += active.eq(0)
        with m.If(self.start):
            nest.start()
            m.d.sync += [active.eq(1), half.eq(0)]
        return m

    def _nest(self, m: Module) -> LoopNest:
        """Panels or tiles of rows, chunks of columns, and the rows of a tile where there may be more than one."""
        operand = self.operand
        columns = Loop("chunk", getattr(self, operand.columns_over), operand.tile_codes * operand.column_step)
        if operand.repeats:
            loops = [Loop("panel", self.m, self.engine.tile_m), columns]
            if operand.rows_over is not None:
                loops.append(Loop("row", getattr(self, operand.rows_over), operand.row_step))
        else:
            loops = [Loop("tile", self.m, operand.tile_rows), columns]
            if operand.tile_rows > 1:
                loops.append(Loop("row", None, 1, within="tile"))
        return LoopNest(m, "walk", loops)

    def _extra(self, left: Value) -> Value:
        """The beats of a row, less one, that has so much left from the beginning of this tile on."""
        operand = self.operand
        codes_a_beat = self.dma.memory_bits // operand.stored_bits * operand.column_step
        if self.beats == 1:
            return Const(0, 1)
        whole = operand.tile_codes * operand.column_step
        if codes_a_beat:
            beats = (left - 1)[: len(left)] >> (codes_a_beat.bit_length() - 1)
        else:
            # A code takes several beats.
            each = operand.stored_bits // self.dma.memory_bits
            beats = (left << (each.bit_length() - 1)) - 1
        if whole > (1 << len(left)) - 1:
            return beats
        return Mux(left >= whole, self.beats - 1, beats)

    def _addresses(self, m: Module, nest: LoopNest, transfer: Value) -> None:
        row, chunk, first_below, below = (
            Signal(self.dma.address_bits, name=name) for name in ("row", "chunk", "first_below", "below")
        )
        width = self.beats * self.dma.beat_bytes
        first_chunk = Signal()
        m.d.comb += [self.o.payload.address.eq(row), below.eq(row + self.stride.as_signed())]
        tile_last = self.o.payload.tile_last
        with m.If(transfer):
            m.d.sync += row.eq(below)
            with m.If(tile_last):
                m.d.sync += [row.eq(chunk + width), chunk.eq(chunk + width), first_chunk.eq(0)]
                with m.If(nest.wraps["chunk"]):
                    # The next tiles are those below; or all again, for the next panel.
                    again = self.base if self.operand.repeats else Mux(first_chunk, below, first_below)
                    m.d.sync += [row.eq(again), chunk.eq(again), first_chunk.eq(1)]
                with m.Elif(first_chunk):
                    m.d.sync += first_below.eq(below)
        with m.If(self.start):
            m.d.sync += [row.eq(self.base), chunk.eq(self.base), first_chunk.eq(1)]

    def _panels(self, m: Module, nest: LoopNest, transfer: Value) -> None:
        """Tell the ends of panels: rows of tiles are counted where they are not panels themselves."""
        groups = 1 if self.operand.repeats else self.engine.tile_m // self.operand.tile_rows
        if groups == 1:
            m.d.comb += self.panel_ends.eq(nest.wraps["chunk"])
            return
        group = Signal(range(groups))
        m.d.comb += self.panel_ends.eq(nest.wraps["chunk"] & ((group == groups - 1) | nest.done))
        with m.If(transfer & nest.wraps["chunk"]):
            m.d.sync += group.eq(Mux(self.panel_ends, 0, group + 1))
        with m.If(self.start):
            m.d.sync += group.eq(0)
