"""The element with a narrow accumulator: products lose their lowest bits, and the sum saturates."""

from amaranth.hdl import Module, Mux, Shape, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...formats import Arithmetic, FixedPoint
from ...formats.elements.window import WindowSum
from ..products.accumulate import SumControl, accumulate
from ..products.adder_tree import sum_terms, term_shape
from ..products.build import Build
from ..products.decode import Operand
from ..products.pipeline import Pipeline
from ..products.product_term import Term
from .exact import ExactHardware
from .hardware import ElementHardware, SumPorts, register_hardware

__all__ = ["WindowHardware"]


class WindowHardware(ExactHardware):
    """Exact products, cut; a tree; an accumulator that saturates."""

    dataflows = ("output_stationary",)  # type: ignore[assignment]  # a dataflow less
    least_pipeline = 1
    can_shift = False

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
        element = arithmetic.element
        assert isinstance(element, WindowSum)
        drop = element.drop
        exact = super().term(m, pipeline, arithmetic, build, weight, activation, width + drop, apart)
        if drop == 0:
            return exact
        twos_complement = any(operand.significand.shape().signed for operand in (weight, activation))
        if not twos_complement:
            # A magnitude, complemented where its sign is the carry: what is left of it is cut, too.
            return Term(exact.addend[drop:], exact.carry, exact.specials)
        product = Signal(signed(width + drop), name="product_exact")
        m.d.comb += product.eq(exact.addend if exact.carry is None else exact.addend + exact.carry)
        return Term(Mux(product < 0, product + (1 << drop) - 1, product)[drop : width + drop], None, exact.specials)

    def element(
        self, arithmetic: Arithmetic, build: Build, accumulator: FixedPoint, lanes: int, edge: Build | None = None
    ) -> "WindowElement":
        return WindowElement(self, arithmetic, build, accumulator, lanes, edge)

    def sum_codes(self, m: Module, unit: SumPorts) -> None:
        ElementHardware.sum_codes(self, m, unit)


class WindowElement(wiring.Component):
    """``lanes`` products a cycle into one sum that saturates.

    Parameters
    ----------
    hardware: what makes a product
    arithmetic: formats of the operands, and the element
    build: how products are built; the first of its register stages is at the array's edge
    accumulator: the sum's form
    lanes: products a cycle
    edge: the build that the array's edge decodes for, where that is another

    Members
    -------
    weight, activation: In(lanes operands), as the buses make them
    add, start, done: In(1), as in ``SumControl``, at the adder
    sum: Out, the finished sum; holds until the next ``done``
    """

    def __init__(
        self,
        hardware: WindowHardware,
        arithmetic: Arithmetic,
        build: Build,
        accumulator: FixedPoint,
        lanes: int,
        edge: Build | None = None,
    ):
        self.hardware = hardware
        self.arithmetic = arithmetic
        self.build = build
        self.lanes = lanes
        self.buses = hardware.buses(arithmetic, edge or build)
        super().__init__(
            {
                "weight": In(self.buses[0].word_bits(lanes)),
                "activation": In(self.buses[1].word_bits(lanes)),
                **{name: In(1) for name in ("add", "start", "done")},
                "sum": Out(Shape(accumulator.width, accumulator.signed)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        pipeline = Pipeline(m, self.build.cuts[1:])
        operands = (
            (self._operand(m, "weight", lane), self._operand(m, "activation", lane)) for lane in range(self.lanes)
        )
        shape = term_shape(self.arithmetic)
        terms = self.hardware.terms(m, pipeline, self.arithmetic, self.build, operands, self.lanes, shape.width)
        word, carry = sum_terms(m, terms, self.arithmetic)
        value: Value = word.as_signed() if shape.signed else word
        control = SumControl(self.add, self.start, self.done, early=True)
        accumulate(m, control, value, carry, [], self.sum, {}, saturates=True)
        return m

    def _operand(self, m: Module, name: str, lane: int) -> Operand:
        edge = self.buses[name == "activation"]
        return edge.leave(m, getattr(self, name).word_select(lane, edge.shape.width), name)


register_hardware(WindowSum, WindowHardware())
