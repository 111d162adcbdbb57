"""The dot product of block-scaled operands: a dot product a block, and the sum over blocks behind it."""

from amaranth.hdl import EnableInserter, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..formats import Blocks, Format
from .block import BlockAccumulate, sum_fields
from .dot import Dot
from .term import Build

__all__ = ["BlockDot"]


class BlockDot(wiring.Component):
    """The sum over blocks of ``block_sum * weight_scale * activation_scale``, ``lanes`` products a cycle.

    What the sum is, exact or in float32, follows from ``blocks``; ``BlockAccumulate`` tells how it is rounded and what
    its flags are. Initiation interval 1 within a block; the next block of the same sum completes ``block_interval``
    cycles after the one before at the earliest, and ``i`` stalls where it came sooner. ``latency`` cycles from a sum's
    last transfer to ``o.valid`` where nothing stalls. All stalls with ``o``: ``i.ready`` follows ``o.ready`` within a
    cycle.

    Parameters
    ----------
    weight_format, activation_format: formats of the operands
    build: how products are built; changes the cost, never a bit
    blocks: size of a block, a multiple of ``lanes``, formats of the scales, and what the sums are kept in
    lanes: products a cycle
    terms: most products in one sum, all blocks together
    pipeline: register stages before a block's sum, 0 to 3

    Members
    -------
    i: In(stream); fields ``weight``, ``activation`` (codes, lane 0 in the lowest bits), ``weight_scale``,
        ``activation_scale`` (codes; those of a block's last beat count), ``last``: the sum ends with this beat, and
        its block, be it complete or not. A lane without operands has codes of zero
    o: Out(stream), a beat for every sum; fields ``accumulator`` and the flags that there are, or ``code``
    """

    def __init__(
        self,
        weight_format: Format,
        activation_format: Format,
        build: Build,
        blocks: Blocks,
        *,
        lanes: int = 1,
        terms: int = 4096,
        pipeline: int = 2,
    ):
        if lanes < 1 or blocks.size % lanes:
            raise ValueError(f"lanes must divide the block size of {blocks.size}, not be {lanes!r}")
        if terms < lanes:
            raise ValueError(f"terms must be at least the {lanes} lanes, not {terms!r}")
        self.weight_format = weight_format
        self.activation_format = activation_format
        self.build = build
        self.blocks = blocks
        self.lanes = lanes
        self.terms = terms
        self.pipeline = pipeline
        self._dot = Dot(
            *(weight_format, activation_format, build), lanes=lanes, terms=min(blocks.size, terms), pipeline=pipeline
        )
        self._add = BlockAccumulate(weight_format, activation_format, blocks, terms=terms, depth=1)
        self.form = self._add.form
        self.latency = pipeline + 1 + self._add.latency
        self.block_interval = max(blocks.size // lanes, self._add.distance)
        operands = {
            "weight": lanes * weight_format.width,
            "activation": lanes * activation_format.width,
            "weight_scale": blocks.weight_scale.width,
            "activation_scale": blocks.activation_scale.width,
        }
        super().__init__(
            {
                "i": In(stream.Signature(data.StructLayout(operands | {"last": 1}))),
                "o": Out(stream.Signature(data.StructLayout(sum_fields(self.form)))),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        dot, add = self._dot, self._add
        move = Signal()
        m.submodules.dot = EnableInserter(move)(dot)
        m.submodules.add = add
        beats = self.blocks.size // self.lanes
        beat = Signal(range(beats))
        first_block = Signal(init=1)
        complete = Signal()
        beat_in = self.i.payload
        m.d.comb += [
            self.i.ready.eq(move),
            complete.eq(beat_in.last | (beat == beats - 1)),
            dot.valid.eq(self.i.valid),
            dot.first.eq(beat == 0),
            dot.weight.eq(beat_in.weight),
            dot.activation.eq(beat_in.activation),
        ]
        with m.If(self.i.valid & move):
            m.d.sync += beat.eq(beat + 1)
            with m.If(complete):
                m.d.sync += [beat.eq(0), first_block.eq(beat_in.last)]

        # What goes with a block's sum, as late as that is.
        valid = self.i.valid & complete
        with_sum = {
            "first": first_block,
            "last": beat_in.last,
            "weight_scale": beat_in.weight_scale,
            "activation_scale": beat_in.activation_scale,
        }
        for k in range(self.pipeline + 1):
            late = Signal(name=f"complete_{k}")
            held = {name: Signal(len(value), name=f"{name}_{k}", reset_less=True) for name, value in with_sum.items()}
            with m.If(move):
                m.d.sync += [late.eq(valid), *(held[name].eq(value) for name, value in with_sum.items())]
            valid, with_sum = late, held
        allowed = with_sum["first"] | ~add.busy
        m.d.comb += [
            add.i.valid.eq(valid & allowed),
            move.eq(~valid | (add.i.ready & allowed)),
            add.i.payload.accumulator.eq(dot.accumulator),
            *(getattr(add.i.payload, name).eq(getattr(dot, name)) for name in dot.special_names),
            *(getattr(add.i.payload, name).eq(value) for name, value in with_sum.items()),
        ]
        wiring.connect(m, add.o, wiring.flipped(self.o))
        return m
