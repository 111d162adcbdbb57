"""The matmul engine: panels in, an array of elements, sums drained and requantized, a stream of outputs."""

from dataclasses import replace

from amaranth.hdl import Cat, Const, Fragment, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..formats import Engine
from . import output_stationary, weight_stationary
from .block import BlockAccumulate
from .loader import Loader, Loop, size_bits
from .nest import Level, Nest
from .output_stationary import OutputStationary, sum_layout
from .requant import Requantize, Scaling
from .term import Build
from .weight_stationary import WeightStationary

__all__ = ["Matmul"]


def matmul_latencies(engine: Engine, build: Build, pipeline: int) -> dict[str, int]:
    """Cycles of the parts of an engine: what ``sim.engine_cycles`` starts from.

    array: from a word at the array to the sums with it
    blocks, block_distance: of ``BlockAccumulate``, where there are blocks
    requantize: of the requantizer
    """
    array = output_stationary if engine.output_stationary else weight_stationary
    found = {"array": array.latency(engine, build, pipeline)}
    if engine.blocks is not None:
        add = BlockAccumulate(
            *(engine.weight, engine.activation, engine.blocks), terms=engine.max_k, depth=block_depth(engine)
        )
        Fragment.get(add, None)  # or Amaranth warns that it came to nothing
        found |= {"blocks": add.latency, "block_distance": add.distance}
    return found | {"requantize": Scaling(engine.sum, engine.requantization).latency}


def matmul_latency(engine: Engine, build: Build, pipeline: int) -> int:
    """Cycles from the issue of the last word of a sum to the valid output made of it, where nothing stalls."""
    found = matmul_latencies(engine, build, pipeline)
    return found["array"] + found.get("blocks", 0) + found["requantize"] + 4


