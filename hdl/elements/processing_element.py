"""The elements of output-stationary arrays: products of some lanes a cycle, added to a sum that the element holds."""

from amaranth.hdl import Module, Shape, Signal
from amaranth.lib.wiring import In, Out

from ...formats import Arithmetic, FixedPoint
from ..products.accumulate import SumControl
from ..products.adder_tree import term_shape
from ..products.build import Build
from ..products.pipeline import Pipeline
from ..products.product_term import Term
from .lane_sum import accumulate_words
from .product_lanes import ProductHardware, ProductLanes, later_cuts

__all__ = ["ProcessingElement", "SummingElement"]


class SummingElement(ProductLanes):
    """An element whose products go into a sum of its own, see ``ProcessingElement``."""

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


class ProcessingElement(SummingElement):
    """The element of an output-stationary array: ``lanes`` products a cycle into one exact sum.

    It is the MAC without its decoders and its control, which an array has once: same contract, same bits.

    Parameters
    ----------
    accumulator: the sum's form
    lanes: products a cycle

    Members
    -------
    add, start, done: In(1), as of ``accumulate``, early; of ``accumulate_and_keep`` where ``build.keeps_sum``
    sum: Out, the finished sum; holds until the next ``done``
    nan, positive_infinity, negative_infinity: Out(1), those that can occur
    """

    def elaborate(self, platform) -> Module:
        m = Module()
        pipeline, terms, flags = self._words(m)
        kept = self.build.keeps_sum
        control = SumControl(self.add, self.start, self.done, early=not kept)
        accumulate_words(m, pipeline, self.build, control, self.arithmetic, terms, self.sum, flags, kept=kept)
        return m
