"""Requests for rows become bursts that are written, with the beats that a buffer gives, and answers are waited for."""

from amaranth.hdl import Module, Signal
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from ...formats import Dma
from .burst_splitter import BurstSplitter
from .tile_walk import request_layout
from .write_buffer import beat_layout

__all__ = ["WriteChannel"]

ANSWER_BITS = 8
"""Of the number of bursts that have no answer yet."""


class WriteChannel(wiring.Component):
    """The write half of an AXI4 master. Bursts have one ID, so that they are written in order.

    Latency 1 cycle from a request to ``awvalid``; a burst a cycle, as many as ``dma.outstanding`` ahead of their data,
    and 255 ahead of their answers. Beats follow their address, or come in the same cycle.

    Parameters
    ----------
    dma: widths and bursts under way
    beats: of a request, at most

    Members
    -------
    i: In(stream of ``request_layout``)
    beats: In(stream of ``beat_layout``)
    idle: Out(1), every burst has its answer
    failed: Out(1), there is an answer that is an error
    aw_address, aw_extra, aw_valid: Out; aw_ready: In(1)
    w_data, w_strobes, w_last, w_valid: Out; w_ready: In(1)
    b_error, b_valid: In(1)
    """

    def __init__(self, dma: Dma, beats: int):
        self.dma = dma
        self.most = beats
        super().__init__(
            {
                "i": In(stream.Signature(request_layout(dma.address_bits, beats))),
                "beats": In(stream.Signature(beat_layout(dma.memory_bits))),
                "idle": Out(1),
                "failed": Out(1),
                "aw_address": Out(dma.address_bits),
                "aw_extra": Out(8),
                "aw_valid": Out(1),
                "aw_ready": In(1),
                "w_data": Out(dma.memory_bits),
                "w_strobes": Out(dma.memory_bits // 8),
                "w_last": Out(1),
                "w_valid": Out(1),
                "w_ready": In(1),
                "b_error": In(1),
                "b_valid": In(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        dma = self.dma
        m.submodules.split = split = BurstSplitter(dma.memory_bits, dma.address_bits, self.most, 0)
        m.submodules.lengths = lengths = fifo.SyncFIFOBuffered(width=8, depth=dma.outstanding)
        burst = split.o.payload
        noted, room, asked = Signal(), Signal(), Signal()
        waiting = Signal(ANSWER_BITS)
        m.d.comb += [
            split.i.payload.address.eq(self.i.payload.address),
            split.i.payload.extra.eq(self.i.payload.extra),
            split.i.valid.eq(self.i.valid),
            self.i.ready.eq(split.i.ready),
            self.aw_address.eq(burst.address),
            self.aw_extra.eq(burst.extra),
            # A burst is noted in the cycle in which it is first offered, and offered until it is taken.
            room.eq(noted | (lengths.w_rdy & ~waiting.all())),
            asked.eq(split.o.valid & room),
            lengths.w_data.eq(burst.extra),
            lengths.w_en.eq(asked & ~noted),
            self.aw_valid.eq(asked),
            split.o.ready.eq(self.aw_ready & room),
        ]
        m.d.sync += noted.eq(asked & ~self.aw_ready)
        m.d.sync += waiting.eq(waiting + lengths.w_en - self.b_valid)

        beat = Signal(8)
        m.d.comb += [
            self.w_valid.eq(self.beats.valid & lengths.r_rdy),
            self.beats.ready.eq(self.w_ready & lengths.r_rdy),
            self.w_data.eq(self.beats.payload.data),
            self.w_strobes.eq(self.beats.payload.strobes),
            self.w_last.eq(beat == lengths.r_data),
            lengths.r_en.eq(self.w_valid & self.w_ready & self.w_last),
            self.idle.eq((waiting == 0) & ~split.o.valid),
            self.failed.eq(self.b_valid & self.b_error),
        ]
        with m.If(self.w_valid & self.w_ready):
            m.d.sync += beat.eq(beat + 1)
            with m.If(self.w_last):
                m.d.sync += beat.eq(0)
        return m
