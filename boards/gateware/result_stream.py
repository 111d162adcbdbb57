"""The results of a product, or the answer to an image, wait here until they are sent to the host."""

from amaranth.hdl import Module, Signal, Value, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["RESULT_BYTES", "Results"]

RESULT_BYTES = 512
"""Most bytes of C that can wait for the line: they fill one block RAM."""


class Results(wiring.Component):
    """Keeps the bytes of C, or of an answer, until they are sent, and counts the cycles of the product.

    It takes a byte every 2 cycles. After the last byte of a product it takes none until all bytes have been given out
    and ``done`` was up. So bytes of two products are never here at the same time. Reset forgets everything.

    Parameters
    ----------
    counts: whether it counts the cycles; without that it is told

    Members
    -------
    start: In(1), if it counts, says that a product begins; it must not be up while a product is at hand
    counted: In(32), if it does not count, the number of cycles, which holds still from the transfer of a last byte on
        until ``at_hand`` is down
    i: In(stream.Signature(data, last)), the bytes of C
    byte: Out(8), the next byte to give out; it is valid from the third cycle after it became the next
    give: In(1), says that ``byte`` is given out; it must be up only while ``count`` is not 0
    count: Out(10), the number of bytes that have not been given out yet, up to 512
    ended: Out(1), says that the last byte of the product has come
    done: In(1), clears ``ended``
    at_hand: Out(1), is up from the cycle after ``start``, or if it does not count from the cycle after a last byte,
        until that was taken and ``cycles`` has been updated
    cycles: Out(8), a byte of the number of cycles that the last complete product took, from ``start`` to its last byte,
        modulo 2**32; the lowest byte comes first
    turn: In(1), makes ``cycles`` show the next byte; the lowest byte follows the highest
    telling: In(1), keeps ``cycles`` from being updated
    """

    def __init__(self, counts: bool = True):
        self.counts = counts
        super().__init__(
            {
                **({"start": In(1)} if counts else {"counted": In(32)}),
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
            # The memory is never read and written at once: see top.relax_memories.
            read.en.eq(~write.en),
            self.byte.eq(read.data),
        ]
        # This is counted, and not the difference of two pointers: much logic of the same cycle depends on it.
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
        """Count the cycles of the product up to its last byte. The count waits until ``cycles`` may be updated."""
        counted, kept = Signal(32) if self.counts else self.counted, Signal(32)
        is_counting, is_over = Signal(), Signal()
        m.d.comb += [self.at_hand.eq(is_counting | is_over), self.cycles.eq(kept)]
        if self.counts:
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
