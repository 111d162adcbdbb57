"""The multiplier: the exact product of two codes as one integer."""

from amaranth.hdl import Cat, Module, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...formats import Accumulator, Format, special_names
from ..products.decode import decode
from ..products.pipeline import Pipeline
from ..products.product_term import Build, make_term

__all__ = ["Multiply"]


class Multiply(wiring.Component):
    """Exact product of two formats, one a cycle.

    ``product * 2**product_format.lsb_exponent`` is the product of the two values. Latency ``pipeline`` cycles,
    initiation interval 1; combinational where that is 0. Where the product is NaN or infinite, a flag says so and
    ``product`` reads 0.

    Parameters
    ----------
    weight_format, activation_format: formats of the operands
    build: how the product is built; changes the cost, never a bit
    pipeline: register stages, 0 to 3; the first of them is at the output

    Members
    -------
    weight, activation: In(width), codes
    product: Out, signed unless no product is negative
    nan, positive_infinity, negative_infinity: Out(1), those that can occur; at most one is up
    """

    def __init__(self, weight_format: Format, activation_format: Format, build: Build, *, pipeline: int = 0):
        build.cuts(pipeline)
        self.weight_format = weight_format
        self.activation_format = activation_format
        self.build = build
        self.pipeline = pipeline
        self.product_format = Accumulator(weight_format, activation_format, 1)
        self.special_names = special_names(weight_format, activation_format)
        shape = signed if self.product_format.signed else unsigned
        super().__init__(
            {
                "weight": In(weight_format.width),
                "activation": In(activation_format.width),
                "product": Out(shape(self.product_format.width)),
                **{name: Out(1) for name in self.special_names},
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        pipeline = Pipeline(m, self.build.cuts(max(0, self.pipeline - 1)))
        term = make_term(
            m,
            pipeline,
            self.build,
            self.weight_format,
            self.activation_format,
            decode(m, self.weight_format, pipeline.cross("input", "weight", self.weight), "weight"),
            decode(m, self.activation_format, pipeline.cross("input", "activation", self.activation), "activation"),
            self.product_format.width,
        )
        domain = m.d.sync if self.pipeline else m.d.comb
        domain += self.product.eq(term.addend if term.carry is None else term.addend + term.carry)
        if self.special_names:
            with m.If(Cat(*term.specials.values()).any()):
                domain += self.product.eq(0)
        for name in self.special_names:
            domain += getattr(self, name).eq(term.specials[name])
        return m