def block_depth(engine: Engine) -> int:
    """Sums over blocks that are under way at a time, for every output of a word."""
    return engine.rows * (engine.columns // engine.outputs)


class Matmul(wiring.Component):
    """``C[m, n] = requantize(A[m, k] @ W[k, n])``, exact until the one rounding at the end.

    A product begins with ``start``, takes its operands from the streams in the order that docs/matmul.md gives, and is
    over with the beat of ``c`` that has ``last``. Its sizes and parameters are taken with ``start``. Streams may stall
    at any time. Reset drops the product at hand and everything loaded for it.

    Parameters
    ----------
    engine: formats and shape
    build: how products are built; changes the cost, never a bit
    pipeline: register stages before the accumulators, 1 to 3

    Members
    -------
    start: In(1), begin the product of sizes m, k, n
    m, k, n: In(32); at least 1; m and n at most 65535, k at most ``engine.max_k``
    scale, tensor_scale, zero_point: In, those of ``engine.tensor_fields``
    busy: Out(1), from the cycle after ``start`` to the last beat of ``c``
    done: Out(1), up for a cycle after the last beat of ``c``
    refused_busy, refused_zero, refused_large: Out(1), up for a cycle with a ``start`` that is not obeyed: a product is
        at hand, a size is 0, a size is too large. Nothing else happens then
    a, w, p, a_scales, w_scales: In(stream.Signature(bits)), the inputs of ``engine.stream_bits``
    c: Out(stream.Signature(data, last))
    """

    def __init__(self, engine: Engine, build: Build, pipeline: int = 2):
        self.engine = engine
        self.build = build
        self.pipeline = pipeline
        bits = engine.stream_bits
        self.inputs = {name: width for name, width in bits.items() if name != "c"}
        super().__init__(
            {
                "start": In(1),
                **{name: In(32) for name in size_bits(engine)},
                **{name: In(width) for name, width in engine.tensor_fields.items()},
                **{name: Out(1) for name in ("busy", "done", "refused_busy", "refused_zero", "refused_large")},
                **{name: In(stream.Signature(unsigned(width))) for name, width in self.inputs.items()},
                "c": Out(stream.Signature(data.StructLayout({"data": unsigned(bits["c"]), "last": unsigned(1)}))),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        config, begin = self._configure(m)
        loaders = self._loaders(m, config, begin)
        job = _Job(self.engine)
        if self.engine.output_stationary:
            self._output_stationary(m, config, begin, loaders, job)
        else:
            self._weight_stationary(m, config, begin, loaders, job)
        self._drain(m, config, loaders, job)
        with m.If(self.start & ~self.busy & ~(self.refused_zero | self.refused_large)):
            m.d.sync += self.busy.eq(1)
        with m.If(begin):
            m.d.sync += [half.eq(0) for half in job.half.values()]
        m.d.sync += self.done.eq(self.c.valid & self.c.ready & self.c.payload.last)
        with m.If(self.c.valid & self.c.ready & self.c.payload.last):
            m.d.sync += self.busy.eq(0)
        return m

    def _configure(self, m: Module) -> tuple[dict[str, Signal], Signal]:
        """What was set when the product began, and when it begins."""
        engine = self.engine
        sizes = size_bits(engine)
        names = {**sizes, **engine.tensor_fields}
        config = {name: Signal(bits, name=f"config_{name}") for name, bits in names.items()}
        zero = Signal()
        large = Signal()
        m.d.comb += [
            zero.eq(Cat(getattr(self, name) == 0 for name in sizes).any()),
            large.eq(Cat(self.m[sizes["m"] :].any(), self.n[sizes["n"] :].any(), self.k > engine.max_k).any()),
            self.refused_busy.eq(self.start & self.busy),
            self.refused_zero.eq(self.start & ~self.busy & zero),
            self.refused_large.eq(self.start & ~self.busy & large),
        ]
        with m.If(self.start & ~self.busy):
            m.d.sync += [held.eq(getattr(self, name)) for name, held in config.items()]
        begin = Signal()
        m.d.sync += begin.eq(self.start & ~self.busy & ~zero & ~large)
        return config, begin

    def _loaders(self, m: Module, config: dict[str, Signal], begin: Signal) -> dict[str, Loader]:
        engine = self.engine
        panel, columns = Loop("panel", "m", engine.tile_m), Loop("column", "n", engine.columns)
        words, k_loop = engine.k_words, Loop("k", "k", engine.k_step)
        if engine.output_stationary:
            row = Loop("row", "m", engine.rows, within="panel")
            groups = engine.tile_m // engine.rows
            loaders = {
                "a": Loader(engine, self.inputs["a"], [panel, row, k_loop], "row", groups * words),
                "w": Loader(engine, self.inputs["w"], [panel, columns, k_loop], "k", words),
            }
            if engine.blocks is not None:
                block = Loop("block", "k", engine.blocks.size)
                blocks = -(-engine.max_k // engine.blocks.size)
                loaders |= {
                    "a_scales": Loader(engine, self.inputs["a_scales"], [panel, row, block], "row", groups * blocks),
                    "w_scales": Loader(engine, self.inputs["w_scales"], [panel, columns, block], "block", blocks),
                }
        else:
            row = Loop("row", "m", 1, within="panel")
            loaders = {"a": Loader(engine, self.inputs["a"], [panel, k_loop, row], "k", engine.tile_m * words)}
        if "p" in self.inputs:
            channel = Loop("channel", "n", 1, within="column")
            loaders["p"] = Loader(
                engine, self.inputs["p"], [panel, columns, channel], "channel", engine.columns, parts=engine.outputs
            )
        for name, loader in loaders.items():
            m.submodules[f"load_{name}"] = loader
            wiring.connect(m, wiring.flipped(getattr(self, name)), loader.i)
            m.d.comb += [
                loader.start.eq(begin),
                *(getattr(loader, size).eq(config[size]) for size in size_bits(engine)),
            ]
        return loaders

    def _output_stationary(
        self, m: Module, config: dict[str, Signal], begin: Signal, loaders: dict[str, Loader], job: "_Job"
    ) -> None:
        engine = self.engine
        k_levels = [Level("k", config["k"], engine.lanes)]
        if engine.blocks is not None:
            k_levels = [Level("block", config["k"], engine.blocks.size), Level("k", None, engine.lanes, within="block")]
        whole_k = k_levels[0].name
        nest = Nest(
            m,
            "compute",
            [
                Level("panel", config["m"], engine.tile_m),
                Level("column", config["n"], engine.columns),
                Level("row", None, engine.rows, within="panel"),
                *k_levels,
            ],
        )
        active = Signal()
        first = Signal()
        issue = Signal()
        last = Signal()
        present = [loader.full.bit_select(job.half[name], 1) for name, loader in loaders.items() if name != "p"]
        m.d.comb += [last.eq(nest.last["k"]), issue.eq(active & Cat(*present).all() & ~(last & job.pending))]

        m.submodules.array = array = OutputStationary(engine, self.build, self.pipeline)
        follow = {name: Signal(name=f"{name}_read") for name in ("valid", "first", "last")}
        m.d.sync += [follow["valid"].eq(issue), follow["first"].eq(first), follow["last"].eq(last)]
        keep = Signal(engine.lanes)
        m.d.sync += keep.eq(Cat(lane < nest.left["k"] for lane in range(engine.lanes)))
        m.d.comb += [getattr(array, name).eq(signal) for name, signal in follow.items()]
        m.d.comb += [array.activation.eq(loaders["a"].word), array.weight.eq(loaders["w"].word), array.keep.eq(keep)]

        # Which word of its half each memory reads next: on, back to the beginning, or over to the other half.
        steps = {"a": Const(1, 1), "w": Const(1, 1), "a_scales": last, "w_scales": last}
        restarts = {"a": nest.wraps["row"], "w": nest.wraps[whole_k]}
        switches = {"a": nest.wraps["column"], "w": nest.wraps["row"]}
        for name in steps.keys() & loaders.keys():
            offset = job.read(m, loaders[name], name, issue)
            with m.If(issue & steps[name]):
                m.d.sync += offset.eq(Mux(restarts[name[0]], 0, offset + 1))
            with m.If(issue & switches[name[0]]):
                m.d.sync += job.half[name].eq(~job.half[name])
                m.d.comb += loaders[name].release.eq(1 << job.half[name])
        with m.If(issue):
            m.d.sync += first.eq(last)
            nest.advance()
            with m.If(nest.done):
                m.d.sync += active.eq(0)
        with m.If(issue & last):
            m.d.sync += [
                job.pending.eq(1),
                job.rows.eq(_at_most(nest.left["row"], engine.rows)),
                job.columns.eq(_at_most(nest.left["column"], engine.columns)),
                job.ends_columns.eq(nest.wraps["row"]),
                job.ends_product.eq(nest.done),
            ]
            if engine.blocks is not None:
                m.d.sync += [
                    job.first_block.eq(nest.left["block"] == config["k"]),
                    job.last_block.eq(nest.last["block"]),
                ]
        if engine.blocks is not None:
            # The scales of the block whose last word was read; they stay until that of the next is.
            with m.If(follow["valid"] & follow["last"]):
                m.d.sync += [
                    job.row_scales.eq(loaders["a_scales"].word),
                    job.column_scales.eq(loaders["w_scales"].word),
                ]
        with m.If(begin):
            nest.start()
            m.d.sync += [active.eq(1), first.eq(1)]

        m.d.comb += job.go.eq(array.done)
        with m.If(job.take):
            rows = Cat(*(Cat(*sums) for sums in array.sums))
            m.d.sync += job.word.eq(rows.word_select(job.row, len(job.word)))

    def _load_weights(
        self, m: Module, config: dict[str, Signal], begin: Signal, array: WeightStationary
    ) -> tuple[Signal, Signal]:
        """Shift the weights of every tile into the array as soon as those before are in use.

        Gives back whether the next ones are all there, and the signal by which they are taken.
        """
        engine = self.engine
        levels = [
            Level("panel", config["m"], engine.tile_m),
            Level("column", config["n"], engine.columns),
            Level("k", config["k"], engine.k_step),
            Level("row", Const(engine.rows), 1),
        ]
        nest = Nest(m, "load_w", levels)
        active, complete, taken, transfer = (
            Signal(name=f"weights_{name}") for name in ("active", "complete", "taken", "transfer")
        )
        place = Signal(range(engine.k_step + 1), name="weights_place")
        m.d.comb += [
            self.w.ready.eq(active & (~complete | taken)),
            transfer.eq(self.w.valid & self.w.ready),
            array.load.eq(transfer),
            array.weight.eq(self.w.payload),
            array.load_keep.eq(Cat(place + lane < nest.left["k"] for lane in range(engine.lanes))),
        ]
        with m.If(taken):
            m.d.sync += complete.eq(0)
        with m.If(transfer):
            m.d.sync += place.eq(Mux(nest.last["row"], 0, place + engine.lanes))
            with m.If(nest.last["row"]):
                m.d.sync += complete.eq(1)
            nest.advance()
            with m.If(nest.done):
                m.d.sync += active.eq(0)
        with m.If(begin):
            nest.start()
            m.d.sync += [active.eq(1), complete.eq(0), place.eq(0)]
        return complete, taken

    def _weight_stationary(
        self, m: Module, config: dict[str, Signal], begin: Signal, loaders: dict[str, Loader], job: "_Job"
    ) -> None:
        engine = self.engine
        m.submodules.array = array = WeightStationary(engine, self.build, self.pipeline)
        weights_complete, weights_taken = self._load_weights(m, config, begin, array)
        nest = Nest(
            m,
            "compute",
            [
                Level("panel", config["m"], engine.tile_m),
                Level("column", config["n"], engine.columns),
                Level("k", config["k"], engine.k_step),
                Level("row", None, 1, within="panel"),
            ],
        )
        active = Signal()
        first = Signal()
        tile_begins = Signal()
        pause = Signal()
        half = Signal()
        row = Signal(range(engine.tile_m))
        issue = Signal()
        last = Signal()
        present = loaders["a"].full.bit_select(job.half["a"], 1)
        m.d.comb += [
            last.eq(nest.wraps["k"]),
            issue.eq(active & present & (weights_complete | ~tile_begins) & ~pause & ~(last & job.pending)),
        ]
        follow = {name: Signal(name=f"{name}_read") for name in ("valid", "first", "last", "swap")}
        followed = {"valid": issue, "first": first, "last": last, "swap": tile_begins}
        at_row = Signal.like(array.row)
        keep = Signal(engine.k_step)
        m.d.sync += [signal.eq(followed[name]) for name, signal in follow.items()]
        # The words that wait to be written when the weights change are behind the array's edge, as the weights are.
        m.d.comb += weights_taken.eq(follow["valid"] & follow["swap"])
        m.d.sync += keep.eq(Cat(place < nest.left["k"] for place in range(engine.k_step)))
        m.d.sync += [at_row.eq(row), at_row[-1].eq(half)]
        m.d.comb += [getattr(array, name).eq(signal) for name, signal in follow.items()]
        m.d.comb += [array.activation.eq(loaders["a"].word), array.row.eq(at_row), array.keep.eq(keep)]

        offset = job.read(m, loaders["a"], "a", issue)
        m.d.sync += pause.eq(0)
        with m.If(issue):
            m.d.sync += [offset.eq(Mux(last, 0, offset + 1)), row.eq(Mux(nest.last["row"], 0, row + 1))]
            m.d.sync += [tile_begins.eq(nest.last["row"]), pause.eq(tile_begins & nest.last["row"])]
            with m.If(nest.last["row"]):
                m.d.sync += first.eq(last)
            with m.If(nest.wraps["column"]):
                m.d.sync += job.half["a"].eq(~job.half["a"])
                m.d.comb += loaders["a"].release.eq(1 << job.half["a"])
            nest.advance()
            with m.If(nest.done):
                m.d.sync += active.eq(0)
        with m.If(issue & last):
            m.d.sync += [
                half.eq(~half),
                job.pending.eq(1),
                job.sums_half.eq(half),
                job.rows.eq(_at_most(nest.left["panel"], engine.tile_m)),
                job.columns.eq(_at_most(nest.left["column"], engine.columns)),
                job.ends_columns.eq(1),
                job.ends_product.eq(nest.done),
            ]
        with m.If(begin):
            nest.start()
            m.d.sync += [active.eq(1), first.eq(1), tile_begins.eq(1), row.eq(0)]
        m.d.comb += [
            job.go.eq(array.done),
            array.read.eq(job.take),
            array.read_row.eq(Cat(job.row, Const(0, len(array.row)))[: len(array.row)]),
            array.read_row[-1].eq(job.sums_half),
            job.word.eq(array.sums),
        ]

    def _drain(self, m: Module, config: dict[str, Signal], loaders: dict[str, Loader], job: "_Job") -> None:
        """Take the sums of a job row by row and ``outputs`` columns at a time.

        Three stages, moving in step: the place, that row's sums, the chosen columns.
        """
        engine = self.engine
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
            chunk_last.eq((columns_left <= engine.outputs) if chunks > 1 else 1),
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
        chosen = _hold(m, "choice", advance, chosen)
        ready = self._finish(m, config, valid[1], chosen)
        m.d.comb += advance.eq(ready[0] | ~valid[1])
        if engine.blocks is not None:
            starts = (job.row == 0) & (chunk == 0)
            m.d.comb += blocks_at_rest.eq(~starts | ~(valid[0] | valid[1] | ready[1]))

    def _finish(
        self, m: Module, config: dict[str, Signal], valid: Signal, chosen: dict[str, Signal]
    ) -> tuple[Value, Value]:
        """From chosen sums to the beats of ``c``: blocks added up where there are any, then requantized.

        Gives back whether what is chosen is taken, and whether block sums are on their way.
        """
        engine = self.engine
        form, how = engine.accumulator, engine.requantization
        mask_bits, channel_bits = engine.outputs, sum(engine.channel_fields.values())
        ready: Value = Const(1, 1)
        busy: Value = Const(0, 1)
        codes = []
        for k in range(engine.outputs):
            channel = chosen["channel"].word_select(k, channel_bits) if channel_bits else Const(0, 0)
            frame = Cat(chosen["mask"], chosen["last"]) if k == 0 else Const(0, 0)
            m.submodules[f"requantize{k}"] = requantize = Requantize(
                engine.sum, replace(how, seed=engine.seed(k)), tag_bits=len(frame)
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
                ready, busy = (add.i.ready, add.busy) if k == 0 else (ready, busy)
                sums = add.o.payload
            payload = requantize.i.payload
            for name, _ in sums.shape():
                if name != "tag":
                    m.d.comb += getattr(payload, name).eq(getattr(sums, name))
            parts, position = dict(config), 0
            for name, bits in engine.channel_fields.items():
                parts[name] = channel[position : position + bits]
                position += bits
            for name in ("scale", "tensor_scale", "bias", "zero_point"):
                if name in parts:
                    m.d.comb += getattr(payload, name).eq(parts[name])
            if len(frame):
                m.d.comb += payload.tag.eq(frame)
            m.d.comb += requantize.o.ready.eq(self.c.ready)
            codes.append(requantize.o.payload.code)
            if k == 0:
                first = requantize.o
        mask = first.payload.tag[:mask_bits]
        m.d.comb += [
            self.c.valid.eq(first.valid),
            self.c.payload.last.eq(first.payload.tag[-1]),
            self.c.payload.data.eq(
                Cat(code & kept.replicate(len(code)) for code, kept in zip(codes, mask, strict=True))
            ),
        ]
        return ready, busy


class _Job:
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


def _at_most(value: Value, most: int) -> Value:
    return Mux(value > most, most, value)[: most.bit_length()]


def _hold(m: Module, name: str, enable: Value, values: dict[str, Value]) -> dict[str, Signal]:
    """The values behind a stage of registers."""
    held = {key: Signal(value.shape(), name=f"{name}_{key}", reset_less=True) for key, value in values.items()}
    with m.If(enable):
        m.d.sync += [held[key].eq(value) for key, value in values.items()]
    return held
