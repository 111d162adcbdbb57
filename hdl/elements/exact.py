"""The exact element: it multiplies decoded operands in one cycle, and adds up."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from amaranth.hdl import Cat, Module, Shape, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...formats import DATAFLOWS, Arithmetic, Element, FixedPoint, Integer
from ..products.accumulate import ShiftedSum, SumControl, accumulate, accumulate_to_shift, sum_control
from ..products.adder_tree import sum_terms, term_shape, tree_depth
from ..products.build import Build
from ..products.chains import chain_count, sum_chains
from ..products.decode import Operand, decode
from ..products.operand_bus import Edge
from ..products.packed_terms import packed_terms
from ..products.pipeline import Pipeline
from ..products.product_term import Term, make_term
from ..products.relative_signs import sum_by_signs
from .hardware import ElementHardware, ProductPorts, SumPorts, register_hardware

__all__ = ["ONE", "ExactHardware", "ProcessingElement", "WeightColumn", "later_cuts", "row_sum_build"]


def later_cuts(build: Build) -> tuple[str, ...]:
    """The register stages of a product behind the array's edge, which has the first."""
    return tuple(cut for cut in build.cuts if cut != "input")


class ExactHardware(ElementHardware):
    """Decoded operands, a product of each lane a cycle, an adder tree, an accumulator.

    A kind of element that differs in its products alone inherits this class and overrides ``term``.
    """

    dataflows = DATAFLOWS
    least_pipeline = 0
    has_multiplier = True
    can_shift = True

    def term(
        self,
        m: Module,
        pipeline: Pipeline,
        arithmetic: Arithmetic,
        build: Build,
        weight: Operand,
        activation: Operand,
        width: int,
        apart: bool = False,
    ) -> Term:
        """The product of two operands as an addend of ``width`` bits, behind all cuts of the pipeline."""
        formats = arithmetic.weight, arithmetic.activation
        return make_term(m, pipeline, build, *formats, weight, activation, width, apart)

    def terms(
        self,
        m: Module,
        pipeline: Pipeline,
        arithmetic: Arithmetic,
        build: Build,
        operands: Iterable[tuple[Operand, Operand]],
        count: int,
        width: int,
    ) -> list[Term]:
        """The products of ``count`` pairs of a weight and an activation, as ``term`` makes them; where ``build`` has a
        packing, some of them together."""
        apart = build.keeps_apart(count)

        def single(pair: tuple[Operand, Operand]) -> Term:
            return self.term(m, pipeline, arithmetic, build, *pair, width, apart)

        if build.packing is None:
            return [single(pair) for pair in operands]
        formats = arithmetic.weight, arithmetic.activation
        return packed_terms(m, pipeline, build, formats, list(operands), width, apart, single)

    def buses(self, arithmetic: Arithmetic, build: Build) -> tuple[Edge, Edge]:
        return Edge(arithmetic.weight, build, weight=True), Edge(arithmetic.activation, build)

    def latency(self, arithmetic: Arithmetic, build: Build, lanes: int) -> int:
        return build.pipeline + 1

    def control(
        self, m: Module, arithmetic: Arithmetic, build: Build, valid: Value, first: Value, last: Value | None
    ) -> Mapping[str, Value]:
        control = sum_control(m, Pipeline(m, build.cuts), valid, first, last)
        return {"add": control.add, "start": control.start, "done": control.done}

    def element(
        self,
        arithmetic: Arithmetic,
        build: Build,
        accumulator: FixedPoint,
        lanes: int,
        edge: Build | None = None,
    ) -> "ProcessingElement":
        return ProcessingElement(self, arithmetic, build, accumulator, lanes=lanes, edge=edge)

    def shifting_element(
        self,
        arithmetic: Arithmetic,
        build: Build,
        accumulator: FixedPoint,
        lanes: int,
        edge: Build | None = None,
    ) -> "ShiftingElement":
        return ShiftingElement(self, arithmetic, build, accumulator, lanes=lanes, edge=edge)

    def column(self, arithmetic: Arithmetic, build: Build, count: int) -> "WeightColumn":
        return WeightColumn(self, arithmetic, build, count=count)

    def column_latency(self, arithmetic: Arithmetic, build: Build, count: int) -> int:
        return len(later_cuts(build)) + _levels(build, count) + 1

    def sum_codes(self, m: Module, unit: SumPorts) -> None:
        """Make a MAC or dot product, whose decoders are behind the first register and whose element is in ``m``."""
        arithmetic, build, lanes = unit.arithmetic, unit.build, unit.lanes
        pipeline = Pipeline(m, build.cuts)
        weight = pipeline.cross("input", "weight", unit.weight)
        activation = pipeline.cross("input", "activation", unit.activation)
        width = unit.accumulator_format.width if lanes == 1 else term_shape(arithmetic).width
        edges = Edge(arithmetic.weight, build, weight=True), Edge(arithmetic.activation, build)
        # One by one, so that each product stands behind its own decoders.
        operands = (
            (
                edges[0].operand(m, weight.word_select(lane, arithmetic.weight.width), "weight"),
                edges[1].operand(m, activation.word_select(lane, arithmetic.activation.width), "activation"),
            )
            for lane in range(lanes)
        )
        terms = self.terms(m, pipeline, arithmetic, build, operands, lanes, width)
        flags = {name: getattr(unit, name) for name in unit.accumulator_format.specials}
        control = sum_control(m, pipeline, unit.valid, unit.first)
        _sum_words(m, pipeline, build, control, arithmetic, terms, unit.accumulator, flags)

    def multiply_codes(self, m: Module, unit: ProductPorts) -> None:
        arithmetic, build = unit.arithmetic, unit.build.of_one_product
        pipeline = Pipeline(m, replace(build, pipeline=max(0, build.pipeline - 1)).cuts)
        term = self.term(
            m,
            pipeline,
            arithmetic,
            build,
            decode(m, arithmetic.weight, pipeline.cross("input", "weight", unit.weight), "weight"),
            decode(m, arithmetic.activation, pipeline.cross("input", "activation", unit.activation), "activation"),
            unit.product_format.width,
        )
        domain = m.d.sync if build.pipeline else m.d.comb
        domain += unit.product.eq(term.addend if term.carry is None else term.addend + term.carry)
        if term.specials:
            with m.If(Cat(*term.specials.values()).any()):
                domain += unit.product.eq(0)
        for name in unit.product_format.specials:
            domain += getattr(unit, name).eq(term.specials[name])


