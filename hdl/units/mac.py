"""The multiply-accumulate unit: one product a cycle into an exact sum."""

from amaranth.hdl import Module, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...formats import Accumulator, Format, special_names
from ..products.accumulate import accumulate, sum_control
from ..products.adder_tree import sum_terms, term_shape
from ..products.decode import decode
from ..products.pipeline import Pipeline
from ..products.product_term import Build, make_term

__all__ = ["Mac"]


class Mac(wiring.Component):
    """Exact multiply-accumulate of two formats, one product a cycle.

    ``accumulator * 2**accumulator_format.lsb_exponent`` is the sum of all products since the last ``first`` (or
    reset), exact for up to ``terms`` of them. Latency ``pipeline + 1`` cycles, initiation interval 1. Where a
    product is NaN or infinite, a sticky flag says so until the next ``first``, and ``accumulator`` reads 0 meanwhile.

    Parameters
    ----------
    weight_format, activation_format: formats of the operands
    build: how the product is built; changes the cost, never a bit
    terms: most products in one sum
    pipeline: register stages before the accumulator, 0 to 3
    lanes: products a cycle; ``Dot`` is the name of a unit with more than one

    Members
    -------
    valid: In(1), the operands count in this cycle
    first: In(1), the sum starts anew with this product; means nothing without ``valid``
    weight, activation: In(lanes * width), codes, lane 0 in the lowest bits
    accumulator: Out, signed unless no product is negative; holds while no product arrives
    nan, positive_infinity, negative_infinity: Out(1), those that can occur; at most one is up
    """

    def __init__(
        self,
        weight_format: Format,
        activation_format: Format,
        build: Build,
        *,
        terms: int = 4096,
        pipeline: int = 2,
        lanes: int = 1,
    ):
        if lanes < 1:
            raise ValueError(f"lanes must be 1 or more, not {lanes!r}")
        build.cuts(pipeline)
        self.weight_format = weight_format
        self.activation_format = activation_format
        self.build = build
        self.terms = terms
        self.pipeline = pipeline
        self.lanes = lanes
        self.accumulator_format = Accumulator(weight_format, activation_format, terms)
        self.special_names = special_names(weight_format, activation_format)
        shape = signed if self.accumulator_format.signed else unsigned
        super().__init__(
            {
                "valid": In(1),
                "first": In(1),
                "weight": In(lanes * weight_format.width),
                "activation": In(lanes * activation_format.width),
                "accumulator": Out(shape(self.accumulator_format.width)),
                **{name: Out(1) for name in self.special_names},
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        pipeline = Pipeline(m, self.build.cuts(self.pipeline))
        weight = pipeline.cross("input", "weight", self.weight)
        activation = pipeline.cross("input", "activation", self.activation)
        alone = self.lanes == 1
        width = self.accumulator_format.width if alone else term_shape(self.weight_format, self.activation_format).width
        terms = [
            make_term(
                m,
                pipeline,
                self.build,
                self.weight_format,
                self.activation_format,
                decode(m, self.weight_format, weight.word_select(lane, self.weight_format.width), "weight"),
                decode(
                    m, self.activation_format, activation.word_select(lane, self.activation_format.width), "activation"
                ),
                width,
                self.build.keeps_apart(self.lanes),
            )
            for lane in range(self.lanes)
        ]
        flags = {name: getattr(self, name) for name in self.special_names}
        control = sum_control(m, pipeline, self.valid, self.first)
        if alone:
            addend, carry = terms[0].addend, terms[0].carry
        else:
            addend, carry = sum_terms(m, terms, self.weight_format, self.activation_format)
        accumulate(m, control, addend, carry, [term.specials for term in terms], self.accumulator, flags)
        return m
