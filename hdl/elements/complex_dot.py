"""Dot products with the complex weights 1, i, -1 and -i: two sums of which every lane takes one part of an operand."""

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...formats import Arithmetic, FixedPoint, Format, parse
from ...formats.elements.serial import twos_complement_bits
from ..products.accumulate import accumulate, sum_control
from ..products.build import chain_length
from ..products.chains import sum_chains
from ..products.pipeline import Pipeline
from ..products.product_term import Term
from ..products.significand_product import ProductRow
from .serial import PlaneBus

__all__ = ["ComplexDot"]

CUTS = ("input", "chain")


class ComplexDot(wiring.Component):
    """The exact sum of ``conj(x) * w`` over lanes and cycles, w being 1, i, -1 or -i: the element of iFairy.

    Re = xr wr + xi wi and im = xr wi - xi wr, of which one term each is not zero: a lane of a part is a choice of xr or
    xi and a sign, which its adder's LUT takes in. A sum stands two cycles after its last operands, and is shown after
    every word.

    Parameters
    ----------
    activation: format of both parts of an operand, finite and of at most 12 bits
    lanes: complex products a cycle
    terms: most complex products in one sum
    lut_inputs: inputs of the family's LUTs

    Members
    -------
    valid, first: In(1), of the operands; ``first`` starts a sum anew
    weight: In(2 * lanes), k for the weight i**k
    real, imaginary: In(lanes codes)
    sum_real, sum_imaginary: Out, in units of ``2**activation.lsb_exponent``
    """

    def __init__(self, activation: Format, lanes: int, terms: int, lut_inputs: int = 6):
        self.activation = activation
        self.lanes = lanes
        self.lut_inputs = lut_inputs
        most = terms * max(activation.max_integer, -activation.min_integer)
        self.form = FixedPoint.between(-most, most, activation.lsb_exponent)
        width = lanes * activation.width
        shape = Shape(self.form.width, signed=True)
        super().__init__(
            {
                **{"valid": In(1), "first": In(1), "weight": In(2 * lanes)},
                **{"real": In(width), "imaginary": In(width), "sum_real": Out(shape), "sum_imaginary": Out(shape)},
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        bits = twos_complement_bits(self.activation)
        bus = PlaneBus(self.activation, (tuple(range(bits)),))
        pipeline = Pipeline(m, CUTS)
        weight = pipeline.cross("input", "weight", self.weight)
        parts = {}
        for name in ("real", "imaginary"):
            codes = pipeline.cross("input", name, getattr(self, name))
            lanes = [codes.word_select(k, self.activation.width) for k in range(self.lanes)]
            parts[name] = [bus.enter(m, code, f"{name}{k}") for k, code in enumerate(lanes)]
        control = sum_control(m, pipeline, self.valid, self.first)
        for name in parts:
            rows = []
            for k in range(self.lanes):
                phase = weight.word_select(k, 2)
                # The parts change places with a factor of i.
                other = "imaginary" if name == "real" else "real"
                chosen = Mux(phase[0], parts[other][k], parts[name][k])
                negative = Signal(name=f"{name}{k}_negative")
                m.d.comb += negative.eq(phase[1] if name == "real" else ~(phase[0] ^ phase[1]))
                value = Cat(chosen ^ negative.replicate(bits))[:bits].as_signed()
                rows.append(ProductRow(value, 0, -(1 << bits - 1), 1 << bits - 1, negative))
            terms = [Term(Const(0, 1), None, {}, rows=(row,)) for row in rows]
            signs = Arithmetic(self.activation, parse("ternary"))
            value, carry = sum_chains(m, pipeline, terms, signs, chain_length(self.lut_inputs))
            accumulate(m, control, value, carry, [], getattr(self, f"sum_{name}"), {})
        return m
