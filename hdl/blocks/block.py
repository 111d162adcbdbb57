"""Sums over blocks: every block's exact sum, times both of its scales, added to the sum of its index."""

from types import SimpleNamespace

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ...formats import Blocks, Format
from ..scaling.requant import named
from ..scaling.stall_pipeline import Stages
from .block_sum import ExactSum, FloatSum, Keep, block_sum
from .scaled_sum import sum_fields

__all__ = ["BlockAccumulate", "block_distance"]


def block_distance(added: ExactSum | FloatSum, depth: int) -> int:
    """Cycles after which the next block of a sum may follow, where ``depth`` sums are under way."""
    # A memory is addressed a stage before its word is used.
    return added.written - added.used + (1 if depth == 1 else 2)


class _Stages(Stages):
    """Remembers what entered the last stage, and in which stages a block is whose sum goes on."""

    def __init__(self, m: Module, advance: Value, valid: Value):
        super().__init__(m, advance, valid)
        self.entered = SimpleNamespace()
        self.going_on: list[Value] = []

    def register(self, live: SimpleNamespace) -> SimpleNamespace:
        self.entered = live
        live = super().register(live)
        self.going_on.append(self.valid & ~live.last)
        return live


class BlockAccumulate(wiring.Component):
    """``depth`` sums over blocks, each of ``block_sum * weight_scale * activation_scale``: exact, or in float32.

    A float32 sum is rounded once for every block, like a fused multiply-add: ties to even, subnormals kept, overflow to
    infinity, an exact zero positive, every NaN 0x7FC00000. Beside an exact one a sticky flag says what is special, and
    ``accumulator`` reads 0 then.

    Initiation interval 1; ``latency`` cycles from a transfer in to ``o.valid`` where nothing stalls. The pipeline
    stalls as a whole: ``i.ready`` follows ``o.ready`` within a cycle. A block that goes on with a sum must not enter
    before the sum has been written back: it may enter where ``busy`` is low, or else ``distance`` cycles with
    ``i.ready`` after the block before it. A block that begins a sum may enter in any cycle.

    Parameters
    ----------
    weight, activation: formats of the products
    blocks: size of a block, formats of the scales, and what the sums are kept in
    terms: most products in all blocks of one sum together
    depth: sums under way, each with its index
    tag_bits: bits that go with a block from ``i`` to ``o``; 0 for none
    dsp: whether multiplications by scales are plain ``*``, for the synthesizer to put into DSP blocks

    Members
    -------
    i: In(stream); fields ``accumulator`` and those of ``nan``, ``positive_infinity``, ``negative_infinity`` that there
        are, of a block's exact sum; ``weight_scale``, ``activation_scale`` (codes); ``first``, the block begins its
        sum; ``last``, it ends it; ``index`` of the sum; ``tag``
    o: Out(stream), a beat for every block with ``last``; fields ``accumulator`` and the flags that there are, or
        ``code``; ``tag``
    busy: Out(1), a block is under way whose sum goes on and isn't written back
    """

    def __init__(
        self,
        weight: Format,
        activation: Format,
        blocks: Blocks,
        *,
        terms: int,
        depth: int,
        tag_bits: int = 0,
        dsp: bool = False,
    ):
        if not isinstance(blocks, Blocks):
            raise ValueError(f"blocks must be a Blocks, not {blocks!r}")
        for name, value, least in (("terms", terms, 1), ("depth", depth, 1), ("tag_bits", tag_bits, 0)):
            if value < least:
                raise ValueError(f"{name} must be {least} or more, not {value!r}")
        self.weight = weight
        self.activation = activation
        self.blocks = blocks
        self.terms = terms
        self.depth = depth
        self.tag_bits = tag_bits
        self.dsp = dsp
        self.form = form = blocks.sum_format(weight, activation, terms)
        self._sum = block_sum(weight, activation, blocks, terms, dsp=dsp)
        self.latency = self._sum.latency
        self.distance = block_distance(self._sum, depth)
        tag = {"tag": tag_bits} if tag_bits else {}
        control = {"first": 1, "last": 1, "index": max(1, ceil_log2(depth))}
        super().__init__(
            {
                "i": In(stream.Signature(data.StructLayout(self._sum.product.fields | control | tag))),
                "o": Out(stream.Signature(data.StructLayout(sum_fields(form) | tag))),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        advance = Signal()
        m.d.comb += [advance.eq(~self.o.valid | self.o.ready), self.i.ready.eq(advance)]
        stages = _Stages(m, advance, self.i.valid)
        live = SimpleNamespace(**named({name: getattr(self.i.payload, name) for name, _ in self.i.payload.shape()}))
        if self.depth == 1:
            live.index = None
        live = self._sum.product.build(m, stages, live)
        live = self._sum.align(m, stages, live)
        assert stages.latency == self._sum.used
        before, keep = self._store(m, stages)
        live = self._sum.add(m, stages, live, before, keep)
        assert stages.latency == self.latency
        m.d.comb += [
            self.o.valid.eq(stages.valid & live.last),
            self.busy.eq(Cat(*stages.going_on[: self.distance - 1]).any()),
        ]
        m.d.comb += [getattr(self.o.payload, name).eq(getattr(live, name)) for name, _ in self.o.payload.shape()]
        return m

    def _store(self, m: Module, stages: _Stages) -> tuple[Value, Keep]:
        """The kept sum of the block that is in the last stage so far, and how to replace it."""
        if self.depth == 1:
            kept = Signal(self._sum.width, reset_less=True)

            def keep(live: SimpleNamespace, value: Value) -> None:
                with m.If(stages.valid & stages.advance):
                    m.d.sync += kept.eq(value)

            return kept, keep

        m.submodules.sums = memory = Memory(shape=self._sum.width, depth=self.depth, init=[])
        read, write = memory.read_port(), memory.write_port()
        m.d.comb += [read.en.eq(stages.advance), read.addr.eq(stages.entered.index)]

        def keep_word(live: SimpleNamespace, value: Value) -> None:
            m.d.comb += [
                write.en.eq(stages.valid & stages.advance),
                write.addr.eq(live.index),
                write.data.eq(value),
            ]

        return read.data, keep_word
