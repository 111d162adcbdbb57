"""The core of the matmul engine: panels feed an array of elements, whose sums are drained and requantized."""

from amaranth.hdl import Cat, Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ...formats import Engine
from ..blocks.block_accumulate import block_distance, block_sum
from ..elements.hardware import hardware_of
from ..products.build import Build
from ..scaling.scale_and_round import ScaleAndRound
from . import output_stationary, weight_stationary
from .handover import Handover
from .loops import no_more
from .operand_schedule import schedule_output_stationary, schedule_weight_stationary
from .output_drain import TAKE, block_depth, drain_sums
from .output_stationary import OutputStationary, shifts_sums
from .panel_loader import LoaderLoop, PanelLoader, size_bits
from .weight_stationary import WeightStationary

__all__ = ["Matmul", "matmul_latencies", "matmul_latency"]


def matmul_latencies(engine: Engine, build: Build) -> dict[str, int]:
    """The cycles of the parts of an engine, from which ``sim.engine_cycles`` starts.

    load: from a word at a loader to when it can be read, of streams whose words are several beats
    array: from a word at the array to the sums with it
    blocks, block_distance: of ``BlockAccumulate``, where there are blocks
    requantize: of the requantizer
    requantize_interval: from an output to the next one
    output_buffer: outputs that wait, beside the one that waits in the requantizer, and sums that wait before it, beside
        those that were chosen
    """
    if engine.output_stationary:
        found = {"array": output_stationary.latency(engine, build, shifts_sums(engine, build)) + build.short_paths}
    else:
        found = {"array": weight_stationary.latency(engine, build)}
    if engine.blocks is not None:
        added = block_sum(engine.weight, engine.activation, engine.blocks, engine.max_k)
        distance = block_distance(added, block_depth(engine)) + build.short_paths
        found |= {"blocks": added.latency, "block_distance": distance}
    cycles = engine.output_cycles(found["array"] + TAKE)
    scaling = ScaleAndRound(engine.sum, engine.offset_requantization, build.dsp, cycles, build.short_paths)
    return found | {
        "load": 2 if _spaces_words(engine, build) else 1,
        "requantize": scaling.latency,
        "requantize_interval": scaling.interval,
        "output_buffer": int(build.short_paths),
    }


def matmul_latency(engine: Engine, build: Build) -> int:
    """The cycles from the issue of the last word of a sum to the valid output made of it, where nothing stalls."""
    found = matmul_latencies(engine, build)
    return found["array"] + found.get("blocks", 0) + found["requantize"] + found["requantize_interval"] + 3


def _spaces_words(engine: Engine, build: Build) -> bool:
    """Whether words whose beats come one after the other are taken at half the pace, which costs no cycle a word."""
    return build.short_paths and engine.dma is None


