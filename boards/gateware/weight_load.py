"""The weights of a network come over the link, and are checked before any image is taken."""

import zlib

from amaranth.hdl import Const, Module, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .crc import Crc

__all__ = ["WeightLoad"]

CRC_BYTES = 4


class WeightLoad(wiring.Component):
    """Passes weights on to a network, and says whether all of them came, and are those of its program.

    The first byte after a reset is that of the first weight. When all bytes came, their CRC-32 is compared with that of
    the program's. If it is right, ``loaded`` goes up, and stays through all resets; whatever comes then is taken and
    goes nowhere, so that nobody can change the weights any more. If it is wrong, ``refused`` is up for a cycle, and
    whatever comes is taken and goes nowhere until the next reset.

    It takes a byte every 9 cycles. The verdict comes within 50 cycles of the last one.

    Parameters
    ----------
    content: all bytes

    Members
    -------
    i: In(stream.Signature(8)), the bytes from the host
    o: Out(stream.Signature(8)), the bytes for the network
    loaded: Out(1), says that the network has its weights; its value at power-up is 0, and no reset changes it
    judging: Out(1), is up from the cycle after the last byte until the verdict
    refused: Out(1), is up for a cycle if the weights are others
    """

    def __init__(self, content: bytes):
        if not content:
            raise ValueError("content must be 1 byte or more, not none")
        self.content = content
        super().__init__(
            {
                "i": In(stream.Signature(unsigned(8))),
                "o": Out(stream.Signature(unsigned(8))),
                "loaded": Out(1),
                "judging": Out(1),
                "refused": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.crc_weights = crc = Crc()
        wanted = Const(zlib.crc32(self.content), 8 * CRC_BYTES)
        loaded = Signal(reset_less=True)
        place = Signal(range(max(len(self.content), CRC_BYTES)))
        m.d.comb += [self.loaded.eq(loaded), self.o.payload.eq(self.i.payload), crc.i.payload.eq(self.i.payload)]
        with m.FSM():
            with m.State("BEGIN"):
                m.d.comb += crc.start.eq(1)
                m.next = "LOAD"
                with m.If(loaded):
                    m.next = "IGNORE"
            with m.State("LOAD"):
                m.d.comb += [
                    self.i.ready.eq(self.o.ready & crc.i.ready),
                    self.o.valid.eq(self.i.valid & crc.i.ready),
                    crc.i.valid.eq(self.i.valid & self.o.ready),
                ]
                with m.If(self.i.valid & self.i.ready):
                    m.d.sync += place.eq(place + 1)
                    with m.If(place == len(self.content) - 1):
                        m.d.sync += place.eq(0)
                        m.next = "COMPARE"
            with m.State("COMPARE"):
                # The CRC of the program's weights follows those that came: it is theirs if they are the same.
                m.d.comb += [
                    self.judging.eq(1),
                    crc.i.valid.eq(1),
                    crc.i.payload.eq(wanted.word_select(place[: CRC_BYTES.bit_length() - 1], 8)),
                ]
                with m.If(crc.i.ready):
                    m.d.sync += place.eq(place + 1)
                    with m.If(place == CRC_BYTES - 1):
                        m.next = "JUDGE"
            with m.State("JUDGE"):
                m.d.comb += self.judging.eq(1)
                with m.If(crc.i.ready):
                    m.d.comb += self.refused.eq(~crc.is_right)
                    m.d.sync += loaded.eq(crc.is_right)
                    m.next = "IGNORE"
            with m.State("IGNORE"):
                m.d.comb += self.i.ready.eq(1)
        return m
