"""The element with a narrow accumulator: products lose their lowest bits, and the sum saturates."""

from amaranth.hdl import Module, Mux, Signal, signed

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
from .processing_element import SummingElement
from .product_lanes import later_cuts

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
        return WindowElement(self, arithmetic, build, accumulator, lanes=lanes, edge=edge)

    def sum_codes(self, m: Module, unit: SumPorts) -> None:
        ElementHardware.sum_codes(self, m, unit)


class WindowElement(SummingElement):
    """``lanes`` products a cycle into one sum that saturates.

    Parameters
    ----------
    accumulator: the sum's form
    lanes: products a cycle

    Members
    -------
    add, start, done: In(1), as in ``SumControl``, at the adder
    sum: Out, the finished sum; holds until the next ``done``
    """

    def elaborate(self, platform) -> Module:
        m = Module()
        pipeline = Pipeline(m, later_cuts(self.build))
        terms = self.terms(m, pipeline, term_shape(self.arithmetic).width)
        word, carry = sum_terms(m, terms, self.arithmetic)
        control = SumControl(self.add, self.start, self.done, early=True)
        accumulate(m, control, word, carry, [], self.sum, {}, saturates=True)
        return m


register_hardware(WindowSum, WindowHardware())
