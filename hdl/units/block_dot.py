"""The dot product of block-scaled operands, which OCP's microscaling formats and NVFP4 are."""

from collections.abc import Mapping

from amaranth.hdl import EnableInserter, Module, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ...formats import Arithmetic, Blocks
from ..blocks.block_accumulate import BlockAccumulate
from ..blocks.scaled_sum import sum_fields
from ..elements.hardware import hardware_of
from ..elements.weight_column import ONE, row_sum_build
from ..products.build import MAX_PIPELINE, Build
from ..products.pipeline import CUTS, Pipeline

__all__ = ["BlockDot", "check_element"]


def check_element(arithmetic: Arithmetic, build: Build, lanes: int) -> None:
    """Raise ValueError where a block's sum cannot be made of such elements."""
    in_step = hardware_of(arithmetic).latency(arithmetic, build, lanes) == build.pipeline + 1
    if not (arithmetic.is_exact and arithmetic.interval == 1 and not arithmetic.recovery and in_step):
        raise ValueError(
            f"element must be exact and take a word in every cycle with block scales, not {str(arithmetic.element)!r}"
        )


class BlockDot(wiring.Component):
    """The sum over blocks of ``block_sum * weight_scale * activation_scale``, ``lanes`` products a cycle.

    Where blocks have zero points, a block's sum is that of ``(weight - weight_zero_point) * activation``.

    What the sum is, exact or in float32, follows from ``blocks``; ``BlockAccumulate`` tells how it is rounded and what
    its flags are. A block ends with every ``blocks.size / lanes``-th beat of a sum, and with the sum.

    Initiation interval 1 as long as every sum is taken and blocks of one sum end ``block_interval`` or more cycles
    apart; where they would end sooner, as short last ones may, ``i`` stalls. ``latency`` cycles from a sum's last
    transfer to ``o.valid`` where nothing stalls. ``i.ready`` follows ``o.ready`` within a cycle.

    Parameters
    ----------
    arithmetic: formats of the operands, and what multiplies them: elements that are exact, take a word in every cycle,
        and have a latency of ``build.pipeline + 1``
    build: how products are built; changes the cost, never a bit. It has 1 to 3 register stages before a block's sum
    blocks: size of a block, a multiple of ``lanes``, formats of the scales, and what the sums are kept in
    lanes: products a cycle
    terms: most products in one sum, all blocks together
    dsp: whether multiplications by scales are plain ``*``, for the synthesizer to put into DSP blocks

    Members
    -------
    i: In(stream); fields ``weight``, ``activation`` (codes, lane 0 in the lowest bits), ``weight_scale``,
        ``activation_scale``, ``weight_zero_point`` where blocks have one (codes; those of a block's last beat count),
        ``last``: the sum ends with this beat. A lane without operands has codes of zero
    o: Out(stream), a beat for every sum; fields ``accumulator`` and the flags that there are, or ``code``
    """

    def __init__(
        self,
        arithmetic: Arithmetic,
        build: Build,
        blocks: Blocks,
        *,
        lanes: int = 1,
        terms: int = 4096,
        dsp: bool = False,
    ):
        if not isinstance(blocks, Blocks):
            raise ValueError(f"blocks must be a Blocks, not {blocks!r}")
        if lanes < 1 or blocks.size % lanes:
            raise ValueError(f"lanes must divide the blocks' {blocks.size} elements, not be {lanes!r}")
        if terms < 1:
            raise ValueError(f"terms must be 1 or more, not {terms!r}")
        if build.pipeline < 1:
            raise ValueError(f"pipeline must be 1 to {MAX_PIPELINE}, not {build.pipeline!r}")
        if build.packing is not None:
            raise ValueError("build must have no packing: registers within a vendor's block would not stall")
        check_element(arithmetic, build, lanes)
        self.arithmetic = arithmetic
        self.build = build
        self.blocks = blocks
        self.lanes = lanes
        self.terms = terms
        self.dsp = dsp
        self.block_sum = arithmetic.accumulator(min(blocks.size, terms))
        formats = arithmetic.weight, arithmetic.activation
        self._add = BlockAccumulate(*formats, blocks, terms=terms, depth=1, dsp=dsp)
        self.form = self._add.form
        self.latency = build.pipeline + 1 + self._add.latency
        self.block_interval = self._add.distance
        self._marks = {"weight_scale": blocks.weight_scale.width, "activation_scale": blocks.activation_scale.width}
        if blocks.zero_points:
            self._marks["weight_zero_point"] = arithmetic.weight.width
        beat = {
            "weight": lanes * arithmetic.weight.width,
            "activation": lanes * arithmetic.activation.width,
            **self._marks,
            "last": 1,
        }
        super().__init__(
            {
                "i": In(stream.Signature(data.StructLayout(beat))),
                "o": Out(stream.Signature(data.StructLayout(sum_fields(self.form)))),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.add = add = self._add
        wiring.connect(m, add.o, wiring.flipped(self.o))
        beats = self.blocks.size // self.lanes
        beat = Signal(range(beats))
        sum_first = Signal(init=1)
        block_first, block_last = Signal(), Signal()
        m.d.comb += [block_first.eq(beat == 0), block_last.eq((beat == beats - 1) | self.i.payload.last)]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += beat.eq(beat + 1)
            with m.If(block_last):
                m.d.sync += [beat.eq(0), sum_first.eq(self.i.payload.last)]

        # All of it stands still where a block would end whose sum has no place yet.
        move, full, taken = Signal(), Signal(), Signal()
        products = Module()
        m.submodules.products = EnableInserter(move)(products)
        done = self._add_products(products, block_first, block_last, sum_first, add.i.payload)
        m.d.comb += [
            add.i.valid.eq(full & (add.i.payload.first | ~add.busy)),
            taken.eq(add.i.valid & add.i.ready),
            move.eq(~(done & full & ~taken)),
            self.i.ready.eq(move),
        ]
        with m.If(taken):
            m.d.sync += full.eq(0)
        with m.If(done & move):
            m.d.sync += full.eq(1)
        return m

    def _add_products(
        self, m: Module, block_first: Signal, block_last: Signal, sum_first: Signal, block: data.View
    ) -> Value:
        """Add up the products of a block, and show their sum in ``block``.

        The result is up for a cycle when a sum is complete. The sum stands in ``block`` from the next cycle on, until
        the result is up again.
        """
        arithmetic, hardware = self.arithmetic, hardware_of(self.arithmetic)
        pipeline = Pipeline(m, self.build.cuts)
        control = hardware.control(m, arithmetic, self.build, self.i.valid, block_first, block_last)
        m.submodules.element = element = hardware.element(arithmetic, self.build, self.block_sum, self.lanes)
        if self.blocks.zero_points:
            self._sum_row(m, control, element, block)
        for name, format, bus in zip(
            ("weight", "activation"),
            (arithmetic.weight, arithmetic.activation),
            hardware.buses(arithmetic, self.build),
            strict=True,
        ):
            codes = getattr(self.i.payload, name)
            word = bus.enter_word(
                m,
                [codes.word_select(lane, format.width) for lane in range(self.lanes)],
                [f"{name}{lane}" for lane in range(self.lanes)],
                [None] * self.lanes,
            )
            m.d.comb += getattr(element, name).eq(pipeline.cross("input", name, word))
        m.d.comb += [getattr(element, name).eq(signal) for name, signal in control.items()]
        m.d.comb += block.accumulator.eq(element.sum)
        m.d.comb += [getattr(block, name).eq(getattr(element, name)) for name in self.block_sum.specials]

        marks = {name: getattr(self.i.payload, name) for name in (*self._marks, "last")}
        for name, mark in {"first": sum_first, **marks}.items():
            for cut in CUTS:
                mark = pipeline.cross(cut, f"block_{name}", mark)
            held = Signal(len(mark), name=f"held_{name}", reset_less=True)
            with m.If(control["done"]):
                m.d.sync += held.eq(mark)
            m.d.comb += getattr(block, name).eq(held)
        return control["done"]

    def _sum_row(self, m: Module, control: Mapping[str, Value], element: wiring.Component, block: data.View) -> None:
        """Sum the activations of a block in step with the products, as products with ones."""
        ones = Arithmetic(ONE, self.arithmetic.activation)
        form = ones.accumulator(min(self.blocks.size, self.terms))
        build = row_sum_build(self.build)
        m.submodules.row_sum = summer = hardware_of(self.arithmetic).element(ones, build, form, self.lanes, self.build)
        m.d.comb += [
            summer.activation.eq(element.activation),
            summer.weight.eq((1 << self.lanes) - 1),
            *(getattr(summer, name).eq(signal) for name, signal in control.items()),
            block.row_sum.eq(summer.sum),
        ]
