"""Every block's exact sum is multiplied by both of its scales, and added to the sum of its index."""

from collections.abc import Mapping
from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ...formats import Blocks, FixedPoint, Format
from ..memories import UNRELATED
from ..scaling.scale_and_round import named
from ..scaling.stall_pipeline import Record, Stages, parts
from .block_sum import BlockSum, Keep
from .exact_sum import ExactSum
from .float_sum import FloatSum
from .scaled_sum import ScaledSum, sum_fields

__all__ = ["BlockAccumulate", "block_distance", "block_sum"]


def block_sum(weight: Format, activation: Format, blocks: Blocks, terms: int, *, dsp: bool = False) -> BlockSum[Any]:
    """Choose how sums of up to ``terms`` products are added up by blocks, in the form that ``blocks`` asks for."""
    form = blocks.sum_format(weight, activation, terms)
    product = ScaledSum(weight, activation, blocks, min(blocks.size, terms), isinstance(form, FixedPoint), dsp)
    return ExactSum(product, form) if isinstance(form, FixedPoint) else FloatSum(product)


def block_distance(added: BlockSum[Any], depth: int) -> int:
    """The cycles after which the next block of a sum may follow, where ``depth`` sums are under way."""
    # A memory is addressed a stage before its word is used.
    return added.written - added.used + (1 if depth == 1 else 2)


class _BlockStages(Stages):
    """Stages that remember what entered the last one, and in which of them there is a block whose sum goes on.

    Attributes
    ----------
    entered: what stood before the last stage, by name
    going_on: for every stage, whether a block is in it that is not its sum's last one
    """

    def __init__(self, m: Module, advance: Value, valid: Value):
        super().__init__(m, advance, valid)
        self.entered: dict[str, Any] = {}
        self.going_on: list[Value] = []

    def register(self, record: Record) -> Record:
        self.entered = dict(parts(record))
        behind = super().register(record)
        self.going_on.append(self.valid & ~dict(parts(behind))["last"])
        return behind


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
        are, of a block's exact sum; ``weight_scale``, ``activation_scale`` (codes), and with zero points
        ``weight_zero_point`` and ``row_sum``, the sum of the block's activations; ``first``, the block begins its sum;
        ``last``, it ends it; ``index`` of the sum; ``tag``
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
        stages = _BlockStages(m, advance, self.i.valid)
        inputs = named({name: getattr(self.i.payload, name) for name, _ in self.i.payload.shape()})
        if self.depth == 1:
            del inputs["index"]
        aligned = self._sum.align(m, stages, self._sum.product.build(m, stages, inputs))
        assert stages.latency == self._sum.used
        before, keep = self._store(m, stages)
        total = dict(parts(self._sum.add(m, stages, aligned, before, keep)))
        assert stages.latency == self.latency
        m.d.comb += [
            self.o.valid.eq(stages.valid & total["last"]),
            self.busy.eq(Cat(*stages.going_on[: self.distance - 1]).any()),
        ]
        m.d.comb += [getattr(self.o.payload, name).eq(total[name]) for name, _ in self.o.payload.shape()]
        return m

    def _store(self, m: Module, stages: _BlockStages) -> tuple[Value, Keep]:
        """Make the place where sums are kept.

        The results are the sum of the block that is in the last stage so far, and what replaces it.
        """
        if self.depth == 1:
            kept = Signal(self._sum.width, reset_less=True)

            def keep(carried: Mapping[str, Value], value: Value) -> None:
                with m.If(stages.valid & stages.advance):
                    m.d.sync += kept.eq(value)

            return kept, keep

        m.submodules.sums = memory = Memory(shape=self._sum.width, depth=self.depth, init=[], attrs=UNRELATED)
        read, write = memory.read_port(), memory.write_port()
        m.d.comb += [read.en.eq(stages.advance), read.addr.eq(stages.entered["index"])]

        def keep_word(carried: Mapping[str, Value], value: Value) -> None:
            m.d.comb += [
                write.en.eq(stages.valid & stages.advance),
                write.addr.eq(carried["index"]),
                write.data.eq(value),
            ]

        return read.data, keep_word
