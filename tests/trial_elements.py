"""Two kinds of element that are not fewbit's own, made and registered as anybody may."""

from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Cat, Module, Mux, Shape, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from fewbit.formats import Element, register_element
from fewbit.hdl import ElementHardware, ExactHardware, register_hardware
from fewbit.hdl.products.accumulate import SumControl, accumulate
from fewbit.hdl.products.operand_bus import OperandBus
from fewbit.hdl.products.product_term import Term
from fewbit.hdl.products.significand_product import truth_table
from fewbit.sim import RuledModel, register_model


@register_element
@dataclass(frozen=True)
class Halves(Element):
    """Exact, in two cycles a product: by the low half of the weight's digits, then by the high half."""

    name = "halves"

    @property
    def interval(self):
        return 2

    def check(self, weight, activation):
        for format in (weight, activation):
            if not format.finite or format.width > 8:
                raise ValueError(f"formats must be finite and of at most 8 bits for halves, not {format}")


class IntegerBus(OperandBus):
    """Operands as the integers that they are, in two's complement."""

    def __init__(self, format):
        self.format = format
        most = max(integer if integer >= 0 else -integer - 1 for integer in format.integers)
        self.bits = max(2, most.bit_length() + 1)

    @property
    def shape(self):
        return signed(self.bits)

    def enter(self, m, code, name, keep=None):
        if keep is not None:
            code = Mux(keep, code, self.format.filler)
        return truth_table(code, self.format.integer, self.bits)


class HalvesElement(wiring.Component):
    def __init__(self, buses, accumulator, lanes):
        self.buses, self.lanes = buses, lanes
        super().__init__(
            {
                **{
                    name: In(lanes * bus.shape.width) for name, bus in zip(("weight", "activation"), buses, strict=True)
                },
                **{name: In(1) for name in ("add", "start", "done", "high")},
                "sum": Out(Shape(accumulator.width, accumulator.signed)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        w, a = (bus.shape.width for bus in self.buses)
        half = w // 2
        products = []
        for lane in range(self.lanes):
            weight, activation = self.weight.word_select(lane, w), self.activation.word_select(lane, a).as_signed()
            digits = Signal(signed(w - half + 1), name=f"digits{lane}")
            m.d.comb += digits.eq(Mux(self.high, weight[half:].as_signed(), weight[:half]))
            products.append(digits * activation)
        total = sum(products[1:], products[0])
        addend = Mux(self.high, total << half, total)
        accumulate(m, SumControl(self.add, self.start, self.done, early=True), addend, None, [], self.sum, {})
        return m


class HalvesHardware(ElementHardware):
    def buses(self, arithmetic, build):
        return IntegerBus(arithmetic.weight), IntegerBus(arithmetic.activation)

    def latency(self, arithmetic, build, lanes):
        return 3  # the edge, and an addition for each half

    def control(self, m, arithmetic, build, valid, first, last):
        low, high = Signal(name="low"), Signal(name="high")
        m.d.sync += [low.eq(valid), high.eq(low)]
        done = high
        if last is not None:
            late = Signal(2, name="last_late")
            m.d.sync += late.eq(Cat(last, late[0]))
            done = high & late[1]
        return {"add": low | high, "start": valid & first, "done": done, "high": high}

    def element(self, arithmetic, build, accumulator, lanes, edge=None):
        return HalvesElement(self.buses(arithmetic, build), accumulator, lanes)


register_hardware(Halves, HalvesHardware())


@register_element
@dataclass(frozen=True)
class Truncated(Element):
    """Products without their lowest digits: rounded toward zero, one a cycle."""

    name = "truncated"
    rule = "truncated"

    drop: int = 2

    def product_range(self, weight, activation):
        return tuple(truncated(product, self.drop) for product in super().product_range(weight, activation))

    def lsb_exponent(self, weight, activation):
        return super().lsb_exponent(weight, activation) + self.drop


def truncated(product, drop):
    return product >> drop if product >= 0 else -(-product >> drop)


class TruncatedHardware(ExactHardware):
    def term(self, m, pipeline, arithmetic, build, weight, activation, width, apart=False):
        drop = arithmetic.element.drop
        exact = super().term(m, pipeline, arithmetic, build, weight, activation, width + drop, apart)
        product = Signal(signed(width + drop + 1), name="product_exact")
        is_signed = arithmetic.product_range[0] < 0
        value = exact.addend.as_signed() if is_signed else exact.addend
        m.d.comb += product.eq(value if exact.carry is None else value + exact.carry)
        shorter = (Mux(product < 0, product + (1 << drop) - 1, product) >> drop)[:width]
        return Term(shorter.as_signed() if is_signed else shorter, None, exact.specials)


register_hardware(Truncated, TruncatedHardware())
register_model(
    Truncated.rule,
    RuledModel(lambda products, arithmetic: np.sign(products) * (np.abs(products) >> arithmetic.element.drop)),
)
