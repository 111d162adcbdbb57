"""What a product gives, on its way to the host."""

from amaranth.hdl import Module, Signal, Value, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["RESULT_BYTES", "Results"]

RESULT_BYTES = 512
"""Of C that wait for the line at most: one block RAM."""


class Results(wiring.Component):
    """The bytes of C until they are sent, and how long the product took.

    A byte every 2 cycles. After a product's last one none is taken until all were given out and ``done`` was up: bytes
    of two products never meet here. Reset forgets everything.

    Members
    -------
    start: In(1), a product begins; not while one is at hand
    i: In(stream.Signature(data, last)), the bytes of C
    byte: Out(8), the first one that is not given out yet, from the third cycle after it became that
    give: In(1), it is given out; only while there is one
    count: Out(10), bytes that are not given out yet, up to 512
    ended: Out(1), the product's last byte is among them, or was
    done: In(1), forget that it ended
    at_hand: Out(1), from the cycle after ``start`` until the last byte was taken and its cycles are in place
    cycles: Out(8), the lowest byte of what the last complete product took from ``start`` to its last byte, modulo 2**32
    turn: In(1), go on to the next byte of ``cycles``; after the highest it is the lowest again
    telling: In(1), leave ``cycles`` as they are
    """

    def __init__(self):
        super().__init__(
            {
                "start": In(1),
                "i": In(stream.Signature(data.StructLayout({"data": unsigned(8), "last": unsigned(1)}))),
                "byte": Out(8),
                "give": In(1),
                "count": Out(range(RESULT_BYTES + 1)),
                "ended": Out(1),
                "done": In(1),
                "at_hand": Out(1),
                "cycles": Out(8),
                "turn": In(1),
                "telling": In(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.bytes = store = memory.Memory(shape=unsigned(8), depth=RESULT_BYTES, init=[])
        write = store.write_port()
        read = store.read_port()
        written, given = Signal(range(RESULT_BYTES)), Signal(range(RESULT_BYTES))
        rests = Signal()
        m.d.comb += [
            self.i.ready.eq(~self.ended & (self.count != RESULT_BYTES) & ~rests),
            write.addr.eq(written),
            write.data.eq(self.i.payload.data),
            write.en.eq(self.i.valid & self.i.ready),
            read.addr.eq(given),
            # Never both at once: see top.relax_memories.
            read.en.eq(~write.en),
            self.byte.eq(read.data),
        ]
        # Counted and not subtracted: much that is to be known in a cycle hangs on it.
        m.d.sync += [rests.eq(write.en), self.count.eq(self.count + write.en - self.give)]
        with m.If(self.give):
            m.d.sync += given.eq(given + 1)
        with m.If(self.done):
            m.d.sync += self.ended.eq(0)
        with m.If(write.en):
            m.d.sync += written.eq(written + 1)
            with m.If(self.i.payload.last):
                m.d.sync += self.ended.eq(1)
        self._count(m, write.en & self.i.payload.last)
        return m

    def _count(self, m: Module, last: Value) -> None:
        """The cycles of the product, which end with its last byte, and wait until they may be told."""
        counted, kept = Signal(32), Signal(32)
        is_counting, is_over = Signal(), Signal()
        m.d.comb += [self.at_hand.eq(is_counting | is_over), self.cycles.eq(kept)]
        with m.If(is_counting):
            m.d.sync += counted.eq(counted + 1)
        with m.If(self.start):
            m.d.sync += [is_counting.eq(1), counted.eq(0)]
        with m.If(last):
            m.d.sync += [is_counting.eq(0), is_over.eq(1)]
        with m.If(self.turn):
            m.d.sync += kept.eq(kept.rotate_right(8))
        with m.Elif(is_over & ~self.telling):
            m.d.sync += [kept.eq(counted), is_over.eq(0)]
