"""What elements and columns have in common: operands from an array's edge, and a product of each lane."""

from collections.abc import Iterable
from typing import Protocol

from amaranth.hdl import Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from ...formats import Arithmetic
from ..products.build import Build
from ..products.decode import Operand
from ..products.operand_bus import Edge
from ..products.pipeline import Pipeline
from ..products.product_term import Term

__all__ = ["ProductHardware", "ProductLanes", "later_cuts", "word_of_lane"]


def later_cuts(build: Build) -> tuple[str, ...]:
    """The register stages of a product behind the array's edge, which has the first."""
    return tuple(cut for cut in build.cuts if cut != "input")


def word_of_lane(pipeline: Pipeline, build: Build, word: Value, lane: int, width: int, name: str) -> Value:
    """The ``width`` bits of a word that are a lane's, behind the cut ``middle`` where its chain has that before it."""
    value = word.word_select(lane, width)
    return pipeline.cross("middle", f"{name}{lane}", value) if build.is_late(lane) else value


class ProductHardware(Protocol):
    """What makes the products of lanes, as ``ExactHardware`` does."""

    def buses(self, arithmetic: Arithmetic, build: Build) -> tuple[Edge, Edge]: ...

    def terms(
        self,
        m: Module,
        pipeline: Pipeline,
        arithmetic: Arithmetic,
        build: Build,
        operands: Iterable[tuple[Operand, Operand]],
        count: int,
        width: int,
    ) -> list[Term]: ...

    def column_latency(self, arithmetic: Arithmetic, build: Build, count: int) -> int: ...


class ProductLanes(wiring.Component):
    """Some products a cycle of operands that an array's edge has decoded.

    Parameters
    ----------
    hardware: what makes a product
    arithmetic: formats of the operands, and the products' range
    build: how the products are built; its pipeline, 1 or more, counts the register of the array's edge
    count: products a cycle
    members: further members
    edge: the build that the array's edge decodes for, where that is another

    Members
    -------
    weight, activation: In(count operands), as ``Edge`` makes them, the first in the lowest bits
    """

    def __init__(
        self,
        hardware: ProductHardware,
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
        def operand(edge: Edge, word: Value, lane: int, name: str) -> Operand:
            return edge.leave(m, word_of_lane(pipeline, self.build, word, lane, edge.shape.width, name), name)

        operands = (
            (
                operand(self.weight_edge, self.weight, k, "weight"),
                operand(self.activation_edge, self.activation, k, "activation"),
            )
            for k in range(self.count)
        )
        return self.hardware.terms(m, pipeline, self.arithmetic, self.build, operands, self.count, width)
