"""The element with a narrow accumulator: products lose their lowest bits, and the sum saturates."""

from amaranth.hdl import Module, Mux, Shape, Signal, Value, signed

from ...formats import Arithmetic, FixedPoint
from ...formats.elements.window import WindowSum
from ..products.accumulate import saturated
from ..products.build import Build
from ..products.decode import Operand
from ..products.pipeline import Pipeline
from ..products.product_term import Term
from .hardware import register_hardware
from .settling_element import SettlingElement, SettlingHardware

__all__ = ["WindowHardware"]


class WindowHardware(SettlingHardware):
    """Exact products, cut; a tree; an accumulator that saturates."""

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
        return WindowElement(self, arithmetic, build, accumulator, lanes=lanes, edge=edge)


class WindowElement(SettlingElement):
    """``lanes`` products a cycle into one sum that saturates."""

    def settle(self, m: Module, exact: Value, shape: Shape) -> Value:
        return saturated(m, exact, shape)


register_hardware(WindowSum, WindowHardware())
