"""In an output-stationary array every element keeps the sum of one output, while operands are broadcast to it."""

from collections.abc import Mapping

from amaranth.hdl import Cat, Const, Module, Shape, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ...formats import Arithmetic, Engine, FixedPoint
from ..elements.hardware import hardware_of
from ..elements.held_control import HeldControl
from ..elements.weight_column import ONE, row_sum_build
from ..products.build import Build
from ..products.packing import GridPacking

__all__ = ["OutputStationary", "shifts_sums", "sum_layout"]


def sum_layout(form: FixedPoint, shifts: bool = False) -> data.StructLayout:
    """The layout of a sum and its flags; of one that shifts also of its carry."""
    fields: dict[str, Shape | int] = {"accumulator": Shape(form.width, form.signed)}
    return data.StructLayout(fields | dict.fromkeys((*form.specials, *(["carry"] if shifts else [])), 1))


def shifts_sums(engine: Engine, build: Build) -> bool:
    """Whether the rows of sums of an engine's array shift while they are drained."""
    can = hardware_of(engine.arithmetic).can_shift and not engine.sums_rows
    return engine.output_stationary and build.shares_cells and can


def latency(engine: Engine, build: Build, shifts: bool = False) -> int:
    """Cycles from the last word of a group to its sums."""
    return hardware_of(engine.arithmetic).latency(engine.arithmetic, build, engine.lanes) + (shifts or build.keeps_sum)


