"""Bus beats are put together to words, and words are cut into bus beats."""

from amaranth.hdl import Cat, Const, Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Downsizer", "Upsizer"]


def _beats(word_bits: int, bus_bits: int) -> int:
    for name, bits in (("word_bits", word_bits), ("bus_bits", bus_bits)):
        if not (isinstance(bits, int) and bits >= 1):
            raise ValueError(f"{name} must be 1 or more, not {bits!r}")
    return -(-word_bits // bus_bits)


class Upsizer(wiring.Component):
    """It puts bus beats together to words. The first beat has the lowest bits; bits past the word are ignored.

    One beat a word: combinational, no register, latency 0. More: the word is in a register, latency 1 cycle from its
    last beat. A beat is taken in every cycle in which no finished word is waiting or the waiting one leaves, so a
    consumer that is always ready never stalls the producer. ``i.ready`` follows ``o.ready`` in the same cycle; a
    valid never depends on a ready. Reset drops a word that is not finished.

    Parameters
    ----------
    word_bits, bus_bits: widths, 1 or more
    shift: whether beats move through the word, so that all of its registers have one enable and no reset, as suits
        devices whose cells share them (iCE40); else every beat is kept where it came, which switches less

    Attributes
    ----------
    beats: beats a word
    latency: cycles from the last beat's transfer to the valid word, 0 or 1

    Members
    -------
    i: In(stream.Signature(unsigned(bus_bits)))
    o: Out(stream.Signature(unsigned(word_bits)))
    """

    def __init__(self, word_bits: int, bus_bits: int, shift: bool = False):
        self.beats = _beats(word_bits, bus_bits)
        self.latency = 1 if self.beats > 1 else 0
        self.word_bits = word_bits
        self.bus_bits = bus_bits
        self.shift = shift
        super().__init__(
            {
                "i": In(stream.Signature(unsigned(bus_bits))),
                "o": Out(stream.Signature(unsigned(word_bits))),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        if self.beats == 1:
            m.d.comb += [
                self.o.payload.eq(self.i.payload),
                self.o.valid.eq(self.i.valid),
                self.i.ready.eq(self.o.ready),
            ]
            return m
        beat = Signal(range(self.beats))
        m.d.comb += self.i.ready.eq(~self.o.valid | self.o.ready)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += beat.eq(beat + 1)
            with m.If(beat == self.beats - 1):
                m.d.sync += [beat.eq(0), self.o.valid.eq(1)]
            if not self.shift:
                with m.Switch(beat):
                    for k in range(self.beats):
                        with m.Case(k):
                            m.d.sync += self.o.payload[k * self.bus_bits :][: self.bus_bits].eq(self.i.payload)
        if self.shift:
            word = Signal(self.beats * self.bus_bits, reset_less=True)
            m.d.comb += self.o.payload.eq(word)
            with m.If(self.i.valid & self.i.ready):
                m.d.sync += word.eq(Cat(word[self.bus_bits :], self.i.payload))
        return m


class Downsizer(wiring.Component):
    """It cuts words into bus beats. The first beat has the lowest bits; bits past the word are 0.

    ``last`` is up with the last beat of a word that had it. One beat a word: combinational, no register, latency 0.
    More: the word is taken into a register, latency 1 cycle, and the next one as the last beat leaves, so no cycle
    is lost. ``i.ready`` follows ``o.ready`` in the same cycle; a valid never depends on a ready. Reset drops the beats
    that have not left.

    Parameters
    ----------
    word_bits, bus_bits: widths, 1 or more

    Attributes
    ----------
    beats: beats a word
    latency: cycles from a word's transfer to its first beat, 0 or 1

    Members
    -------
    i: In(stream.Signature(StructLayout({"data": word_bits, "last": 1})))
    o: Out(stream.Signature(StructLayout({"data": bus_bits, "last": 1})))
    """

    def __init__(self, word_bits: int, bus_bits: int):
        self.beats = _beats(word_bits, bus_bits)
        self.latency = 1 if self.beats > 1 else 0
        self.word_bits = word_bits
        self.bus_bits = bus_bits
        super().__init__(
            {
                "i": In(stream.Signature(data.StructLayout({"data": unsigned(word_bits), "last": unsigned(1)}))),
                "o": Out(stream.Signature(data.StructLayout({"data": unsigned(bus_bits), "last": unsigned(1)}))),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        if self.beats == 1:
            m.d.comb += [
                self.o.payload.data.eq(self.i.payload.data),
                self.o.payload.last.eq(self.i.payload.last),
                self.o.valid.eq(self.i.valid),
                self.i.ready.eq(self.o.ready),
            ]
            return m
        word = Signal(self.word_bits, reset_less=True)
        last = Signal(reset_less=True)
        beat = Signal(range(self.beats))
        final = Signal()
        m.d.comb += [
            final.eq(beat == self.beats - 1),
            self.o.payload.data.eq(word[: self.bus_bits]),
            self.o.payload.last.eq(last & final),
            self.i.ready.eq(~self.o.valid | (self.o.ready & final)),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [beat.eq(beat + 1), word.eq(Cat(word[self.bus_bits :], Const(0, self.bus_bits)))]
            with m.If(final):
                m.d.sync += [beat.eq(0), self.o.valid.eq(0)]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [word.eq(self.i.payload.data), last.eq(self.i.payload.last), self.o.valid.eq(1)]
        return m
