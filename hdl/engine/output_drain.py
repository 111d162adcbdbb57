"""From finished sums to outputs: row by row and some columns at a time, blocks added up, requantized."""

from dataclasses import replace

from amaranth.hdl import Cat, Const, Module, Shape, Signal, Value
from amaranth.lib import data, stream

from ...formats import Engine, Integer
from ..blocks.block_accumulate import BlockAccumulate
from ..scaling.requant import Requantize
from .loops import no_more
from .output_stationary import sum_layout
from .panel_loader import Loader

__all__ = ["Job", "block_depth", "drain"]


def block_depth(engine: Engine) -> int:
    """Sums over blocks that are under way at a time, for every output of a word."""
    return engine.rows * (engine.columns // engine.outputs)


class Job:
    """What is to be drained, noted when its last word is issued; and where each memory is being read."""

    def __init__(self, engine: Engine):
        rows = engine.rows if engine.output_stationary else engine.tile_m
        self.pending = Signal(name="job_pending")
        self.go = Signal(name="job_go")
        self.take = Signal(name="job_take")
        self.rows = Signal(range(rows + 1), name="job_rows")
        self.row = Signal(range(rows + 1), name="job_row")
        self.columns = Signal(range(engine.columns + 1), name="job_columns")
        self.ends_columns = Signal(name="job_ends_columns")
        self.ends_product = Signal(name="job_ends_product")
        self.sums_half = Signal(name="job_sums_half")
        self.word = Signal(sum_layout(engine.accumulator).size * engine.columns, name="sums_word", reset_less=True)
        if engine.weight_zero_point:
            self.row_sum = Signal(Shape(engine.row_sum.width, engine.row_sum.signed), name="row_sum", reset_less=True)
        self.half = {name: Signal(name=f"{name}_half") for name in ("a", "w", "a_scales", "w_scales", "p")}
        if engine.blocks is not None:
            self.first_block = Signal(name="job_first_block")
            self.last_block = Signal(name="job_last_block")
            bits = engine.stream_bits
            self.row_scales = Signal(bits["a_scales"], name="row_scales", reset_less=True)
            self.column_scales = Signal(bits["w_scales"], name="column_scales", reset_less=True)

    def read(self, m: Module, loader: Loader, name: str, issue: Value) -> Signal:
        """Read a loader's word with every issue, from the offset that is given back."""
        offset = Signal.like(loader.offset, name=f"{name}_offset")
        m.d.comb += [loader.enable.eq(issue), loader.which_half.eq(self.half[name]), loader.offset.eq(offset)]
        return offset


def drain(
    m: Module,
    engine: Engine,
    dsp: bool,
    config: dict[str, Signal],
    loaders: dict[str, Loader],
    job: Job,
    outputs: stream.Interface,
) -> None:
    """Take the sums of a job row by row and ``outputs`` columns at a time.

    Three stages, moving in step: the place, that row's sums, the chosen columns. With ``dsp``, multiplications by
    scales are plain ``*``.
    """
    chunks = engine.columns // engine.outputs
    advance = Signal()
    draining = Signal()
    present = Signal()
    row_last = Signal()
    chunk_last = Signal()
    chunk = Signal(range(chunks))
    columns_left = Signal.like(job.columns)
    blocks_at_rest = Signal(init=1)
    m.d.comb += [
        present.eq(draining & blocks_at_rest),
        row_last.eq(job.row + 1 == job.rows),
        chunk_last.eq(no_more(columns_left, engine.outputs)),
        job.take.eq(advance & present),
    ]
    if "p" in loaders:
        loader, half = loaders["p"], job.half["p"]
        m.d.comb += present.eq(draining & blocks_at_rest & loader.full.bit_select(half, 1))
        m.d.comb += [loader.enable.eq(job.take), loader.offset.eq(chunk), loader.which_half.eq(half)]
    with m.If(job.take):
        m.d.sync += [chunk.eq(chunk + 1), columns_left.eq(columns_left - engine.outputs)]
        with m.If(chunk_last):
            m.d.sync += [chunk.eq(0), columns_left.eq(job.columns), job.row.eq(job.row + 1)]
            with m.If(row_last):
                m.d.sync += [draining.eq(0), job.pending.eq(0)]
                if "p" in loaders:
                    with m.If(job.ends_columns):
                        m.d.comb += loaders["p"].release.eq(1 << job.half["p"])
                        m.d.sync += job.half["p"].eq(~job.half["p"])
    with m.If(job.go):
        m.d.sync += [draining.eq(1), job.row.eq(0), chunk.eq(0), columns_left.eq(job.columns)]

    # Of every output: whether it lies within C; its sum; what comes with its column; the block scales.
    valid = Signal(name="row_valid"), Signal(name="choice_valid")
    read = {
        "mask": Cat(place < columns_left for place in range(engine.outputs)),
        "last": row_last & chunk_last & job.ends_product,
        "chunk": chunk,
    }
    if engine.blocks is not None:
        read |= {
            "index": job.row * chunks + chunk,
            "first_block": job.first_block,
            "last_block": job.last_block,
            "row_scale": job.row_scales.word_select(job.row, engine.blocks.activation_scale.width),
            "column_scales": job.column_scales,
        }
    with m.If(advance):
        m.d.sync += [valid[0].eq(present), valid[1].eq(valid[0])]
    read = _hold(m, "row", advance, read)
    chosen = read | {
        "sums": job.word.word_select(read["chunk"], len(job.word) // chunks),
    }
    if engine.blocks is not None:
        chosen["column_scales"] = read["column_scales"].word_select(
            read["chunk"], engine.outputs * engine.blocks.weight_scale.width
        )
    if "p" in loaders:
        chosen["channel"] = loaders["p"].word
    if engine.weight_zero_point:
        zero_point = config["weight_zero_point"]
        assert isinstance(engine.weight, Integer)
        chosen["offset"] = job.row_sum * (zero_point if engine.weight.unsigned else zero_point.as_signed())
    chosen = _hold(m, "choice", advance, chosen)
    taken, distance = _finish(m, engine, dsp, config, valid[1], chosen, outputs)
    m.d.comb += advance.eq(taken | ~valid[1])
    if engine.blocks is not None:
        # A block finds the one before it written back: it follows by so many cycles in which these move,
        # and by two more, since what is on its way to them may catch up.
        starts = (job.row == 0) & (chunk == 0)
        moved = Signal(range(distance + 2))
        with m.If(taken & (moved <= distance)):
            m.d.sync += moved.eq(moved + 1)
        with m.If(job.take & starts):
            m.d.sync += moved.eq(0)
        m.d.comb += blocks_at_rest.eq(~starts | job.first_block | (moved > distance))


def _finish(
    m: Module,
    engine: Engine,
    dsp: bool,
    config: dict[str, Signal],
    valid: Signal,
    chosen: dict[str, Signal],
    outputs: stream.Interface,
) -> tuple[Value, int]:
    """From chosen sums to the beats of ``c``: blocks added up where there are any, then requantized.

    Gives back whether what is chosen is taken, and ``BlockAccumulate.distance``, 0 without blocks.
    """
    form, how = engine.accumulator, engine.offset_requantization
    mask_bits, channel_bits = engine.outputs, sum(engine.channel_fields.values())
    ready: Value = Const(1, 1)
    distance = 0
    codes = []
    for k in range(engine.outputs):
        channel = chosen["channel"].word_select(k, channel_bits) if channel_bits else Const(0, 0)
        frame = Cat(chosen["mask"], chosen["last"]) if k == 0 else Const(0, 0)
        m.submodules[f"requantize{k}"] = requantize = Requantize(
            engine.sum, replace(how, seed=engine.seed(k)), tag_bits=len(frame), dsp=dsp
        )
        sums = data.View(sum_layout(form), chosen["sums"].word_select(k, sum_layout(form).size))
        if engine.blocks is None:
            m.d.comb += requantize.i.valid.eq(valid)
            ready = requantize.i.ready if k == 0 else ready
        else:
            tag = Cat(channel, frame)
            m.submodules[f"blocks{k}"] = add = BlockAccumulate(
                *(engine.weight, engine.activation, engine.blocks),
                terms=engine.max_k,
                depth=block_depth(engine),
                tag_bits=len(tag),
                dsp=dsp,
            )
            entry = add.i.payload
            m.d.comb += [
                add.i.valid.eq(valid),
                requantize.i.valid.eq(add.o.valid),
                add.o.ready.eq(requantize.i.ready),
            ]
            m.d.comb += [getattr(entry, name).eq(getattr(sums, name)) for name, _ in sum_layout(form)]
            m.d.comb += [
                entry.activation_scale.eq(chosen["row_scale"]),
                entry.weight_scale.eq(chosen["column_scales"].word_select(k, engine.blocks.weight_scale.width)),
                *(getattr(entry, name).eq(chosen[f"{name}_block"]) for name in ("first", "last")),
                entry.index.eq(chosen["index"]),
            ]
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
        if "offset" in chosen:
            bias = parts["bias"].as_signed() if "bias" in parts else Const(0, 1)
            parts["bias"] = bias - chosen["offset"]
        for name in ("scale", "tensor_scale", "bias", "zero_point"):
            if name in parts:
                m.d.comb += getattr(payload, name).eq(parts[name])
        if len(frame):
            m.d.comb += payload.tag.eq(frame)
        m.d.comb += requantize.o.ready.eq(outputs.ready)
        codes.append(requantize.o.payload.code)
        if k == 0:
            first = requantize.o
    mask = first.payload.tag[:mask_bits]
    m.d.comb += [
        outputs.valid.eq(first.valid),
        outputs.payload.last.eq(first.payload.tag[-1]),
        outputs.payload.data.eq(Cat(code & kept.replicate(len(code)) for code, kept in zip(codes, mask, strict=True))),
    ]
    return ready, distance


def _hold(m: Module, name: str, enable: Value, values: dict[str, Value]) -> dict[str, Signal]:
    """The values behind a stage of registers."""
    held = {key: Signal(value.shape(), name=f"{name}_{key}", reset_less=True) for key, value in values.items()}
    with m.If(enable):
        m.d.sync += [held[key].eq(value) for key, value in values.items()]
    return held
