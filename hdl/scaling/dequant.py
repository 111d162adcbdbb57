"""Block-scaled codes become finished operands: several lanes at a time, with one scale for every block."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ...formats import Format, Requantization, check_format
from .lfsr import random_sources
from .scale_and_round import ScaleAndRound, named
from .stall_pipeline import Stages

__all__ = ["Dequantize", "check_dequantize"]


def check_dequantize(format: Format, how: Requantization, lanes: int, block_size: int) -> None:
    """Raise ValueError where there is no ``Dequantize`` of these parameters."""
    check_format("format", format)
    if how.scale is None:
        raise ValueError("scale must be a format where blocks are dequantized, not None")
    if how.zero_point:
        raise ValueError("zero_point must be False where blocks are dequantized, not True")
    if lanes < 1:
        raise ValueError(f"lanes must be 1 or more, not {lanes!r}")
    if block_size < 1 or block_size % lanes:
        raise ValueError(f"block_size must be a multiple of the {lanes} lanes, not {block_size!r}")
    ScaleAndRound(format, how)


class Dequantize(wiring.Component):
    """It takes codes, ``lanes`` at a time, multiplies each by its block's scale, and rounds it once.

    ``code = round(code * scale * tensor_scale)``, exactly as ``Requantization`` tells; random words go to the lanes in
    their order. Initiation interval 1; ``latency`` cycles from a transfer in to ``o.valid`` where nothing stalls.
    A beat waits for its block's scale, which is taken with the block's last beat. The pipeline stalls as a whole:
    ``i.ready`` and ``scale.ready`` follow ``o.ready`` within a cycle.

    Parameters
    ----------
    format: of the codes that come in
    how: output format, scale formats and policies; without bias and zero point, with a scale
    lanes: codes of one beat, 1 or more
    block_size: codes that share a scale, a multiple of ``lanes``
    dsp: whether multiplications are plain ``*``, of parts that DSP blocks can hold; changes cost and latency, never a
        bit

    Members
    -------
    i: In(stream); fields ``codes``, lane 0 in the lowest bits, and ``last``: the block ends with this beat, be it
        complete or not (as at the end of a row); a complete one ends in any case
    scale: In(stream) of one scale code for every block
    tensor_scale: In(width), where ``how`` has one; a beat takes the one that is there when it is transferred
    o: Out(stream); fields ``codes`` and ``last``, as they came in
    """

    def __init__(self, format: Format, how: Requantization, *, lanes: int = 1, block_size: int = 32, dsp: bool = False):
        check_dequantize(format, how, lanes, block_size)
        assert how.scale is not None
        self.format = format
        self.how = how
        self.lanes = lanes
        self.block_size = block_size
        self.dsp = dsp
        self.scaling = ScaleAndRound(format, how, dsp)
        self.latency = self.scaling.latency
        members = {
            "i": In(stream.Signature(data.StructLayout({"codes": lanes * format.width, "last": 1}))),
            "scale": In(stream.Signature(how.scale.width)),
            "o": Out(stream.Signature(data.StructLayout({"codes": lanes * how.output.width, "last": 1}))),
        }
        if how.tensor_scale is not None:
            members["tensor_scale"] = In(how.tensor_scale.width)
        super().__init__(members)

    def elaborate(self, platform) -> Module:
        m = Module()
        advance = Signal()
        last = Signal()
        m.d.comb += [
            advance.eq(~self.o.valid | self.o.ready),
            self.i.ready.eq(advance & self.scale.valid),
            self.scale.ready.eq(advance & self.i.valid & last),
        ]
        self._count_beats(m, last)

        inputs = {"scale": self.scale.payload}
        if self.how.tensor_scale is not None:
            inputs["tensor_scale"] = self.tensor_scale
        width = self.format.width
        for lane, random in enumerate(random_sources(m, self.how, self.lanes)):
            stages = Stages(m, advance, self.i.valid & self.scale.valid)
            code = {"code": self.i.payload.codes.word_select(lane, width)}
            more = {"last": self.i.payload.last} if lane == 0 else {}
            rounded = self.scaling.build(m, stages, named(code | inputs) | more, random)
            m.d.comb += self.o.payload.codes.word_select(lane, self.how.output.width).eq(rounded.code)
            if lane == 0:
                m.d.comb += [self.o.valid.eq(stages.valid), self.o.payload.last.eq(rounded.carried["last"])]
        return m

    def _count_beats(self, m: Module, last: Signal) -> None:
        """Raise ``last`` at the last beat of a block."""
        beats = self.block_size // self.lanes
        beat = Signal(range(beats))
        m.d.comb += last.eq(self.i.payload.last | (beat == beats - 1))
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += beat.eq(beat + 1)
            with m.If(last):
                m.d.sync += beat.eq(0)
