"""The element whose sum becomes another one by a rule after every word."""

from abc import abstractmethod

from amaranth.hdl import Module, Shape, Value

from ..products.accumulate import SumControl, accumulate
from ..products.adder_tree import sum_terms, term_shape
from ..products.pipeline import Pipeline
from .exact import ExactHardware
from .hardware import ElementHardware, SumPorts
from .processing_element import SummingElement
from .product_lanes import later_cuts

__all__ = ["SettlingElement", "SettlingHardware"]


class SettlingHardware(ExactHardware):
    """Products, a tree, an accumulator whose sum is settled by a rule; a kind overrides ``element``."""

    dataflows = ("output_stationary",)  # type: ignore[assignment]  # a dataflow less
    least_pipeline = 1
    can_shift = False

    def sum_codes(self, m: Module, unit: SumPorts) -> None:
        ElementHardware.sum_codes(self, m, unit)


class SettlingElement(SummingElement):
    """``lanes`` products a cycle into one sum that becomes another by a rule after every word.

    Parameters
    ----------
    accumulator: the sum's form
    lanes: products a cycle

    Members
    -------
    add, start, done: In(1), as in ``SumControl``, at the adder
    sum: Out, the finished sum; holds until the next ``done``
    """

    @abstractmethod
    def settle(self, m: Module, exact: Value, shape: Shape) -> Value:
        """What the exact sum of the running one and a word becomes, in that shape."""

    def elaborate(self, platform) -> Module:
        m = Module()
        pipeline = Pipeline(m, later_cuts(self.build))
        terms = self.terms(m, pipeline, term_shape(self.arithmetic).width)
        word, carry = sum_terms(m, terms, self.arithmetic)
        control = SumControl(self.add, self.start, self.done, early=True)
        accumulate(m, control, word, carry, [], self.sum, {}, settle=self.settle)
        return m
