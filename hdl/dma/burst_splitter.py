"""Requests for consecutive beats become bursts that AXI allows."""

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus.axi4 import MAX_BEATS, PAGE

__all__ = ["BurstSplitter"]


class BurstSplitter(wiring.Component):
    """It cuts a request into bursts that leave no page of 4 KiB and have no more than 256 beats.

    A burst is behind a register: latency 1 cycle, and one burst a cycle where ``o`` is taken. ``i.ready`` is up with
    the last burst of a request, as that enters the register. Reset drops what has not left.

    Parameters
    ----------
    data_bits: of a beat, a power of two of bytes
    address_bits: of an address in bytes
    most: beats of a request, at most
    tag_bits: of what goes with a request

    Members
    -------
    i: In(stream of address, beats - 1, and tag); addresses are those of whole beats
    o: Out(stream of address, beats - 1, tag, and whether it is the last burst of its request)
    """

    def __init__(self, data_bits: int, address_bits: int, most: int, tag_bits: int):
        self.beat_bytes = data_bits // 8
        self.most = most
        request = {"address": address_bits, "extra": max(1, (most - 1).bit_length()), "tag": tag_bits}
        burst = {"address": address_bits, "extra": 8, "tag": tag_bits, "last": 1}
        super().__init__(
            {
                "i": In(stream.Signature(data.StructLayout({name: unsigned(bits) for name, bits in request.items()}))),
                "o": Out(stream.Signature(data.StructLayout({name: unsigned(bits) for name, bits in burst.items()}))),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        request, burst = self.i.payload, self.o.payload
        low = (self.beat_bytes - 1).bit_length()
        beats_a_page = PAGE // self.beat_bytes
        done = Signal(range(self.most))
        move, ends = Signal(), Signal()
        address, extra, most = Signal.like(request.address), Signal.like(request.extra), Signal(8)
        m.d.comb += [
            move.eq(self.i.valid & (~self.o.valid | self.o.ready)),
            self.i.ready.eq(move & ends),
            address.eq(request.address + (done << low)),
            extra.eq(request.extra - done),
            # One less than the beats to the end of the page, which are as many as the address has zeros.
            most.eq(~address[low : low + min(beats_a_page, MAX_BEATS).bit_length() - 1]),
            ends.eq(extra <= most),
        ]
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(move):
            m.d.sync += [
                self.o.valid.eq(1),
                burst.address.eq(address),
                burst.extra.eq(Mux(ends, extra, most)),
                burst.tag.eq(request.tag),
                burst.last.eq(ends),
                done.eq(Mux(ends, 0, done + most + 1)),
            ]
        return m
