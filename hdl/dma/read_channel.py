"""Requests for rows become bursts that are read, and what comes back goes to the buffer that it is for."""

from amaranth.hdl import Cat, Const, Module, Signal, unsigned
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from ...formats import Dma
from .burst_splitter import BurstSplitter

__all__ = ["ReadChannel"]


class ReadChannel(wiring.Component):
    """The read half of an AXI4 master. Bursts have one ID, so that what they ask for comes back in order.

    Latency 1 cycle from a request to ``arvalid``; a burst a cycle, with as many under way as ``dma.outstanding``.
    Beats are never refused: whoever asks has room for them.

    Parameters
    ----------
    dma: widths and bursts under way
    beats: of a request, at most
    targets: buffers that there are

    Members
    -------
    i: In(stream of address, beats - 1, tile_last, and the target's number)
    beat, write, row_last, tile_last: Out, a beat; that there is one for each target; whether it is the last of its
        request, or of the last request of its tile
    failed: Out(1), there is a beat whose response is an error
    ar_address, ar_extra, ar_valid: Out; ar_ready: In(1)
    r_data, r_error, r_valid: In; r_ready: Out(1)
    """

    def __init__(self, dma: Dma, beats: int, targets: int):
        self.dma = dma
        self.beats = beats
        self.targets = targets
        self.target_bits = max(1, (targets - 1).bit_length())
        extra = max(1, (beats - 1).bit_length())
        request = {"address": dma.address_bits, "extra": extra, "tile_last": 1, "target": self.target_bits}
        super().__init__(
            {
                "i": In(stream.Signature(data.StructLayout({name: unsigned(bits) for name, bits in request.items()}))),
                "beat": Out(dma.memory_bits),
                "write": Out(targets),
                "row_last": Out(1),
                "tile_last": Out(1),
                "failed": Out(1),
                "ar_address": Out(dma.address_bits),
                "ar_extra": Out(8),
                "ar_valid": Out(1),
                "ar_ready": In(1),
                "r_data": In(dma.memory_bits),
                "r_error": In(1),
                "r_valid": In(1),
                "r_ready": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        dma = self.dma
        tag_bits = 1 + self.target_bits
        m.submodules.split = split = BurstSplitter(dma.memory_bits, dma.address_bits, self.beats, tag_bits)
        # What is under way: beats less one, whether a row ends with them, and the tag of the row.
        m.submodules.underway = underway = fifo.SyncFIFOBuffered(width=9 + tag_bits, depth=dma.outstanding)
        burst = split.o.payload
        asked = Signal()
        m.d.comb += [
            split.i.payload.address.eq(self.i.payload.address),
            split.i.payload.extra.eq(self.i.payload.extra),
            split.i.payload.tag.eq(Cat(self.i.payload.tile_last, self.i.payload.target)),
            split.i.valid.eq(self.i.valid),
            self.i.ready.eq(split.i.ready),
            self.ar_address.eq(burst.address),
            self.ar_extra.eq(burst.extra),
            underway.w_data.eq(Cat(burst.extra, burst.last, burst.tag)),
        ]
        # A burst is noted in the cycle in which it is first offered, and offered until it is taken.
        noted = Signal()
        m.d.comb += [
            underway.w_en.eq(split.o.valid & ~noted),
            asked.eq(split.o.valid & (noted | underway.w_rdy)),
            self.ar_valid.eq(asked),
            split.o.ready.eq(self.ar_ready & (noted | underway.w_rdy)),
        ]
        m.d.sync += noted.eq(asked & ~self.ar_ready)

        extra, ends_row, tag = underway.r_data[:8], underway.r_data[8], underway.r_data[9:]
        beat = Signal(8)
        taken, last = Signal(), Signal()
        m.d.comb += [
            self.r_ready.eq(underway.r_rdy),
            taken.eq(self.r_valid & self.r_ready),
            last.eq(beat == extra),
            underway.r_en.eq(taken & last),
            self.beat.eq(self.r_data),
            self.write.eq(Const(1, 1) << tag[1:] if self.targets > 1 else 1),
            self.row_last.eq(last & ends_row),
            self.tile_last.eq(last & ends_row & tag[0]),
            self.failed.eq(taken & self.r_error),
        ]
        with m.If(~taken):
            m.d.comb += self.write.eq(0)
        with m.Else():
            m.d.sync += beat.eq(beat + 1)
            with m.If(last):
                m.d.sync += beat.eq(0)
        return m
