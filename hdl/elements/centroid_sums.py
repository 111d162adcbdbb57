"""GOBO's sums: activations are added by the index of their weight, and nothing is multiplied before the end."""

from amaranth.hdl import Cat, Module, Mux, Shape, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

__all__ = ["CentroidSums"]


class CentroidSums(wiring.Component):
    """Sums of activations, one for each index of a weight, in LUT RAM; one activation is added a cycle.

    A sum of products ``mean[index] * activation`` is that of ``mean[i]`` times the i-th of these sums. This last
    product, once for each index and sum of products, is not in here. Sums are exact as long as they fit their bits, and
    are 0 at first.

    Parameters
    ----------
    index_bits: of an index
    activation: the shape of an activation
    bits: of a sum, two's complement

    Members
    -------
    add: In(1), the activation is added to the sum of its index
    read: In(1), the sum of that index is read, and is 0 from the next cycle on; not together with ``add``
    index, activation: In
    sum: Out, the sum of the index, in the same cycle
    """

    def __init__(self, index_bits: int, activation: Shape, bits: int):
        self.bits = bits
        self.index_bits = index_bits
        super().__init__(
            {
                **{"add": In(1), "read": In(1), "index": In(index_bits), "activation": In(activation)},
                "sum": Out(signed(bits)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.sums = memory = Memory(shape=signed(self.bits), depth=1 << self.index_bits, init=[])
        into, out = memory.write_port(), memory.read_port(domain="comb")
        # The same adder clears a sum: it adds its complement, and 1, which is carried in by a bit below all others.
        addend = Signal(signed(self.bits), name="addend")
        total = Signal(signed(self.bits + 1), name="total")
        m.d.comb += [
            out.addr.eq(self.index),
            self.sum.eq(out.data),
            addend.eq(Mux(self.read, ~out.data, self.activation)),
            into.addr.eq(self.index),
            total.eq(Cat(1, out.data).as_signed() + Cat(self.read, addend).as_signed()),
            into.data.eq(total[1:]),
            into.en.eq(self.add | self.read),
        ]
        return m