def _sum_words(
    m: Module,
    pipeline: Pipeline,
    build: Build,
    control: SumControl,
    arithmetic: Arithmetic,
    terms: list[Term],
    accumulator: Signal,
    flags: dict[str, Signal],
) -> None:
    """Add up the terms of every word."""
    addend, carry = _sum_word(m, pipeline, build, arithmetic, terms)
    accumulate(m, control, addend, carry, [term.specials for term in terms], accumulator, flags)


def _sum_word(
    m: Module, pipeline: Pipeline, build: Build, arithmetic: Arithmetic, terms: list[Term]
) -> tuple[Value, Value | None]:
    """The sum of the terms of a word as ``(value, carry)``."""
    if len(terms) == 1 and build.sums == "tree":
        return terms[0].addend, terms[0].carry
    return _sum_lanes(m, pipeline, build, arithmetic, terms)


def _sum_lanes(
    m: Module, pipeline: Pipeline, build: Build, arithmetic: Arithmetic, terms: list[Term], *, registered: bool = False
) -> tuple[Value, Value | None]:
    """The sum of the terms of one word as ``(value, carry)``; where ``registered``, ``_levels`` cycles late."""
    if build.sums == "chains":
        return sum_chains(m, pipeline, terms, arithmetic, build.chain, registered=registered)
    if terms[0].sign is not None:
        return sum_by_signs(m, pipeline, terms, arithmetic, registered=registered)
    how = {"registered": registered, "apart": build.keeps_apart(len(terms)), "kept": build.dsp}
    value, carry = sum_terms(m, terms, arithmetic, **how)
    for cut in ("chain", "total"):
        value, carry = pipeline.cross(cut, "sum", value), pipeline.cross(cut, "carry", carry)
    return value, carry


def _levels(build: Build, count: int) -> int:
    """Levels of adders that add so many products, or so many chains of them."""
    return tree_depth(chain_count(count, build.chain) if build.sums == "chains" else build.addends(count))


class _Products(wiring.Component):
    """Some products a cycle of operands that an array's edge has decoded.

    Parameters
    ----------
    hardware: what makes a product
    arithmetic: formats of the operands, and the products' range
    build: how the products are built; its pipeline, 1 to 3, counts the register of the array's edge
    count: products a cycle
    members: further members
    edge: the build that the array's edge decodes for, where that is another

    Members
    -------
    weight, activation: In(count operands), as ``Edge`` makes them, the first in the lowest bits
    """

    def __init__(
        self,
        hardware: ExactHardware,
        arithmetic: Arithmetic,
        build: Build,
        count: int,
        members: dict,
        edge: Build | None = None,
    ):
        self.hardware = hardware
        self.arithmetic = arithmetic
        self.build = build
        self.count = count
        self.weight_edge, self.activation_edge = hardware.buses(arithmetic, edge or build)
        super().__init__(
            {
                "weight": In(count * self.weight_edge.shape.width),
                "activation": In(count * self.activation_edge.shape.width),
                **members,
            }
        )

    def terms(self, m: Module, pipeline: Pipeline, width: int) -> list[Term]:
        operands = (
            (
                self.weight_edge.leave(m, self.weight.word_select(k, self.weight_edge.shape.width), "weight"),
                self.activation_edge.leave(
                    m, self.activation.word_select(k, self.activation_edge.shape.width), "activation"
                ),
            )
            for k in range(self.count)
        )
        return self.hardware.terms(m, pipeline, self.arithmetic, self.build, operands, self.count, width)


