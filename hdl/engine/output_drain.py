"""Finished sums are drained row by row, some columns at a time: blocks are added up, and all is requantized."""

from dataclasses import dataclass, replace

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream

from ...formats import Engine, Integer
from ..blocks.block_accumulate import BlockAccumulate
from ..products.build import Build
from ..scaling.requant import Requantize
from ..scaling.stall_pipeline import Record, parts, with_parts
from .handover import Handover
from .loops import no_more
from .output_stationary import sum_layout
from .panel_loader import PanelLoader

__all__ = ["TAKE", "block_depth", "drain_sums"]

TAKE = 2
"""Cycles from the last word of a sum to the first of its outputs that is taken, beside the array's latency."""


@dataclass(frozen=True)
class _BlockPlace:
    """It says which block the sums of a chunk are those of.

    Members
    -------
    index: of the sums over blocks that they are added to
    first_block, last_block: whether it is the first block of k, or the last one
    row_scale: the scale of the row's activations
    column_scales: those of the weights, first of all columns and then of the chunk, with their zero points if there are
        any
    """

    index: Value
    first_block: Value
    last_block: Value
    row_scale: Value
    column_scales: Value


@dataclass(frozen=True)
class _Place:
    """A chunk of a row: as many of its sums as there are outputs in a beat.

    Members
    -------
    mask: which of them lie within C
    last: whether they are the last of the product
    chunk: which of the row's chunks they are
    block: None without block scales
    """

    mask: Value
    last: Value
    chunk: Value
    block: _BlockPlace | None


@dataclass(frozen=True)
class _Chunk:
    """The sums of a chunk, and what comes with them.

    Members
    -------
    channel: the parameters of their columns, where there are any
    offset: what the weights' zero point has added to every sum, where there is one
    row_sum: of the activations of the block, where blocks have zero points
    """

    place: _Place
    sums: Value
    channel: Value | None
    offset: Value | None
    row_sum: Value | None