class OutputStationary(wiring.Component):
    """``rows x columns`` exact sums of products, ``lanes`` products each a cycle, all in step.

    Operands are decoded at the edge, once for a row of elements and once for a column. The sums of a group of words,
    ``first`` to ``last``, stand in ``sums`` from ``latency`` cycles after the last word on, and hold until the next
    group's; ``done`` is up in the first of those cycles. No stall: a cycle without ``valid`` is skipped. Words are at
    least ``engine.arithmetic.interval`` cycles apart.

    Parameters
    ----------
    engine: arithmetic, rows, columns, lanes
    build: how products are built; of its register stages, 1 to 4, the first is at the edge
    dsp_elements: how many elements, row by row from the first, are built as ``build.multipliers`` says instead
    shifts: whether the sums of a row take the place of those of the row before it where ``shift`` is up, which is
        before ``done`` comes up again. They are a cycle later then, and each is ``accumulator + carry``. Only where
        ``shifts_sums`` tells that they can
    early: whether ``valid``, ``first`` and ``last`` come a cycle before their word, and every element holds its control
        in registers of its own. Only where sums do not shift

    Members
    -------
    valid, first, last: In(1), of the word
    activation: In(rows * lanes codes), row by row
    weight: In(columns * lanes codes), column by column
    keep: In(lanes), which lanes count
    shift: In(1), where sums shift
    dropped_digits: In, where the element can leave out digits at run time; holds while words are at hand
    done: Out(1)
    sums: Out(sum_layout).array(rows, columns)
    row_sums: Out.array(rows), sums of the activations alone; only where ``engine.sums_rows``
    """

    def __init__(self, engine: Engine, build: Build, dsp_elements: int = 0, shifts: bool = False, early: bool = False):
        if shifts and early:
            raise ValueError("early must be False where sums shift")
        self.engine = engine
        self.build = build
        self.dsp_elements = dsp_elements
        self.shifts = shifts
        self.early = early
        self.latency = latency(engine, build, shifts)
        self.layout = sum_layout(engine.accumulator, shifts)
        self.row_sum_shape = Shape(engine.row_sum.width, engine.row_sum.signed)
        super().__init__(
            {
                **{name: In(1) for name in ("valid", "first", "last")},
                "activation": In(engine.rows * engine.lanes * engine.activation.width),
                "weight": In(engine.columns * engine.lanes * engine.weight.width),
                "keep": In(engine.lanes),
                **({"shift": In(1)} if shifts else {}),
                **({"dropped_digits": In(range(engine.element.droppable + 1))} if engine.element.droppable else {}),
                "done": Out(1),
                "sums": Out(self.layout).array(engine.rows, engine.columns),
                **({"row_sums": Out(self.row_sum_shape).array(engine.rows)} if engine.sums_rows else {}),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        engine = self.engine
        self._hardware = hardware_of(engine.arithmetic)
        given = (m, engine.arithmetic, self.build, self.valid, self.first, self.last)
        if engine.element.droppable:
            control = self._hardware.dropping_control(*given, self.dropped_digits)
        else:
            control = self._hardware.control(*given)
        if self.shifts or self.build.keeps_sum:
            late = {name: Signal(name=f"{name}_late", reset_less=name == "start") for name in ("start", "done")}
            m.d.sync += [signal.eq(control[name]) for name, signal in late.items()]
            control = {**control, **late}
        if self.shifts:
            control = {**control, "shift": self.shift}
        valid, done = self.valid, control["done"]
        if self.early:
            valid, done = Signal(name="valid_late"), Signal(name="done_late")
            m.d.sync += [valid.eq(self.valid), done.eq(control["done"])]
        m.d.sync += self.done.eq(done)
        rows = self._enter(m, "activation", engine.rows, valid)
        columns = self._enter(m, "weight", engine.columns, valid)
        multipliers = self.build.multipliers or self.build
        shared = isinstance(multipliers.packing, GridPacking)
        tiled = self._make_tiles(m, multipliers, rows, columns, control) if shared else set()
        for r in range(engine.rows):
            for c in range(engine.columns):
                if (r, c) in tiled:
                    continue
                in_blocks = not shared and r * engine.columns + c < self.dsp_elements
                build = (multipliers if in_blocks else self.build).without_grid
                make = self._hardware.shifting_element if self.shifts else self._hardware.element
                element = make(engine.arithmetic, build, engine.accumulator, engine.lanes, self.build)
                element = self._holding(element, control)
                m.submodules[f"element{r}_{c}"] = element
                self._connect(m, element, rows[r], columns[c], control)
                sums = self.sums[r][c]
                m.d.comb += sums.accumulator.eq(element.sum)
                if self.shifts:
                    m.d.comb += sums.carry.eq(element.carry)
                    if r + 1 < engine.rows:
                        m.d.comb += element.following.eq(self.sums[r + 1][c].as_value())
                for name in engine.accumulator.specials:
                    m.d.comb += getattr(sums, name).eq(getattr(element, name))
            if engine.sums_rows:
                ones = Arithmetic(ONE, engine.activation)
                build = row_sum_build(self.build)
                summer = self._hardware.element(ones, build, engine.row_sum, engine.lanes, self.build)
                summer = self._holding(summer, control)
                m.submodules[f"row_sum{r}"] = summer
                self._connect(m, summer, rows[r], Const((1 << engine.lanes) - 1, engine.lanes), control)
                m.d.comb += self.row_sums[r].eq(summer.sum)
        return m

    def _make_tiles(
        self, m: Module, build: Build, rows: list[Value], columns: list[Value], control: Mapping[str, Value]
    ) -> set[tuple[int, int]]:
        """Make the elements that share multipliers with their neighbours, and return their rows and columns."""
        engine, packing, made = self.engine, build.packing, set()
        assert isinstance(packing, GridPacking)
        corners = [
            (r, c)
            for r in range(0, engine.rows - packing.rows + 1, packing.rows)
            for c in range(0, engine.columns - packing.columns + 1, packing.columns)
        ]
        if self.build.multipliers is not None:
            corners = corners[: self.dsp_elements // packing.products]
        for r, c in corners:
            tile = self._hardware.tile(engine.arithmetic, build, engine.accumulator, engine.lanes, self.build)
            tile = self._holding(tile, control)
            m.submodules[f"tile{r}_{c}"] = tile
            row = Cat(*rows[r : r + packing.rows])
            self._connect(m, tile, row, Cat(*columns[c : c + packing.columns]), control)
            for i in range(packing.rows):
                for j in range(packing.columns):
                    sums = self.sums[r + i][c + j]
                    m.d.comb += sums.accumulator.eq(tile.sum[i][j])
                    m.d.comb += [
                        getattr(sums, name).eq(getattr(tile, name)[i][j]) for name in engine.accumulator.specials
                    ]
                    made.add((r + i, c + j))
        return made

    def _holding(self, element: wiring.Component, control: Mapping[str, Value]) -> wiring.Component:
        """The element, with its control in registers where that comes early."""
        if not self.early:
            return element
        return HeldControl(element, control.keys(), apart=self.build.sums == "digits")

    def _connect(
        self,
        m: Module,
        element: wiring.Component,
        activation: Value,
        weight: Value,
        control: Mapping[str, Value],
    ) -> None:
        m.d.comb += [
            element.activation.eq(activation),
            element.weight.eq(weight),
            *(getattr(element, name).eq(signal) for name, signal in control.items()),
        ]

    def _enter(self, m: Module, name: str, count: int, valid: Value) -> list[Value]:
        """Decode and register the operands of every row or column."""
        engine = self.engine
        format, word = getattr(engine, name), getattr(self, name)
        buses = dict(zip(("weight", "activation"), self._hardware.buses(engine.arithmetic, self.build), strict=True))
        entered = []
        for index in range(count):
            codes = word.word_select(index, engine.lanes * format.width)
            operands = buses[name].enter_word(
                m,
                [codes.word_select(lane, format.width) for lane in range(engine.lanes)],
                [f"{name}{index}_{lane}" for lane in range(engine.lanes)],
                [self.keep[lane] if lane else None for lane in range(engine.lanes)],
            )
            entered.append(buses[name].hold(m, engine.arithmetic.interval, valid, operands, f"{name}{index}"))
        return entered
