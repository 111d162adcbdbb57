"""Mokey's sums: products of powers are not multiplied, but counted by the sums of their exponents."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["IndexCounters"]

INDEX_BITS = 3


class IndexCounters(wiring.Component):
    """Counts for the sum of products of ``s (a**i + b)`` and ``t (a**j + b)``, signs and indices being the codes.

    A product is ``s t (a**(i+j) + b a**i + b a**j + b**2)``: one count for every sum of indices, for every index of
    either factor, and one of all signs. What they are multiplied with at the end of a sum is not in here.

    Parameters
    ----------
    bits: of a count

    Members
    -------
    valid, first: In(1), of the codes, which count from the next cycle on; ``first`` starts anew
    weight, activation: In(4), a sign above an index
    sums, weights, activations: Out, counts by i + j, i and j
    signs: Out, the count of all
    """

    def __init__(self, bits: int):
        self.bits = bits
        size = 1 << INDEX_BITS
        super().__init__(
            {
                **{"valid": In(1), "first": In(1), "weight": In(INDEX_BITS + 1), "activation": In(INDEX_BITS + 1)},
                "sums": Out(signed(bits)).array(2 * size - 1),
                **{name: Out(signed(bits)).array(size) for name in ("weights", "activations")},
                "signs": Out(signed(bits)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        i, j = self.weight[:INDEX_BITS], self.activation[:INDEX_BITS]
        total = Signal(INDEX_BITS + 1, name="index_sum")
        step = Signal(signed(2), name="product_sign")
        m.d.comb += [total.eq(i + j), step.eq(Mux(self.weight[-1] ^ self.activation[-1], -1, 1))]
        counts = [(self.signs, step)]
        for index, group in ((total, self.sums), (i, self.weights), (j, self.activations)):
            counts += [(count, Mux(index == place, step, 0)) for place, count in enumerate(group)]
        with m.If(self.valid):
            for count, change in counts:
                m.d.sync += count.eq(Mux(self.first, 0, count) + change)
        return m