class Matmul(wiring.Component):
    """``C[m, n] = requantize(A[m, k] @ W[k, n])``, exact until the one rounding at the end.

    A product begins with ``start``, takes its operands from the streams in the order that docs/matmul.md gives, and is
    over with the beat of ``c`` that has ``last``. Its sizes and parameters are taken with ``start``. Streams may stall
    at any time. Reset drops the product at hand and everything loaded for it.

    Parameters
    ----------
    engine: formats and shape
    build: how products are built; changes the cost, never a bit. It has 1 to 4 register stages before the accumulators
    dsp_elements: of an output-stationary array, see there

    Members
    -------
    start: In(1), begin the product of sizes m, k, n
    m, k, n: In(32); at least 1; m and n at most 65535, k at most ``engine.max_k``. With ``build.short_paths`` they have
        to stand from the cycle before ``start`` on, which is none of reset
    scale, tensor_scale, zero_point, weight_zero_point: In, those of ``engine.tensor_fields``
    busy: Out(1), from the cycle after ``start`` to the last beat of ``c``
    done: Out(1), up for a cycle after the last beat of ``c``
    refused_busy, refused_zero, refused_large: Out(1), up for a cycle with a ``start`` that is not obeyed: a product is
        at hand, a size is 0, a size is too large. Nothing else happens then
    a, w, p, a_scales, w_scales: In(stream.Signature(bits)), the inputs of ``engine.stream_bits``
    c: Out(stream.Signature(data, last))
    """

    def __init__(self, engine: Engine, build: Build, dsp_elements: int = 0):
        if engine.dataflow == "weight_stationary" and engine.weight_zero_point and build.packing is not None:
            raise ValueError("build must have no packing beside a weight_zero_point, whose sums would come later")
        hardware_of(engine.arithmetic).check_dataflow(engine.arithmetic, engine.dataflow)
        self.engine = engine
        self.build = build
        self.dsp_elements = dsp_elements
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
        shifts = shifts_sums(self.engine, self.build)
        handover = Handover(self.engine, shifts)
        array: OutputStationary | WeightStationary
        if self.engine.output_stationary:
            array = OutputStationary(self.engine, self.build, self.dsp_elements, shifts, self.build.short_paths)
            schedule_output_stationary(m, array, config, begin, loaders, handover)
        else:
            array = WeightStationary(self.engine, self.build)
            schedule_weight_stationary(m, array, config, begin, loaders, self.w, handover)
        m.submodules.array = array
        cycles = self.engine.output_cycles(matmul_latencies(self.engine, self.build)["array"] + TAKE)
        drain_sums(m, self.engine, self.build, cycles, config, loaders, handover, self.c)
        with m.If(self.start & ~self.busy & ~(self.refused_zero | self.refused_large)):
            m.d.sync += self.busy.eq(1)
        with m.If(begin):
            m.d.sync += [half.eq(0) for half in handover.half.values()]
        m.d.sync += self.done.eq(self.c.valid & self.c.ready & self.c.payload.last)
        with m.If(self.c.valid & self.c.ready & self.c.payload.last):
            m.d.sync += self.busy.eq(0)
        return m

    def _configure(self, m: Module) -> tuple[dict[str, Signal], Signal]:
        """Take sizes and parameters when a product begins.

        The results are what was taken, by name, and the signal of the cycle in which the product begins.
        """
        engine = self.engine
        sizes = size_bits(engine)
        names = {**sizes, **engine.tensor_fields}
        config = {name: Signal(bits, name=f"config_{name}") for name, bits in names.items()}
        zero = Signal()
        large = Signal()
        judged = m.d.sync if self.build.short_paths else m.d.comb
        judged += [
            zero.eq(Cat(getattr(self, name) == 0 for name in sizes).any()),
            large.eq(Cat(self.m[sizes["m"] :].any(), self.n[sizes["n"] :].any(), ~no_more(self.k, engine.max_k)).any()),
        ]
        m.d.comb += [
            self.refused_busy.eq(self.start & self.busy),
            self.refused_zero.eq(self.start & ~self.busy & zero),
            self.refused_large.eq(self.start & ~self.busy & large),
        ]
        taken = config
        if self.build.short_paths:
            # Loops know what they begin with when they start: sizes are taken in every cycle in which no loop counts.
            taken = {name: held for name, held in config.items() if name not in sizes}
            with m.If(~self.busy | (self.c.valid & self.c.payload.last)):
                m.d.sync += [config[name].eq(getattr(self, name)) for name in sizes]
        with m.If(self.start & ~self.busy):
            m.d.sync += [held.eq(getattr(self, name)) for name, held in taken.items()]
        begin = Signal()
        m.d.sync += begin.eq(self.start & ~self.busy & ~zero & ~large)
        return config, begin

    def _loaders(self, m: Module, config: dict[str, Signal], begin: Signal) -> dict[str, PanelLoader]:
        engine = self.engine
        fast = self.build.short_paths
        loaders: dict[str, PanelLoader] = {}

        def load(name: str, loops: list[LoaderLoop], half: str, depth: int, parts: int = 1, late: bool = False) -> None:
            spaced = _spaces_words(engine, self.build) and engine.beats(name) > 1
            loaders[name] = PanelLoader(
                engine, self.inputs[name], loops, half, depth, parts, ahead=fast, late=late, spaced=spaced
            )

        panel, columns = LoaderLoop("panel", "m", engine.tile_m), LoaderLoop("column", "n", engine.columns)
        words, k_loop = engine.k_words, LoaderLoop("k", "k", engine.k_step)
        if engine.output_stationary:
            row = LoaderLoop("row", "m", engine.rows, within="panel")
            groups = engine.tile_m // engine.rows
            load("a", [panel, row, k_loop], "row", groups * words, late=fast)
            load("w", [panel, columns, k_loop], "k", words, late=fast)
            if engine.blocks is not None:
                block = LoaderLoop("block", "k", engine.blocks.size)
                blocks = -(-engine.max_k // engine.blocks.size)
                load("a_scales", [panel, row, block], "row", groups * blocks)
                load("w_scales", [panel, columns, block], "block", blocks)
        else:
            row = LoaderLoop("row", "m", 1, within="panel")
            load("a", [panel, k_loop, row], "k", engine.tile_m * words)
        if "p" in self.inputs:
            channel = LoaderLoop("channel", "n", 1, within="column")
            load("p", [panel, columns, channel], "channel", engine.columns, parts=engine.outputs)
        for name, loader in loaders.items():
            m.submodules[f"load_{name}"] = loader
            wiring.connect(m, wiring.flipped(getattr(self, name)), loader.i)
            m.d.comb += [
                loader.start.eq(begin),
                *(getattr(loader, size).eq(config[size]) for size in size_bits(engine)),
            ]
        return loaders
