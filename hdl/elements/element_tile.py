"""Neighbouring elements of an output-stationary array whose products are made together, some by each multiplication."""

from amaranth.hdl import Module, Shape, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...formats import Arithmetic, FixedPoint
from ..products.accumulate import SumControl
from ..products.adder_tree import term_shape
from ..products.build import Build
from ..products.decode import Operand
from ..products.grid_product import grid_operand, grid_products
from ..products.operand_bus import Edge
from ..products.packing import GridPacking
from ..products.pipeline import Pipeline
from ..products.product_term import Term, sign_of_product, term_of_product
from .lane_sum import accumulate_words
from .product_lanes import ProductHardware, later_cuts

__all__ = ["ElementTile"]


class ElementTile(wiring.Component):
    """Elements in ``rows`` rows and ``columns`` columns of an array, as many as the build's ``GridPacking`` has.

    Each is as a ``ProcessingElement``: same contract, same bits.

    Parameters
    ----------
    hardware: what the array's edge is of
    arithmetic: formats of the operands, and the products' range
    build: how products are built, with a ``GridPacking``
    accumulator: the sums' form
    lanes: products a cycle of each element
    edge: the build that the array's edge decodes for, where that is another

    Members
    -------
    add, start, done: In(1), as of a ``ProcessingElement``
    weight: In(columns * lanes operands), column by column
    activation: In(rows * lanes operands), row by row
    sum, nan, positive_infinity, negative_infinity: Out.array(rows, columns), as of a ``ProcessingElement``
    """

    def __init__(
        self,
        hardware: ProductHardware,
        arithmetic: Arithmetic,
        build: Build,
        accumulator: FixedPoint,
        *,
        lanes: int,
        edge: Build | None = None,
    ):
        if not isinstance(build.packing, GridPacking):
            raise ValueError(f"packing must be a GridPacking, not {build.packing!r}")
        self.packing = build.packing
        self.arithmetic = arithmetic
        self.build = build
        self.accumulator = accumulator
        self.lanes = lanes
        self.weight_edge, self.activation_edge = hardware.buses(arithmetic, edge or build)
        grid = self.packing.rows, self.packing.columns
        super().__init__(
            {
                **{name: In(1) for name in ("add", "start", "done")},
                "weight": In(self.packing.columns * lanes * self.weight_edge.shape.width),
                "activation": In(self.packing.rows * lanes * self.activation_edge.shape.width),
                "sum": Out(Shape(accumulator.width, accumulator.signed)).array(*grid),
                **{name: Out(1).array(*grid) for name in accumulator.specials},
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        pipeline = Pipeline(m, later_cuts(self.build))
        lanes = [self._lane(m, pipeline, lane) for lane in range(self.lanes)]
        kept = self.build.keeps_sum
        control = SumControl(self.add, self.start, self.done, early=not kept)
        for r in range(self.packing.rows):
            for c in range(self.packing.columns):
                terms = [lane[r][c] for lane in lanes]
                flags = {name: getattr(self, name)[r][c] for name in self.accumulator.specials}
                arithmetic, total = self.arithmetic, self.sum[r][c]
                accumulate_words(m, pipeline, self.build, control, arithmetic, terms, total, flags, kept=kept)
        return m

    def _lane(self, m: Module, pipeline: Pipeline, lane: int) -> list[list[Term]]:
        """The products of one lane, by rows and columns."""
        formats = self.arithmetic.weight, self.arithmetic.activation
        apart = self.build.keeps_apart(self.lanes)
        weights = self._operands(m, self.weight_edge, self.weight, self.packing.columns, lane, "weight")
        activations = self._operands(m, self.activation_edge, self.activation, self.packing.rows, lane, "activation")
        significands = [[operand.significand for operand in side] for side in (weights, activations)]
        products = grid_products(m, pipeline, self.packing, formats, *significands)
        width = self.accumulator.width if self.lanes == 1 else term_shape(self.arithmetic).width

        def term(pair: tuple[Operand, Operand], product: tuple[Value, Value | None]) -> Term:
            body, carry = product
            if self.packing.signed:
                for cut in ("product", "align"):
                    body = pipeline.cross(cut, "body", body, apart=apart)
                    carry = pipeline.cross(cut, "carry", carry, apart=apart)
                return Term(body, carry, {})
            return term_of_product(
                m, pipeline, self.build, formats, pair, body, sign_of_product(pair), width, apart, ""
            )

        return [
            [term((weight, activation), product) for weight, product in zip(weights, row, strict=True)]
            for activation, row in zip(activations, products, strict=True)
        ]

    def _operands(self, m: Module, edge: Edge, word: Value, count: int, lane: int, name: str) -> list[Operand]:
        """The operands of a lane, one of each row or column."""
        found = []
        for k in range(count):
            value = word.word_select(k * self.lanes + lane, edge.shape.width)
            operand = edge.leave(m, value, f"{name}{k}")
            found.append(grid_operand(m, self.packing, edge.format, operand, f"{name}{k}_{lane}"))
        return found
