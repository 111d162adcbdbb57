"""The element of output-stationary arrays on families that share cells: its finished sum shifts on its way out."""

from amaranth.hdl import Module
from amaranth.lib.wiring import In, Out

from ...formats import FixedPoint
from ..products.accumulate import ShiftedSum, SumControl, accumulate_to_shift
from .lane_sum import sum_word
from .processing_element import SummingElement

__all__ = ["ShiftingElement"]


class ShiftingElement(SummingElement):
    """A ``ProcessingElement`` whose finished sum is a part of a shift register: see ``accumulate_to_shift``.

    The sum is ``sum + carry``, and stands a cycle later.

    Parameters
    ----------
    accumulator: the sum's form
    lanes: products a cycle

    Members
    -------
    add, start, done: In(1), ``start`` with the first terms at the adder, ``done`` in the cycle after the last ones
    shift: In(1), take what is in ``following`` in the place of the sum
    following: In, the sum, the flags and the carry of another such element
    sum, carry: Out, the finished sum; both hold until the next ``done`` or ``shift``
    nan, positive_infinity, negative_infinity: Out(1), those that can occur
    """

    def _more(self, accumulator: FixedPoint) -> dict:
        return {
            "shift": In(1),
            "following": In(accumulator.width + len(accumulator.specials) + 1),
            "carry": Out(1),
        }

    def elaborate(self, platform) -> Module:
        m = Module()
        pipeline, terms, flags = self._words(m)
        control = SumControl(self.add, self.start, self.done, early=False)
        finished = ShiftedSum(self.sum, self.carry, flags, self.shift, self.following)
        specials = [term.specials for term in terms]
        word = sum_word(m, pipeline, self.build, self.arithmetic, terms)
        accumulate_to_shift(m, control, *word, specials, finished)
        return m
