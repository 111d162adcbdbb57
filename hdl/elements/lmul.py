"""The element of L-Mul: one addition of two codes in the place of a product of significands."""

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value

from ...formats import Arithmetic
from ...formats.elements.lmul import LMul, bias, fraction_bits
from ..products.align import Shift, align
from ..products.build import Build
from ..products.decode import Operand
from ..products.pipeline import Pipeline
from ..products.product_term import Term
from .exact import ExactHardware
from .hardware import register_hardware

__all__ = ["LMulHardware"]


class LMulHardware(ExactHardware):
    """Fields are added, and the sum is a significand and its shift."""

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
        element, format = arithmetic.element, arithmetic.weight
        assert isinstance(element, LMul)
        bits = fraction_bits(format)
        fields = []
        for operand in (weight, activation):
            assert operand.exponent is not None
            fields.append(Cat(operand.significand[:-1], operand.exponent))
        normal = weight.significand[-1] & activation.significand[-1]
        field, least = self._field(m, arithmetic, fields)
        exponent = field[bits:]
        # Of a field below, the exponent may be any: its significand is zero.
        some = normal if element.wide else normal & ~field[-1] & exponent.any()
        body = Cat(field[:bits], Const(1, 1)) & some.replicate(bits + 1)
        negate = None
        if weight.sign is not None and activation.sign is not None:
            negate = weight.sign ^ activation.sign
        most = (1 << len(fields[0])) - 1
        largest = (2 * most + element.offset(format) if element.wide else most) >> bits
        shift = Shift(exponent if element.wide else exponent[:-1], least, largest)
        body, negate = pipeline.cross("product", "body", body), pipeline.cross("product", "negate", negate)
        shift = Shift(pipeline.cross("product", "shift", shift.amount), shift.offset, shift.largest)
        addend, carry = align(m, pipeline, body, negate, shift, build.group, width, apart)
        return Term(addend, carry, {})

    def _field(self, m: Module, arithmetic: Arithmetic, fields: list[Value]) -> tuple[Value, int]:
        """The field of the product, where both factors are normal, and the least exponent; unless it may be any, with a
        bit above that says that it is negative."""
        element, format = arithmetic.element, arithmetic.weight
        assert isinstance(element, LMul)
        width, bits = len(fields[0]), fraction_bits(format)
        most, offset = 2 * ((1 << width) - 1), element.offset(format)
        if element.wide:
            total = Signal(range(most + offset + 1), name="field")
            m.d.comb += total.eq(fields[0] + fields[1] + offset)
            return total, 2
        offset -= bias(format) << bits
        # The bias may be any: how long the sum is goes by it, and there is a sign in any case.
        reach = Shape.cast(range(min(offset, -1), most + offset + 1)).width
        wide = Signal(max(width + 2, reach), name="field_sum")
        m.d.comb += wide.eq(fields[0] + fields[1] + offset)
        negative = wide[-1]
        field = Signal(width + 1, name="field")
        m.d.comb += field.eq(Cat(Mux(~negative & wide[width:-1].any(), (1 << width) - 1, wide[:width]), negative))
        return field, 1


register_hardware(LMul, LMulHardware())
