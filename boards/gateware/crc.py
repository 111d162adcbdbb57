"""The frames' CRC-32, a bit a cycle: a serial line leaves the time, and it is a third of what a byte a cycle takes."""

from amaranth.hdl import Cat, Const, Module, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

__all__ = ["Crc"]


class Crc(wiring.Component):
    """CRC-32 of bytes, that of zlib and IEEE 802.3.

    A byte every 9 cycles: ``i.ready`` is low for 8 cycles after one was taken, and then it counts.

    Members
    -------
    start: In(1), begin anew; not within 8 cycles after a byte
    i: In(stream.Signature(8))
    lowest: Out(8), the lowest byte of the CRC of all bytes since ``start``
    is_right: Out(1), the last four bytes were the CRC of those before them
    """

    def __init__(self):
        super().__init__(
            {
                "start": In(1),
                "i": In(stream.Signature(unsigned(8))),
                "lowest": Out(8),
                "is_right": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.bits = bits = CRC32_ISO_HDLC(data_width=1).create()
        # The bits still to come, and above them a 1.
        waiting = Signal(9, init=1)
        m.d.comb += [
            self.i.ready.eq(waiting[1:] == 0),
            bits.start.eq(self.start),
            bits.data.eq(waiting[0]),
            bits.valid.eq(~self.i.ready),
            self.lowest.eq(bits.crc),
            self.is_right.eq(bits.match_detected),
        ]
        with m.If(~self.i.ready):
            m.d.sync += waiting.eq(waiting[1:])
        with m.Elif(self.i.valid):
            m.d.sync += waiting.eq(Cat(self.i.payload, Const(1, 1)))
        return m
