"""Exact sums become codes of a narrow format, by a bias, scales, a ReLU, and one rounding."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ...formats import FixedPoint, Format, Requantization
from .lfsr import random_sources
from .scale_and_round import ScaleAndRound, named
from .stall_pipeline import Stages

__all__ = ["Requantize"]


class Requantize(wiring.Component):
    """It takes exact sums, or codes, and gives their codes in another format, each rounded once.

    ``code = round((accumulator + bias) * scale * tensor_scale)``, exactly as ``Requantization`` tells. Initiation
    interval ``interval``, for whose cycles a value stands at ``i`` before it is taken; ``latency`` cycles from that
    transfer in to ``o.valid`` where nothing stalls. The pipeline stalls as a whole: ``i.ready`` follows ``o.ready``
    within a cycle.

    Parameters
    ----------
    source: ``FixedPoint`` of the sums, or the format of the codes
    how: scales, bias, output, and the policies
    tag_bits: bits that go with a value from ``i`` to ``o``; 0 for none
    dsp: whether multiplications are plain ``*``, of parts that DSP blocks can hold; changes cost and latency, never a
        bit
    cycles, fast: see ``ScaleAndRound``; they change cost, latency and interval, never a bit

    Members
    -------
    i: In(stream); fields, those that there are: ``accumulator`` or ``code``; ``nan``, ``positive_infinity``,
        ``negative_infinity``; ``scale``, ``tensor_scale`` (codes); ``bias``; ``zero_point``; ``tag``
    o: Out(stream); fields ``code``, ``tag``
    """

    def __init__(
        self,
        source: FixedPoint | Format,
        how: Requantization,
        *,
        tag_bits: int = 0,
        dsp: bool = False,
        cycles: int = 1,
        fast: bool = False,
    ):
        if tag_bits < 0:
            raise ValueError(f"tag_bits must be 0 or more, not {tag_bits!r}")
        self.source = source
        self.how = how
        self.tag_bits = tag_bits
        self.dsp = dsp
        self.scaling = ScaleAndRound(source, how, dsp, cycles, fast)
        tag = {"tag": tag_bits} if tag_bits else {}
        super().__init__(
            {
                "i": In(stream.Signature(data.StructLayout(self.scaling.fields | tag))),
                "o": Out(stream.Signature(data.StructLayout({"code": how.output.width} | tag))),
            }
        )
        self.latency = self.scaling.latency
        self.interval = self.scaling.interval

    def elaborate(self, platform) -> Module:
        m = Module()
        advance = Signal()
        taken = advance if self.interval == 1 else Signal(name="taken")
        m.d.comb += [advance.eq(~self.o.valid | self.o.ready), self.i.ready.eq(taken)]
        stages = Stages(m, advance, self.i.valid)
        inputs = {name: getattr(self.i.payload, name) for name in self.i.payload.shape().members}
        rounded = self.scaling.build(m, stages, named(inputs), random_sources(m, self.how)[0])
        if self.interval > 1:
            m.d.comb += taken.eq(advance & stages.complete)
        m.d.comb += [self.o.valid.eq(stages.valid), self.o.payload.code.eq(rounded.code)]
        if self.tag_bits:
            m.d.comb += self.o.payload.tag.eq(rounded.carried["tag"])
        return m
