"""The finished sums of a column of elements, chosen row by row, for a fast clock."""

from functools import reduce
from operator import or_

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["ColumnOfSums"]


class ColumnOfSums(wiring.Component):
    """It counts rows by itself, a flip-flop a row, so that no wire from one counter goes to all columns.

    Parameters
    ----------
    rows: of elements
    bits: of a sum and its flags

    Members
    -------
    sums: In(bits).array(rows)
    begin: In(1), the row at hand is the first one from the next cycle on
    step: In(1), it is the one after
    stays: In(1), ``sum`` does not take the row at hand
    sum: Out(bits)
    """

    def __init__(self, rows: int, bits: int):
        self.rows = rows
        self.bits = bits
        super().__init__(
            {
                "sums": In(unsigned(bits)).array(rows),
                **{name: In(1) for name in ("begin", "step", "stays")},
                "sum": Out(unsigned(bits)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        row = Signal(self.rows)
        held = Signal(self.bits, reset_less=True)
        # Written so, each bit of the row has a LUT before it, and no enable, whose wire would be a long one.
        step, begin = self.step.replicate(self.rows), self.begin.replicate(self.rows)
        m.d.sync += row.eq((((row << 1) & step) | (row & ~step)) & ~begin | (begin & 1))
        with m.If(~self.stays):
            m.d.sync += held.eq(reduce(or_, (self.sums[r] & row[r].replicate(self.bits) for r in range(self.rows))))
        m.d.comb += self.sum.eq(held)
        return m
