"""In a weight-stationary array weights stay, while rows of activations stream past and partial sums add up."""

from amaranth.hdl import Cat, Module, Mux, Shape, Signal, Value
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from ...formats import Arithmetic, Engine
from ..elements.hardware import hardware_of
from ..elements.weight_column import ONE, row_sum_build
from ..memories import UNRELATED
from ..products.accumulate import sticky_flags
from ..products.build import Build
from .output_stationary import sum_layout

__all__ = ["MIN_TILE", "WeightStationary"]

MIN_TILE = 2
"""Fewest cycles between two words for the same row of sums: what one read, and one addition with its write take."""


def latency(engine: Engine, build: Build) -> int:
    """Cycles from a word to the sum with it in the memory."""
    count = engine.rows * engine.lanes
    return hardware_of(engine.arithmetic).column_latency(engine.arithmetic, build, count) + 2


class WeightStationary(wiring.Component):
    """``columns`` dot products of ``rows * lanes`` products a cycle, added up in a memory with a word for every row.

    The next weights are shifted in, ``rows`` words, while the present ones are in use, and are put to use by the
    word that comes with ``swap``. Words of weights are ``engine.arithmetic.load_interval`` cycles apart, or more. A sum
    is complete in the memory ``latency`` cycles after its last word. No stall: a cycle without ``valid`` is skipped.
    Words for the same ``row`` must be ``MIN_TILE`` cycles apart.

    Parameters
    ----------
    engine: arithmetic, rows, columns, lanes, tile_m
    build: how products are built; of the register stages of a product, 1 to 3, the first is at the edge

    Members
    -------
    load: In(1), a word of weights enters
    load_keep: In(lanes), which of its lanes count
    weight: In(columns * lanes codes), for one row of elements
    valid, first, last, swap: In(1), of the word; ``first`` starts the sum of its row anew
    row: In, which sum, the half of the memory included
    activation: In(rows * lanes codes)
    keep: In(rows * lanes), which of them count
    done: Out(1), the sum of the word that came with ``last`` is in the memory from this cycle on
    read: In(1), read_row: In, read the finished sums of a row
    sums: Out(columns of sum_layout), the cycle after
    row_sum: Out, of the row's activations alone, with the sums; only with a ``weight_zero_point``
    """

    def __init__(self, engine: Engine, build: Build):
        self.engine = engine
        self.build = build
        self.layout = data.ArrayLayout(sum_layout(engine.accumulator), engine.columns)
        self.row_sum_shape = Shape(engine.row_sum.width, engine.row_sum.signed)
        self.depth = 2 << (engine.tile_m - 1).bit_length()
        count = engine.rows * engine.lanes
        self._hardware = hardware_of(engine.arithmetic)
        self._column_latency = self._hardware.column_latency(engine.arithmetic, build, count)
        self.latency = latency(engine, build)
        super().__init__(
            {
                **{name: In(1) for name in ("load", "valid", "first", "last", "swap", "read")},
                "weight": In(engine.columns * engine.lanes * engine.weight.width),
                "load_keep": In(engine.lanes),
                "activation": In(count * engine.activation.width),
                "keep": In(count),
                "row": In(range(self.depth)),
                "read_row": In(range(self.depth)),
                "done": Out(1),
                "sums": Out(self.layout),
                **({"row_sum": Out(self.row_sum_shape)} if engine.weight_zero_point else {}),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        engine = self.engine
        activation = self._activation(m)
        count = engine.rows * engine.lanes
        make = self._keeping_columns if self._hardware.keeps_weights else self._columns
        columns = make(m, activation)
        row_sum = None
        if engine.weight_zero_point:
            row_sum = self._hardware.column(Arithmetic(ONE, engine.activation), row_sum_build(self.build), count)
            m.submodules.row_sum = row_sum
            m.d.comb += [row_sum.activation.eq(activation), row_sum.weight.eq((1 << count) - 1)]
        self._accumulate(m, columns, row_sum)
        return m

    def _columns(self, m: Module, activation: Signal) -> list[wiring.Component]:
        engine = self.engine
        weights = self._weights(m)
        columns = []
        for c in range(engine.columns):
            column = self._hardware.column(engine.arithmetic, self.build, engine.rows * engine.lanes)
            m.submodules[f"column{c}"] = column
            m.d.comb += [column.activation.eq(activation), column.weight.eq(weights[c])]
            columns.append(column)
        return columns

    def _keeping_columns(self, m: Module, activation: Signal) -> list[wiring.Component]:
        """Columns that hold their weights themselves."""
        engine = self.engine
        swap = self.valid & self.swap
        control = self._hardware.load_control(m, engine.arithmetic, engine.rows, self.load, swap)
        columns = []
        for c in range(engine.columns):
            column = self._hardware.keeping_column(engine.arithmetic, self.build, engine.rows, engine.lanes)
            m.submodules[f"column{c}"] = column
            m.d.comb += [
                column.activation.eq(activation),
                column.load.eq(self.load),
                column.weight.eq(self._loaded(m, c)),
                *(getattr(column, name).eq(signal) for name, signal in control.items()),
            ]
            columns.append(column)
        return columns

    def _activation(self, m: Module) -> Signal:
        engine = self.engine
        _, edge = self._hardware.buses(engine.arithmetic, self.build)
        count = engine.rows * engine.lanes
        operands = edge.enter_word(
            m,
            [self.activation.word_select(k, engine.activation.width) for k in range(count)],
            [f"activation{k}" for k in range(count)],
            [self.keep[k] if k else None for k in range(count)],
        )
        held = Signal(edge.word_bits(count), name="activation_held", reset_less=True)
        m.d.sync += held.eq(operands)
        return held

    def _weights(self, m: Module) -> list[Signal]:
        """Make the registers of the weights in use of every column, and behind them those of the next ones."""
        engine = self.engine
        edge, _ = self._hardware.buses(engine.arithmetic, self.build)
        lanes = edge.word_bits(engine.lanes)
        in_use = []
        for c in range(engine.columns):
            operands = self._loaded(m, c)
            following = Signal(engine.rows * lanes, name=f"next_weight{c}", reset_less=True)
            present = Signal(engine.rows * lanes, name=f"weight{c}_held", reset_less=True)
            with m.If(self.load):
                m.d.sync += following.eq(Cat(following[lanes:], operands))
            with m.If(self.valid & self.swap):
                m.d.sync += present.eq(following)
            in_use.append(present)
        return in_use

    def _loaded(self, m: Module, c: int) -> Value:
        """What travels of the word of weights that enters, for a column."""
        engine = self.engine
        edge, _ = self._hardware.buses(engine.arithmetic, self.build)
        codes = self.weight.word_select(c, engine.lanes * engine.weight.width)
        return edge.enter_word(
            m,
            [codes.word_select(lane, engine.weight.width) for lane in range(engine.lanes)],
            [f"weight{c}_{lane}" for lane in range(engine.lanes)],
            list(self.load_keep),
        )

    def _accumulate(self, m: Module, columns: list[wiring.Component], row_sum: wiring.Component | None) -> None:
        engine = self.engine
        word = {"sums": self.layout} | ({"row_sum": self.row_sum_shape} if row_sum is not None else {})
        shape = data.StructLayout(word)
        m.submodules.memory = store = memory.Memory(shape=shape, depth=self.depth, init=[], attrs=UNRELATED)
        write, old, finished = store.write_port(), store.read_port(), store.read_port()
        m.d.comb += [finished.addr.eq(self.read_row), finished.en.eq(self.read), self.sums.eq(finished.data.sums)]

        at = {"valid": self.valid, "first": self.first, "last": self.valid & self.last, "row": self.row}
        for stage in range(self._column_latency + 1):
            if stage == self._column_latency:
                m.d.comb += [old.addr.eq(at["row"]), old.en.eq(1)]
            late = {
                name: Signal(value.shape(), name=f"{name}{stage}", reset_less=name in ("first", "row"))
                for name, value in at.items()
            }
            m.d.sync += [late[name].eq(value) for name, value in at.items()]
            at = late
        first = at["first"]
        form = engine.accumulator
        m.d.comb += [write.addr.eq(at["row"]), write.en.eq(at["valid"])]
        m.d.sync += self.done.eq(at["last"])
        if row_sum is not None:
            before = Mux(first, 0, old.data.row_sum)
            m.d.comb += [write.data.row_sum.eq(before + row_sum.partial), self.row_sum.eq(finished.data.row_sum)]
        for c, column in enumerate(columns):
            before, after = old.data.sums[c], write.data.sums[c]
            running = Signal(Shape(form.width, form.signed), name=f"accumulated{c}")
            m.d.comb += [running.eq(Mux(first, 0, before.accumulator)), after.accumulator.eq(running + column.partial)]
            running_flags = {name: getattr(before, name) & ~first for name in form.specials}
            flags = sticky_flags(m, running_flags, {name: getattr(column, name) for name in form.specials})
            for name, flag in flags.items():
                m.d.comb += getattr(after, name).eq(flag)
            if flags:
                with m.If(Cat(*flags.values()).any()):
                    m.d.comb += after.accumulator.eq(0)
