"""The exact element: it multiplies decoded operands in one cycle, and adds up."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from amaranth.hdl import Cat, Module, Value

from ...formats import DATAFLOWS, Arithmetic, Element, FixedPoint
from ..products.accumulate import sum_control
from ..products.adder_tree import term_shape
from ..products.build import Build
from ..products.decode import Operand, decode
from ..products.operand_bus import Edge
from ..products.packed_terms import packed_terms
from ..products.pipeline import Pipeline
from ..products.product_term import Term, make_term
from .element_tile import ElementTile
from .hardware import ElementHardware, ProductPorts, SumPorts, register_hardware
from .lane_sum import accumulate_words, adder_levels
from .processing_element import ProcessingElement
from .product_lanes import later_cuts, word_of_lane
from .shifting_element import ShiftingElement
from .weight_column import WeightColumn

__all__ = ["ExactHardware"]


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

        def single(pair: tuple[Operand, Operand], lane: int = 0) -> Term:
            path = pipeline.without("middle") if build.is_late(lane) else pipeline
            return self.term(m, path, arithmetic, build, *pair, width, apart)

        if build.packing is None:
            return [single(pair, lane) for lane, pair in enumerate(operands)]
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
    ) -> ProcessingElement:
        return ProcessingElement(self, arithmetic, build, accumulator, lanes=lanes, edge=edge)

    def shifting_element(
        self,
        arithmetic: Arithmetic,
        build: Build,
        accumulator: FixedPoint,
        lanes: int,
        edge: Build | None = None,
    ) -> ShiftingElement:
        return ShiftingElement(self, arithmetic, build, accumulator, lanes=lanes, edge=edge)

    def tile(
        self,
        arithmetic: Arithmetic,
        build: Build,
        accumulator: FixedPoint,
        lanes: int,
        edge: Build | None = None,
    ) -> ElementTile:
        return ElementTile(self, arithmetic, build, accumulator, lanes=lanes, edge=edge)

    def column(self, arithmetic: Arithmetic, build: Build, count: int) -> WeightColumn:
        return WeightColumn(self, arithmetic, build, count=count)

    def column_latency(self, arithmetic: Arithmetic, build: Build, count: int) -> int:
        return len(later_cuts(build)) + adder_levels(build, count) + 1

    def sum_codes(self, m: Module, unit: SumPorts) -> None:
        """Make a MAC or dot product, whose decoders are behind the first register and whose element is in ``m``."""
        arithmetic, build, lanes = unit.arithmetic, unit.build, unit.lanes
        pipeline = Pipeline(m, build.cuts)
        weight = pipeline.cross("input", "weight", unit.weight)
        activation = pipeline.cross("input", "activation", unit.activation)
        width = unit.accumulator_format.width if lanes == 1 else term_shape(arithmetic).width
        edges = self.buses(arithmetic, build)

        def operand(edge: Edge, word: Value, lane: int, name: str) -> Operand:
            return edge.operand(m, word_of_lane(pipeline, build, word, lane, edge.format.width, name), name)

        # One by one, so that each product stands behind its own decoders.
        operands = (
            (operand(edges[0], weight, lane, "weight"), operand(edges[1], activation, lane, "activation"))
            for lane in range(lanes)
        )
        terms = self.terms(m, pipeline, arithmetic, build, operands, lanes, width)
        flags = {name: getattr(unit, name) for name in unit.accumulator_format.specials}
        control = sum_control(m, pipeline, unit.valid, unit.first)
        accumulate_words(m, pipeline, build, control, arithmetic, terms, unit.accumulator, flags)

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


register_hardware(Element, ExactHardware())