def block_depth(engine: Engine) -> int:
    """How many sums over blocks are under way at a time, for every output of a beat."""
    return engine.rows * (engine.columns // engine.outputs)


def drain_sums(
    m: Module,
    engine: Engine,
    build: Build,
    cycles: int,
    config: dict[str, Signal],
    loaders: dict[str, PanelLoader],
    handover: Handover,
    outputs: stream.Interface,
) -> None:
    """Take the finished sums row by row and ``engine.outputs`` columns at a time, and give their codes to ``outputs``.

    Three stages move in step: the place of a chunk, its row's sums, and the sums chosen from those. With
    ``build.dsp``, multiplications by scales are plain ``*``; an output may take so many ``cycles``.
    """
    chunks = engine.columns // engine.outputs
    advance = Signal()
    draining = Signal()
    present = Signal()
    row_last = Signal()
    chunk_last = Signal()
    chunk = Signal(range(chunks))
    columns_left = Signal.like(handover.columns)
    blocks_at_rest = Signal(init=1)
    m.d.comb += [present.eq(draining & blocks_at_rest), handover.take.eq(advance & present)]
    if not build.short_paths:
        m.d.comb += row_last.eq(handover.row + 1 == handover.rows)
        m.d.comb += chunk_last.eq(no_more(columns_left, engine.outputs))
    if build.short_paths:
        m.d.comb += [handover.ends.eq(handover.take & row_last & chunk_last), handover.row_ends.eq(chunk_last)]
    if handover.shifts:
        m.d.comb += [handover.row_begins.eq(chunk == 0), handover.row_ends.eq(chunk_last)]
    if "p" in loaders:
        loader, half = loaders["p"], handover.half["p"]
        m.d.comb += present.eq(draining & blocks_at_rest & loader.full.bit_select(half, 1))
        m.d.comb += [loader.enable.eq(handover.take), loader.offset.eq(chunk), loader.which_half.eq(half)]
    with m.If(handover.take):
        m.d.sync += [chunk.eq(chunk + 1), columns_left.eq(columns_left - engine.outputs)]
        if build.short_paths:
            m.d.sync += chunk_last.eq(no_more(columns_left, 2 * engine.outputs))
        with m.If(chunk_last):
            m.d.sync += [chunk.eq(0), columns_left.eq(handover.columns), handover.row.eq(handover.row + 1)]
            if build.short_paths:
                m.d.sync += chunk_last.eq(no_more(handover.columns, engine.outputs))
                m.d.sync += row_last.eq(handover.row + 2 == handover.rows)
            with m.If(row_last):
                m.d.sync += [draining.eq(0), handover.pending.eq(0)]
                if "p" in loaders:
                    with m.If(handover.ends_columns):
                        handover.leave_half(m, loaders["p"], "p")
                        m.d.sync += handover.half["p"].eq(~handover.half["p"])
    with m.If(handover.go):
        m.d.sync += [draining.eq(1), handover.row.eq(0), chunk.eq(0), columns_left.eq(handover.columns)]
        if build.short_paths:
            m.d.sync += chunk_last.eq(no_more(handover.columns, engine.outputs))
            m.d.sync += row_last.eq(handover.rows == 1)

    valid = Signal(name="row_valid"), Signal(name="choice_valid")
    block = None
    if engine.blocks is not None:
        block = _BlockPlace(
            index=handover.row * chunks + chunk,
            first_block=handover.first_block,
            last_block=handover.last_block,
            row_scale=handover.row_scales.word_select(handover.row, engine.blocks.activation_scale.width),
            column_scales=handover.column_scales,
        )
    place = _Place(
        mask=Cat(place < columns_left for place in range(engine.outputs)),
        last=row_last & chunk_last & handover.ends_product,
        chunk=chunk,
        block=block,
    )
    with m.If(advance):
        m.d.sync += [valid[0].eq(present), valid[1].eq(valid[0])]
    place = _hold(m, "row", advance, place)
    chosen = _hold(m, "choice", advance, _choose(engine, config, loaders, handover, place))
    taken, waits = Signal(name="choice_taken"), valid[1]
    moves: Value = taken | ~valid[1]
    if build.short_paths:
        full, stuck = Signal(name="choice_full"), Signal(name="choice_stuck")
        chosen, waits = _buffer(m, "waiting", full, chosen, waits, taken)
        # The register says what ``full & valid[1]`` is: hundreds of flip-flops are enabled by it.
        m.d.sync += stuck.eq(~taken & (stuck | ((full | valid[1]) & valid[0])))
        m.d.comb += handover.stays.eq(stuck)
        moves = ~stuck
    ready, distance = _finish(m, engine, build, cycles, config, waits, chosen, outputs)
    m.d.comb += [taken.eq(ready), advance.eq(moves)]
    if engine.blocks is not None:
        # A block finds the one before it written back: it follows by so many cycles in which these move,
        # and by two more, since what is on its way to them may catch up, or by three where one more may wait.
        distance += build.short_paths
        starts = (handover.row == 0) & (chunk == 0)
        moved = Signal(range(distance + 2))
        with m.If(taken & (moved <= distance)):
            m.d.sync += moved.eq(moved + 1)
        with m.If(handover.take & starts):
            m.d.sync += moved.eq(0)
        m.d.comb += blocks_at_rest.eq(~starts | handover.first_block | (moved > distance))


def _choose(
    engine: Engine, config: dict[str, Signal], loaders: dict[str, PanelLoader], handover: Handover, place: _Place
) -> _Chunk:
    """Choose the sums at a place of the row that was read, and what comes with them."""
    chunks = engine.columns // engine.outputs
    if place.block is not None and engine.blocks is not None:
        bits = engine.outputs * engine.blocks.weight_bits(engine.weight)
        scales = place.block.column_scales.word_select(place.chunk, bits)
        place = replace(place, block=replace(place.block, column_scales=scales))
    offset = None
    word_bits = len(handover.word) // chunks
    if engine.weight_zero_point:
        zero_point = config["weight_zero_point"]
        assert isinstance(engine.weight, Integer)
        offset = handover.row_sum * (zero_point if engine.weight.unsigned else zero_point.as_signed())
    return _Chunk(
        place=place,
        sums=_complete(engine, handover) if handover.shifts else handover.word.word_select(place.chunk, word_bits),
        channel=loaders["p"].word if "p" in loaders else None,
        offset=offset,
        row_sum=handover.row_sum if engine.blocks is not None and engine.blocks.zero_points else None,
    )


def _complete(engine: Engine, handover: Handover) -> Value:
    """The first sums of a row that shifts, with their carries added."""
    sums = []
    for place in range(engine.outputs):
        found = data.View(handover.layout, handover.word.word_select(place, handover.layout.size))
        total = (found.accumulator + found.carry)[: engine.accumulator.width]
        sums += [total, *(getattr(found, name) for name in engine.accumulator.specials)]
    return Cat(*sums)


def _finish(
    m: Module,
    engine: Engine,
    build: Build,
    cycles: int,
    config: dict[str, Signal],
    valid: Signal,
    chosen: _Chunk,
    outputs: stream.Interface,
) -> tuple[Value, int]:
    """Add up the blocks of chosen sums, where there are any, and requantize them to the beats of ``c``.

    The result is whether the chosen sums are taken, and ``BlockAccumulate.distance``, 0 without blocks.
    """
    form, how = engine.accumulator, engine.offset_requantization
    mask_bits, channel_bits = engine.outputs, sum(engine.channel_fields.values())
    ready: Value = Const(1, 1)
    distance = 0
    codes = []
    buffer_full = Signal(name="output_buffer_full")
    o_ready = ~buffer_full if build.short_paths else outputs.ready
    for k in range(engine.outputs):
        channel = Const(0, 0) if chosen.channel is None else chosen.channel.word_select(k, channel_bits)
        frame = Cat(chosen.place.mask, chosen.place.last) if k == 0 else Const(0, 0)
        m.submodules[f"requantize{k}"] = requantize = Requantize(
            engine.sum,
            replace(how, seed=engine.seed(k)),
            tag_bits=len(frame),
            dsp=build.dsp,
            cycles=cycles,
            fast=build.short_paths,
        )
        sums = data.View(sum_layout(form), chosen.sums.word_select(k, sum_layout(form).size))
        block = chosen.place.block
        if engine.blocks is None or block is None:
            m.d.comb += requantize.i.valid.eq(valid)
            ready = requantize.i.ready if k == 0 else ready
        else:
            tag = Cat(channel, frame)
            m.submodules[f"blocks{k}"] = add = BlockAccumulate(
                *(engine.weight, engine.activation, engine.blocks),
                terms=engine.max_k,
                depth=block_depth(engine),
                tag_bits=len(tag),
                dsp=build.dsp,
            )
            entry = add.i.payload
            beside = block.column_scales.word_select(k, engine.blocks.weight_bits(engine.weight))
            m.d.comb += [
                add.i.valid.eq(valid),
                requantize.i.valid.eq(add.o.valid),
                add.o.ready.eq(requantize.i.ready),
            ]
            m.d.comb += [getattr(entry, name).eq(getattr(sums, name)) for name, _ in sum_layout(form)]
            m.d.comb += [
                entry.activation_scale.eq(block.row_scale),
                entry.weight_scale.eq(beside[: engine.blocks.weight_scale.width]),
                entry.first.eq(block.first_block),
                entry.last.eq(block.last_block),
                entry.index.eq(block.index),
            ]
            if chosen.row_sum is not None:
                zero_point = beside[engine.blocks.weight_scale.width :]
                m.d.comb += [entry.row_sum.eq(chosen.row_sum), entry.weight_zero_point.eq(zero_point)]
            if len(tag):
                m.d.comb += entry.tag.eq(tag)
                channel, frame = add.o.payload.tag[:channel_bits], add.o.payload.tag[channel_bits:]
            ready, distance = (add.i.ready, add.distance) if k == 0 else (ready, distance)
            sums = add.o.payload
        payload = requantize.i.payload
        for name, _ in sums.shape():
            if name != "tag":
                m.d.comb += getattr(payload, name).eq(getattr(sums, name))
        parts, position = dict(config), 0
        for name, bits in engine.channel_fields.items():
            parts[name] = channel[position : position + bits]
            position += bits
        if chosen.offset is not None:
            bias = parts["bias"].as_signed() if "bias" in parts else Const(0, 1)
            parts["bias"] = bias - chosen.offset
        for name in ("scale", "tensor_scale", "bias", "zero_point"):
            if name in parts:
                m.d.comb += getattr(payload, name).eq(parts[name])
        if len(frame):
            m.d.comb += payload.tag.eq(frame)
        m.d.comb += requantize.o.ready.eq(o_ready)
        codes.append(requantize.o.payload.code)
        if k == 0:
            first = requantize.o
    mask = first.payload.tag[:mask_bits]
    word = Cat(code & kept.replicate(len(code)) for code, kept in zip(codes, mask, strict=True))
    last, o_valid = first.payload.tag[-1], first.valid
    if build.short_paths:
        given, o_valid = _buffer(m, "output_buffer", buffer_full, {"last": last, "word": word}, o_valid, outputs.ready)
        last, word = given["last"], given["word"]
    m.d.comb += [outputs.valid.eq(o_valid), outputs.payload.last.eq(last), outputs.payload.data.eq(word)]
    return ready, distance


def _buffer(m: Module, name: str, full: Signal, record: Record, valid: Value, ready: Value) -> tuple[Record, Value]:
    """Keep a record that is not taken at once, so that whether a further one is taken does not depend on ``ready``.

    The results are what is given on, and whether there is anything.
    """
    values = {key: value for key, value in parts(record) if value is not None}
    held = {key: Signal(value.shape(), name=f"{name}_{key}", reset_less=True) for key, value in values.items()}
    with m.If(~full):
        m.d.sync += [held[key].eq(value) for key, value in values.items()]
        m.d.sync += full.eq(valid & ~ready)
    with m.Elif(ready):
        m.d.sync += full.eq(0)
    return with_parts(record, {key: Mux(full, held[key], value) for key, value in values.items()}), valid | full


def _hold(m: Module, name: str, enable: Value, record: Record) -> Record:
    """Put a record behind a stage of registers."""
    values = {key: value for key, value in parts(record) if value is not None}
    held = {key: Signal(value.shape(), name=f"{name}_{key}", reset_less=True) for key, value in values.items()}
    with m.If(enable):
        m.d.sync += [held[key].eq(value) for key, value in values.items()]
    return with_parts(record, held)
