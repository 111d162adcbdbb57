"""The column of a weight-stationary array: its products of a cycle, added by a tree with registers."""

from amaranth.hdl import Module, Signal
from amaranth.lib.wiring import Out

from ...formats import Arithmetic, Integer
from ..products.adder_tree import term_shape
from ..products.build import Build
from ..products.pipeline import Pipeline
from .lane_sum import adder_levels, sum_lanes
from .product_lanes import ProductHardware, ProductLanes, later_cuts

__all__ = ["ONE", "WeightColumn", "row_sum_build"]

ONE = Integer(1, unsigned=True)
"""The weights by which a row of A is summed."""


def row_sum_build(build: Build) -> Build:
    """How a row of A is summed in step with products of ``build``: as products with weights of one."""
    # Rows that are there or not, and sums that are turned over, are of products that are built so themselves.
    sums = "chains" if build.sums in ("gated", "digits", "turned") else build.sums
    return Build("rows", pipeline=build.pipeline, sums=sums, chain=build.chain, integers=build.integers)


class WeightColumn(ProductLanes):
    """A column of a weight-stationary array: all its products of a cycle, added by a tree with registers.

    ``partial`` is the exact sum of ``count`` products, ``latency`` cycles after they stood at the inputs.

    Members
    -------
    partial: Out
    nan, positive_infinity, negative_infinity: Out(1), those that can occur; of any product
    """

    def __init__(self, hardware: ProductHardware, arithmetic: Arithmetic, build: Build, *, count: int):
        self.special_names = arithmetic.specials
        self.latency = hardware.column_latency(arithmetic, build, count)
        members = {"partial": Out(term_shape(arithmetic, count)), **{name: Out(1) for name in self.special_names}}
        super().__init__(hardware, arithmetic, build, count, members)

    def elaborate(self, platform) -> Module:
        m = Module()
        pipeline = Pipeline(m, later_cuts(self.build))
        terms = self.terms(m, pipeline, term_shape(self.arithmetic).width)
        value, carry = sum_lanes(m, pipeline, self.build, self.arithmetic, terms, registered=True)
        m.d.sync += self.partial.eq(value if carry is None else value + carry)
        for name in self.special_names:
            flag = None
            for term in terms:
                flag = term.specials[name] if flag is None else flag | term.specials[name]
            for k in range(adder_levels(self.build, self.count)):
                late = Signal(name=f"{name}_level{k}", reset_less=True)
                m.d.sync += late.eq(flag)
                flag = late
            m.d.sync += getattr(self, name).eq(flag)
        return m
