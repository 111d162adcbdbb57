"""The CRC-32 of frames, computed one bit a cycle.

A serial line is slow enough for that, and it takes a third of the logic of a CRC that takes a byte a cycle.
"""

from amaranth.hdl import Cat, Const, Module, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

__all__ = ["Crc"]


class Crc(wiring.Component):
    """Computes the CRC-32 of bytes, as zlib and IEEE 802.3 define it.

    It takes a byte every 9 cycles: ``i.ready`` is low for 8 cycles after a byte was taken. When it is up again, the
    outputs include that byte.

    Members
    -------
    start: In(1), begins a new CRC; it must not be up within 8 cycles after a byte
    i: In(stream.Signature(8)), the bytes
    lowest: Out(8), the lowest byte of the CRC of all bytes since ``start``
    is_right: Out(1), says that the last four bytes were the CRC of those before them
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
        # This holds the bits still to come, and a 1 above them that marks their end.
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
