"""Words of C come in as the array makes them, and leave row by row, as memory has them."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ...formats import Engine, MemoryOperand
from ..engine.loops import Loop, LoopNest, no_more
from ..engine.panel_loader import size_bits
from ..memories import UNRELATED

__all__ = ["WriteBuffer", "beat_layout"]


def beat_layout(memory_bits: int) -> data.StructLayout:
    """Of a beat that is written: its data, and which of its bytes are in C."""
    return data.StructLayout({"data": unsigned(memory_bits), "strobes": unsigned(memory_bits // 8)})


class WriteBuffer(wiring.Component):
    """A memory of two halves: one is filled with the words of a tile of C, while the beats of the other one leave.

    A tile is a panel's rows by a burst of columns. Latency 2 cycles from the last word of a tile to ``full``, and 1
    from there to its first beat. A word and a beat a cycle. Reset drops what is in it.

    Parameters
    ----------
    engine: whose sizes they are; it has a DMA
    operand: C

    Members
    -------
    start: In(1); m, k, n: In, steady from then on
    i: In(stream of words of ``outputs`` codes, the lowest bits first)
    full: Out(2), halves that have a tile which has not left
    asked: In(2), halves whose rows have all been asked for; the last beat of a half does not leave before that
    leaves: Out(2), the half whose last beat enters the register before ``o`` in this cycle
    o: Out(stream of ``beat_layout``)
    empty: Out(1), all beats of the product have left
    """

    def __init__(self, engine: Engine, operand: MemoryOperand):
        dma = engine.dma
        assert dma is not None
        self.engine = engine
        self.operand = operand
        self.memory_bits = dma.memory_bits
        self.unit_bits = max(dma.memory_bits, operand.segment_bits)
        self.units = operand.tile_codes * operand.stored_bits // self.unit_bits
        super().__init__(
            {
                "start": In(1),
                **{name: In(bits) for name, bits in size_bits(engine).items()},
                "i": In(stream.Signature(unsigned(engine.stream_bits["c"]))),
                "full": Out(2),
                "asked": In(2),
                "leaves": Out(2),
                "o": Out(stream.Signature(beat_layout(dma.memory_bits))),
                "empty": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        operand = self.operand
        granules = self.unit_bits // operand.segment_bits
        row_bits, self._unit_bits = (max(0, (count - 1).bit_length()) for count in (operand.tile_rows, self.units))
        shape = data.ArrayLayout(unsigned(operand.segment_bits), granules)
        depth = 2 << (row_bits + self._unit_bits)
        m.submodules.tiles = tiles = memory.Memory(shape=shape, depth=depth, init=[], attrs=UNRELATED)
        write, read = tiles.write_port(granularity=1 if granules > 1 else None), tiles.read_port()
        filled = self._fill(m, write, granules, row_bits)
        self._empty(m, read, row_bits)
        m.d.sync += self.full.eq((self.full | filled) & ~self.leaves)
        return m

    def _loops(self, m: Module, name: str, *inner: Loop) -> LoopNest:
        engine, operand = self.engine, self.operand
        panel, chunk = Loop("panel", self.m, engine.tile_m), Loop("chunk", self.n, operand.tile_codes)
        return LoopNest(m, name, [panel, chunk, *inner])

    def _fill(self, m: Module, write: memory.WritePort, granules: int, row_bits: int) -> Value:
        """Put words together to segments, and those into the memory. The result is the halves that are full now."""
        engine, operand = self.engine, self.operand
        words = engine.columns // engine.outputs
        groups = Loop("group", None, engine.columns, within="chunk")
        nest = self._loops(m, "fill", groups, Loop("row", None, 1, within="panel"))
        active, half, transfer, ends = (Signal(name=f"fill_{name}") for name in ("active", "half", "transfer", "ends"))
        word, group = Signal(range(max(2, words))), Signal(range(max(2, operand.tile_codes // engine.columns)))
        row = Signal(max(1, row_bits), name="fill_row")
        # What is full, or will be with the segment that is under way.
        segment = Signal(operand.segment_bits, reset_less=True)
        place, complete, tile_complete = Signal(len(write.addr)), Signal(), Signal(2)
        granule = Signal(range(max(2, granules)), reset_less=True)
        m.d.comb += [
            self.i.ready.eq(active & ~(self.full | tile_complete).bit_select(half, 1)),
            transfer.eq(self.i.valid & self.i.ready),
            ends.eq(self._row_ends(nest.left["group"], word) if words > 1 else 1),
        ]
        bits = engine.outputs * operand.stored_bits
        codes = self._stored(self.i.payload)
        m.d.sync += [complete.eq(transfer & ends), tile_complete.eq((transfer & ends & nest.wraps["group"]) << half)]
        with m.If(transfer):
            with m.Switch(word if words > 1 else Const(0, 1)):
                for index in range(words):
                    with m.Case(index):
                        m.d.sync += segment[index * bits :][:bits].eq(codes)
                        if index == 0:
                            m.d.sync += segment[bits:].eq(0)
            m.d.sync += [
                word.eq(Mux(ends, 0, word + 1)),
                place.eq(Cat(group[granules.bit_length() - 1 :][: self._unit_bits], row[:row_bits], half)),
                granule.eq(group[: granules.bit_length() - 1]),
            ]
            with m.If(ends):
                nest.advance()
                m.d.sync += row.eq(Mux(nest.last["row"], 0, row + 1))
                with m.If(nest.last["row"]):
                    m.d.sync += group.eq(Mux(nest.wraps["group"], 0, group + 1))
                m.d.sync += half.eq(half ^ nest.wraps["group"])
                with m.If(nest.done):
                    m.d.sync += active.eq(0)
        with m.If(self.start):
            nest.start()
            m.d.sync += [active.eq(1), half.eq(0), word.eq(0), group.eq(0), row.eq(0)]
        m.d.comb += [
            write.addr.eq(place),
            write.data.eq(segment.replicate(granules)),
            write.en.eq(complete << granule if granules > 1 else complete),
        ]
        return tile_complete

    def _row_ends(self, left: Value, word: Value) -> Value:
        """Whether a word is the last of its columns: no column that is left of C comes after it."""
        engine = self.engine
        words = engine.columns // engine.outputs
        ends = [no_more(left, engine.outputs * (index + 1)) for index in range(words - 1)]
        return (Cat(*ends, Const(1, 1)) >> word)[0]

    def _stored(self, word: Value) -> Value:
        """The codes of a word at their places in memory."""
        operand = self.operand
        width, stored = operand.code_bits, operand.stored_bits
        if width == stored:
            return word
        places = [Cat(word[k * width :][:width], Const(0, stored - width)) for k in range(self.engine.outputs)]
        return Cat(*places)

    def _empty(self, m: Module, read: memory.ReadPort, row_bits: int) -> None:
        """Read the beats of full halves, a row after another."""
        operand = self.operand
        codes = self.memory_bits // operand.stored_bits
        beats = Loop("beat", None, codes, within="chunk")
        nest = self._loops(m, "empty", Loop("row", None, 1, within="panel"), beats)
        active, half, issue, advance = (Signal(name=f"empty_{name}") for name in ("active", "half", "issue", "advance"))
        row = Signal(max(1, row_bits), name="empty_row")
        parts = self.unit_bits // self.memory_bits
        part_bits = parts.bit_length() - 1
        beat = Signal(range(max(2, operand.tile_codes * operand.stored_bits // self.memory_bits)), name="empty_beat")
        part = Signal(max(1, part_bits), reset_less=True)
        strobes = Signal(self.memory_bits // 8, reset_less=True)
        left = nest.left["beat"]
        inside = Cat(~no_more(left, place * 8 // operand.stored_bits) for place in range(len(strobes)))
        word = Value.cast(read.data)
        may_end = ~nest.wraps["row"] | self.asked.bit_select(half, 1)
        m.d.comb += [
            advance.eq(~self.o.valid | self.o.ready),
            issue.eq(advance & active & self.full.bit_select(half, 1) & may_end),
            read.en.eq(advance),
            read.addr.eq(Cat(beat[part_bits:][: self._unit_bits], row[:row_bits], half)),
            self.o.payload.data.eq(word.word_select(part, self.memory_bits) if parts > 1 else word),
            self.o.payload.strobes.eq(strobes),
            self.leaves.eq((issue & nest.wraps["row"]) << half),
            self.empty.eq(~active & ~self.o.valid),
        ]
        with m.If(advance):
            m.d.sync += [self.o.valid.eq(issue), part.eq(beat[:part_bits]), strobes.eq(inside)]
        with m.If(issue):
            nest.advance()
            m.d.sync += [beat.eq(beat + 1), half.eq(half ^ nest.wraps["row"])]
            with m.If(nest.last["beat"]):
                m.d.sync += [beat.eq(0), row.eq(Mux(nest.last["row"], 0, row + 1))]
            with m.If(nest.done):
                m.d.sync += active.eq(0)
        with m.If(self.start):
            nest.start()
            m.d.sync += [active.eq(1), half.eq(0), beat.eq(0), row.eq(0)]