class _SummingElement(_Products):
    """An element whose products go into a sum of its own, see ``ProcessingElement``."""

    def __init__(
        self,
        hardware: ExactHardware,
        arithmetic: Arithmetic,
        build: Build,
        accumulator: FixedPoint,
        *,
        lanes: int,
        edge: Build | None = None,
    ):
        self.accumulator = accumulator
        members = {
            **{name: In(1) for name in ("add", "start", "done")},
            "sum": Out(Shape(accumulator.width, accumulator.signed)),
            **{name: Out(1) for name in accumulator.specials},
            **self._more(accumulator),
        }
        super().__init__(hardware, arithmetic, build, lanes, members, edge)

    def _more(self, accumulator: FixedPoint) -> dict:
        """Members of one kind of element alone."""
        return {}

    def _words(self, m: Module) -> tuple[Pipeline, list[Term], dict[str, Signal]]:
        """The pipeline, the terms of every word behind it, and the flags of the sum."""
        pipeline = Pipeline(m, later_cuts(self.build))
        width = self.accumulator.width if self.count == 1 else term_shape(self.arithmetic).width
        terms = self.terms(m, pipeline, width)
        return pipeline, terms, {name: getattr(self, name) for name in self.accumulator.specials}


class ProcessingElement(_SummingElement):
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

    def elaborate(self, platform) -> Module:
        m = Module()
        pipeline, terms, flags = self._words(m)
        control = SumControl(self.add, self.start, self.done, early=True)
        _sum_words(m, pipeline, self.build, control, self.arithmetic, terms, self.sum, flags)
        return m


class ShiftingElement(_SummingElement):
    """A ``ProcessingElement`` whose finished sum is a part of a shift register: see ``accumulate_to_shift``.

    The sum is ``sum + carry``, and stands a cycle later.

    Parameters
    ----------
    accumulator: the sum's form
    lanes: products a cycle

    Members
    -------
    add, start, done: In(1), ``start`` with the first terms at the adder, ``done`` in the cycle after the last ones
    shift: In(1), take what is in ``following`` in the place of the sum
    following: In, the sum, the flags and the carry of another such element
    sum, carry: Out, the finished sum; both hold until the next ``done`` or ``shift``
    nan, positive_infinity, negative_infinity: Out(1), those that can occur
    """

    def _more(self, accumulator: FixedPoint) -> dict:
        return {
            "shift": In(1),
            "following": In(accumulator.width + len(accumulator.specials) + 1),
            "carry": Out(1),
        }

    def elaborate(self, platform) -> Module:
        m = Module()
        pipeline, terms, flags = self._words(m)
        control = SumControl(self.add, self.start, self.done, early=False)
        finished = ShiftedSum(self.sum, self.carry, flags, self.shift, self.following)
        specials = [term.specials for term in terms]
        word = _sum_word(m, pipeline, self.build, self.arithmetic, terms)
        accumulate_to_shift(m, control, *word, specials, finished)
        return m


ONE = Integer(1, unsigned=True)
"""The weights by which a row of A is summed."""


def row_sum_build(build: Build) -> Build:
    """How a row of A is summed in step with products of ``build``: as products with weights of one."""
    return Build("rows", pipeline=build.pipeline, sums=build.sums, chain=build.chain, integers=build.integers)


class WeightColumn(_Products):
    """A column of a weight-stationary array: all its products of a cycle, added by a tree with registers.

    ``partial`` is the exact sum of ``count`` products, ``latency`` cycles after they stood at the inputs.

    Members
    -------
    partial: Out
    nan, positive_infinity, negative_infinity: Out(1), those that can occur; of any product
    """

    def __init__(self, hardware: ExactHardware, arithmetic: Arithmetic, build: Build, *, count: int):
        self.special_names = arithmetic.specials
        self.latency = hardware.column_latency(arithmetic, build, count)
        members = {"partial": Out(term_shape(arithmetic, count)), **{name: Out(1) for name in self.special_names}}
        super().__init__(hardware, arithmetic, build, count, members)

    def elaborate(self, platform) -> Module:
        m = Module()
        pipeline = Pipeline(m, later_cuts(self.build))
        terms = self.terms(m, pipeline, term_shape(self.arithmetic).width)
        value, carry = _sum_lanes(m, pipeline, self.build, self.arithmetic, terms, registered=True)
        m.d.sync += self.partial.eq(value if carry is None else value + carry)
        for name in self.special_names:
            flag = None
            for term in terms:
                flag = term.specials[name] if flag is None else flag | term.specials[name]
            for k in range(_levels(self.build, self.count)):
                late = Signal(name=f"{name}_level{k}", reset_less=True)
                m.d.sync += late.eq(flag)
                flag = late
            m.d.sync += getattr(self, name).eq(flag)
        return m


register_hardware(Element, ExactHardware())
