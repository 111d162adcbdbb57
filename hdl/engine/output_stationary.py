"""In an output-stationary array every element keeps the sum of one output, while operands are broadcast to it."""

from amaranth.hdl import Cat, Const, Module, Shape, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ...formats import Engine, FixedPoint, Format
from ..elements.exact import ONE, ProcessingElement, row_sum_build
from ..products.accumulate import SumControl, sum_control
from ..products.operand_bus import Edge
from ..products.pipeline import Pipeline
from ..products.product_term import Build

__all__ = ["OutputStationary", "sum_layout"]


def sum_layout(form: FixedPoint) -> data.StructLayout:
    """The layout of a sum and its flags."""
    fields: dict[str, Shape | int] = {"accumulator": Shape(form.width, form.signed)}
    return data.StructLayout(fields | dict.fromkeys(form.specials, 1))


def latency(engine: Engine, build: Build, pipeline: int) -> int:
    """Cycles from the last word of a group to its sums."""
    return pipeline + 1


class OutputStationary(wiring.Component):
    """``rows x columns`` exact sums of products, ``lanes`` products each a cycle, all in step.

    Operands are decoded at the edge, once for a row of elements and once for a column. The sums of a group of words,
    ``first`` to ``last``, stand in ``sums`` from ``latency`` cycles after the last word on, and hold until the next
    group's; ``done`` is up in the first of those cycles. No stall: a cycle without ``valid`` is skipped.

    Parameters
    ----------
    engine: formats, rows, columns, lanes
    build: how products are built
    pipeline: register stages before the accumulators, 1 to 3; the first is at the edge
    dsp_elements: how many elements, row by row from the first, leave their products to the device's multipliers
        instead

    Members
    -------
    valid, first, last: In(1), of the word
    activation: In(rows * lanes codes), row by row
    weight: In(columns * lanes codes), column by column
    keep: In(lanes), which lanes count
    done: Out(1)
    sums: Out(sum_layout).array(rows, columns)
    row_sums: Out.array(rows), sums of the activations alone; only with a ``weight_zero_point``
    """

    def __init__(self, engine: Engine, build: Build, pipeline: int, dsp_elements: int = 0):
        self.engine = engine
        self.build = build
        self.pipeline = pipeline
        self.dsp_elements = dsp_elements
        self.latency = latency(engine, build, pipeline)
        self.layout = sum_layout(engine.accumulator)
        self.row_sum_shape = Shape(engine.row_sum.width, engine.row_sum.signed)
        super().__init__(
            {
                **{name: In(1) for name in ("valid", "first", "last")},
                "activation": In(engine.rows * engine.lanes * engine.activation.width),
                "weight": In(engine.columns * engine.lanes * engine.weight.width),
                "keep": In(engine.lanes),
                "done": Out(1),
                "sums": Out(self.layout).array(engine.rows, engine.columns),
                **({"row_sums": Out(self.row_sum_shape).array(engine.rows)} if engine.weight_zero_point else {}),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        engine = self.engine
        control = sum_control(m, Pipeline(m, self.build.cuts(self.pipeline)), self.valid, self.first, self.last)
        m.d.sync += self.done.eq(control.done)
        rows = self._enter(m, "activation", engine.rows)
        columns = self._enter(m, "weight", engine.columns)
        dsp_build = Build("operator", self.build.group, apart=self.build.apart)
        for r in range(engine.rows):
            for c in range(engine.columns):
                build = dsp_build if r * engine.columns + c < self.dsp_elements else self.build
                element = self._element(engine.weight, build, engine.accumulator)
                m.submodules[f"element{r}_{c}"] = element
                self._connect(m, element, rows[r], columns[c], control)
                sums = self.sums[r][c]
                m.d.comb += sums.accumulator.eq(element.sum)
                for name in engine.accumulator.specials:
                    m.d.comb += getattr(sums, name).eq(getattr(element, name))
            if engine.weight_zero_point:
                summer = self._element(ONE, row_sum_build(), engine.row_sum)
                m.submodules[f"row_sum{r}"] = summer
                self._connect(m, summer, rows[r], Const((1 << engine.lanes) - 1, engine.lanes), control)
                m.d.comb += self.row_sums[r].eq(summer.sum)
        return m

    def _element(self, weight: Format, build: Build, accumulator: FixedPoint) -> ProcessingElement:
        engine = self.engine
        return ProcessingElement(
            *(weight, engine.activation, build, accumulator),
            lanes=engine.lanes,
            pipeline=self.pipeline,
            edge=self.build,
        )

    def _connect(
        self, m: Module, element: ProcessingElement, activation: Value, weight: Value, control: SumControl
    ) -> None:
        m.d.comb += [
            element.activation.eq(activation),
            element.weight.eq(weight),
            element.add.eq(control.add),
            element.start.eq(control.start),
            element.done.eq(control.done),
        ]

    def _enter(self, m: Module, name: str, count: int) -> list[Signal]:
        """Decode and register the operands of every row or column."""
        engine = self.engine
        format, word = getattr(engine, name), getattr(self, name)
        edge = Edge(format, self.build)
        entered = []
        for index in range(count):
            held = Signal(engine.lanes * edge.shape.width, name=f"{name}{index}", reset_less=True)
            codes = word.word_select(index, engine.lanes * format.width)
            operands = []
            for lane in range(engine.lanes):
                code = codes.word_select(lane, format.width)
                keep = self.keep[lane] if engine.lanes > 1 and lane else None
                operands.append(edge.enter(m, code, f"{name}{index}_{lane}", keep))
            m.d.sync += held.eq(Cat(*operands))
            entered.append(held)
        return entered
