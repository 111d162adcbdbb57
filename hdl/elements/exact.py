"""What an array consists of: elements that multiply decoded operands and add up."""

from amaranth.hdl import Module, Shape, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...formats import Engine, FixedPoint, Format, Integer, special_names
from ..products.accumulate import SumControl, accumulate
from ..products.adder_tree import sum_terms, term_shape, tree_depth
from ..products.operand_bus import Edge
from ..products.pipeline import Pipeline
from ..products.product_term import Build, Term, make_term

__all__ = ["ONE", "ProcessingElement", "WeightColumn", "array_element", "column_latency", "later_cuts", "row_sum_build"]


def later_cuts(build: Build, pipeline: int) -> tuple[str, ...]:
    """The register stages of a product behind the array's edge, which has the first."""
    return tuple(cut for cut in build.cuts(pipeline) if cut != "input")


def array_element(engine: Engine, build: Build, pipeline: int) -> wiring.Component:
    """One part of an engine's array, for measuring it alone: an element, or a column where weights are stationary."""
    if engine.output_stationary:
        return ProcessingElement(
            *(engine.weight, engine.activation, build, engine.accumulator), lanes=engine.lanes, pipeline=pipeline
        )
    count = engine.rows * engine.lanes
    return WeightColumn(engine.weight, engine.activation, build, count=count, pipeline=pipeline)


class _Products(wiring.Component):
    """Some products a cycle of operands that an array's edge has decoded.

    Parameters
    ----------
    weight_format, activation_format: of the operands
    build: how the products are built
    pipeline: register stages before the sum, that of the array's edge included, 1 to 3
    count: products a cycle
    members: further members
    edge: the build that the array's edge decodes for, where that is another

    Members
    -------
    weight, activation: In(count operands), as ``Edge`` makes them, the first in the lowest bits
    """

    def __init__(
        self,
        weight_format: Format,
        activation_format: Format,
        build: Build,
        pipeline: int,
        count: int,
        members: dict,
        edge: Build | None = None,
    ):
        self.weight_format = weight_format
        self.activation_format = activation_format
        self.build = build
        self.pipeline = pipeline
        self.count = count
        self.weight_edge = Edge(weight_format, edge or build)
        self.activation_edge = Edge(activation_format, edge or build)
        super().__init__(
            {
                "weight": In(count * self.weight_edge.shape.width),
                "activation": In(count * self.activation_edge.shape.width),
                **members,
            }
        )

    def terms(self, m: Module, width: int) -> list[Term]:
        pipeline = Pipeline(m, later_cuts(self.build, self.pipeline))
        apart = self.build.keeps_apart(self.count)
        terms = []
        for k in range(self.count):
            weight = self.weight.word_select(k, self.weight_edge.shape.width)
            activation = self.activation.word_select(k, self.activation_edge.shape.width)
            operands = (
                self.weight_edge.leave(m, weight, "weight"),
                self.activation_edge.leave(m, activation, "activation"),
            )
            formats = self.weight_format, self.activation_format
            terms.append(make_term(m, pipeline, self.build, *formats, *operands, width, apart))
        return terms


class ProcessingElement(_Products):
    """The element of an output-stationary array: ``lanes`` products a cycle into one exact sum.

    It is the MAC without its decoders and its control, which an array has once: same contract, same bits.

    Parameters
    ----------
    accumulator: the sum's form
    lanes: products a cycle

    Members
    -------
    add, start, done: In(1), as in ``SumControl``, at the adder
    sum: Out, the finished sum; holds until the next ``done``
    nan, positive_infinity, negative_infinity: Out(1), those that can occur
    """

    def __init__(
        self,
        weight_format: Format,
        activation_format: Format,
        build: Build,
        accumulator: FixedPoint,
        *,
        lanes: int,
        pipeline: int,
        edge: Build | None = None,
    ):
        self.accumulator = accumulator
        members = {
            **{name: In(1) for name in ("add", "start", "done")},
            "sum": Out(Shape(accumulator.width, accumulator.signed)),
            **{name: Out(1) for name in accumulator.specials},
        }
        super().__init__(weight_format, activation_format, build, pipeline, lanes, members, edge)

    def elaborate(self, platform) -> Module:
        m = Module()
        if self.count == 1:
            terms = self.terms(m, self.accumulator.width)
            addend, carry = terms[0].addend, terms[0].carry
        else:
            terms = self.terms(m, term_shape(self.weight_format, self.activation_format).width)
            addend, carry = sum_terms(m, terms, self.weight_format, self.activation_format)
        control = SumControl(self.add, self.start, self.done, early=True)
        flags = {name: getattr(self, name) for name in self.accumulator.specials}
        accumulate(m, control, addend, carry, [term.specials for term in terms], self.sum, flags)
        return m


ONE = Integer(1, unsigned=True)
"""The weights by which a row of A is summed."""


def row_sum_build() -> Build:
    """How a row of A is summed: as products with weights of one."""
    return Build("rows")


def column_latency(build: Build, pipeline: int, count: int) -> int:
    """Cycles from the operands of ``count`` products to their sum."""
    return len(later_cuts(build, pipeline)) + tree_depth(count) + 1


class WeightColumn(_Products):
    """A column of a weight-stationary array: all its products of a cycle, added by a tree with registers.

    ``partial`` is the exact sum of ``count`` products, ``latency`` cycles after they stood at the inputs.

    Members
    -------
    partial: Out
    nan, positive_infinity, negative_infinity: Out(1), those that can occur; of any product
    """

    def __init__(self, weight_format: Format, activation_format: Format, build: Build, *, count: int, pipeline: int):
        self.special_names = special_names(weight_format, activation_format)
        self.latency = column_latency(build, pipeline, count)
        shape = term_shape(weight_format, activation_format, count)
        members = {"partial": Out(shape), **{name: Out(1) for name in self.special_names}}
        super().__init__(weight_format, activation_format, build, pipeline, count, members)

    def elaborate(self, platform) -> Module:
        m = Module()
        terms = self.terms(m, term_shape(self.weight_format, self.activation_format).width)
        apart = self.build.keeps_apart(self.count)
        formats = self.weight_format, self.activation_format
        value, carry = sum_terms(m, terms, *formats, registered=True, apart=apart)
        m.d.sync += self.partial.eq(value if carry is None else value + carry)
        for name in self.special_names:
            flag = None
            for term in terms:
                flag = term.specials[name] if flag is None else flag | term.specials[name]
            for k in range(tree_depth(self.count)):
                late = Signal(name=f"{name}_level{k}", reset_less=True)
                m.d.sync += late.eq(flag)
                flag = late
            m.d.sync += getattr(self, name).eq(flag)
        return m
