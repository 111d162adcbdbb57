"""Tiles of a matrix come in row by row, as memory has them, and leave word by word, as the array wants them."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ...formats import Engine, MemoryOperand
from ..engine.loops import Loop, LoopNest
from ..engine.panel_loader import size_bits
from ..memories import UNRELATED

__all__ = ["TileBuffer"]


class TileBuffer(wiring.Component):
    """A memory of two halves: one holds a tile whose words leave, while the other one is filled.

    A word takes the same columns of several rows, which are in banks side by side, so that a word leaves in a cycle.
    Latency 2 cycles from the last beat of a tile to its first word. Reset drops what is in it.

    Parameters
    ----------
    engine: whose sizes they are; it has a DMA
    operand: the matrix

    Members
    -------
    start: In(1); m, k, n: In, steady from then on
    beat, write: In, a beat of the tile that comes next, and that it is there
    row_last, tile_last: In(1), with it: whether it is the last of its row, or of the tile
    claim: In(2), the half that will be filled, from the cycle after on
    busy: Out(2), the halves that will be filled or are
    o: Out(stream of words, as the engine's core takes them)
    """

    def __init__(self, engine: Engine, operand: MemoryOperand):
        dma = engine.dma
        assert dma is not None
        self.engine = engine
        self.operand = operand
        self.memory_bits = dma.memory_bits
        self.unit_bits = max(dma.memory_bits, operand.segment_bits)
        self.units = operand.tile_codes * operand.stored_bits // self.unit_bits
        self.bank_rows = -(-operand.tile_rows // operand.banks)
        super().__init__(
            {
                "start": In(1),
                **{name: In(bits) for name, bits in size_bits(engine).items()},
                "beat": In(dma.memory_bits),
                **{name: In(1) for name in ("write", "row_last", "tile_last")},
                "claim": In(2),
                "busy": Out(2),
                "o": Out(stream.Signature(unsigned(operand.word_bits))),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        operand = self.operand
        parts = self.unit_bits // self.memory_bits
        row_bits, unit_bits = (max(0, (count - 1).bit_length()) for count in (self.bank_rows, self.units))
        depth = 2 << (row_bits + unit_bits)
        shape = data.ArrayLayout(unsigned(self.memory_bits), parts * operand.banks)
        granularity = 1 if parts * operand.banks > 1 else None
        m.submodules.tiles = tiles = memory.Memory(shape=shape, depth=depth, init=[], attrs=UNRELATED)
        full = Signal(2)
        write, read = tiles.write_port(granularity=granularity), tiles.read_port()

        fill_half, place, bank, bank_row = self._fill(m, unit_bits + parts.bit_length() - 1, row_bits)
        part, unit = place[: parts.bit_length() - 1], place[parts.bit_length() - 1 :]
        m.d.comb += [
            write.addr.eq(Cat(unit, bank_row, fill_half)),
            write.data.eq(self.beat.replicate(parts * operand.banks)),
            write.en.eq(self.write << Cat(part, bank) if granularity else self.write),
        ]

        nest = self._nest(m)
        active, issue, advance = Signal(), Signal(), Signal()
        half = Signal()
        tile_ends = nest.wraps["segment"]
        segment = Signal(range(max(2, self.units * self.unit_bits // operand.segment_bits)))
        row = Signal(max(1, row_bits))
        subs = self.unit_bits // operand.segment_bits
        sub_bits = subs.bit_length() - 1
        sub = Signal(max(1, sub_bits), reset_less=True)
        m.d.comb += [
            advance.eq(~self.o.valid | self.o.ready),
            issue.eq(active & full.bit_select(half, 1) & advance),
            read.en.eq(advance),
            read.addr.eq(Cat(segment[sub_bits:][:unit_bits], row[:row_bits], half)),
            self.o.payload.eq(self._word(read.data, sub)),
        ]
        with m.If(advance):
            m.d.sync += [self.o.valid.eq(issue), sub.eq(segment[:sub_bits])]
        done = Signal(2)
        filled = Signal(2)
        m.d.comb += [done.eq((issue & tile_ends) << half), filled.eq((self.write & self.tile_last) << fill_half)]
        m.d.sync += [full.eq((full | filled) & ~done), self.busy.eq((self.busy | self.claim) & ~done)]
        with m.If(issue):
            nest.advance()
            m.d.sync += half.eq(half ^ tile_ends)
            rows_end: Value = Const(1, 1)
            if "row" in nest.wraps:
                rows_end = nest.wraps["row"]
                if "fill" in nest.wraps:
                    rows_end = nest.wraps["fill"]
                m.d.sync += row.eq(Mux(rows_end, 0, row + 1))
            with m.If(rows_end):
                m.d.sync += segment.eq(Mux(tile_ends, 0, segment + 1))
            with m.If(nest.done):
                m.d.sync += active.eq(0)
        with m.If(self.start):
            nest.start()
            m.d.sync += [active.eq(1), half.eq(0), segment.eq(0), row.eq(0)]
        return m

    def _fill(self, m: Module, place_bits: int, row_bits: int) -> tuple[Signal, Signal, Signal, Signal]:
        """Count through the beats of a tile that come. The result is the half, the beat of the row, bank and row."""
        banks = self.operand.banks
        half, place = Signal(name="fill_half"), Signal(max(1, place_bits), name="fill_place")
        bank, bank_row = Signal(range(max(2, banks)), name="fill_bank"), Signal(max(1, row_bits), name="fill_row")
        with m.If(self.write):
            m.d.sync += place.eq(place + 1)
            with m.If(self.row_last):
                m.d.sync += [place.eq(0), bank.eq(bank + 1)]
                with m.If(bank == banks - 1):
                    m.d.sync += [bank.eq(0), bank_row.eq(bank_row + 1)]
            with m.If(self.tile_last):
                m.d.sync += [bank.eq(0), bank_row.eq(0), half.eq(~half)]
        with m.If(self.start):
            m.d.sync += [half.eq(0), place.eq(0), bank.eq(0), bank_row.eq(0)]
        return half, place[:place_bits], bank[: (banks - 1).bit_length()], bank_row[:row_bits]

    def _nest(self, m: Module) -> LoopNest:
        """The loops of words: tiles as they come, segments of a row, and rows inside."""
        operand, engine = self.operand, self.engine
        sizes = {name: getattr(self, name) for name in ("m", "k", "n")}
        outer = Loop("panel", self.m, engine.tile_m) if operand.repeats else Loop("panel", self.m, operand.tile_rows)
        loops = [
            outer,
            Loop("chunk", sizes[operand.columns_over], operand.tile_codes * operand.column_step),
            Loop("segment", None, operand.codes * operand.column_step, within="chunk"),
        ]
        if operand.repeats and operand.rows_over is not None:
            # Where words are filled up, so many of them come for every step through the rows.
            step = max(operand.banks * operand.row_step, operand.fill)
            within = step // (operand.banks * operand.row_step)
            name = "row" if within == 1 else "fill"
            loops.append(Loop(name, sizes[operand.rows_over], step))
            if within > 1:
                loops.append(Loop("row", Const(within), 1))
        elif operand.tile_rows > operand.banks:
            loops.append(Loop("row", None, operand.banks, within="panel"))
        return LoopNest(m, "words", loops)

    def _word(self, banks: Value, sub: Value) -> Value:
        """The codes of a word, bank by bank for rows of A, and column by column for what has rows of W."""
        operand = self.operand
        rows = Value.cast(banks)
        codes = []
        for bank in range(operand.banks):
            unit = rows[bank * self.unit_bits :][: self.unit_bits]
            segment = unit.word_select(sub, operand.segment_bits) if self.unit_bits > operand.segment_bits else unit
            codes.append(
                [segment[place * operand.stored_bits :][: operand.code_bits] for place in range(operand.codes)]
            )
        if operand.repeats:
            return Cat(*(codes[bank][place] for place in range(operand.codes) for bank in range(operand.banks)))
        return Cat(*(code for bank in codes for code in bank))
