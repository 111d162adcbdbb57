"""The matmul engine as a unit: its parameter set."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from amaranth.lib import wiring

from ...formats import Arithmetic, Engine, Format, check_memory
from ..bus.registers import c_header, register_map
from ..describe import describe_blocks, describe_requantization
from ..dma.matmul_dma import MASTER
from ..dma.registers import describe_dma
from ..elements.hardware import hardware_of
from ..engine.core import Matmul, matmul_latencies, matmul_latency
from ..engine.matmul_engine import MatmulEngine, engine_members, engine_registers
from .axi_unit import STREAM_SIGNALS
from .product_design import ProductDesign
from .requantize import scaled

__all__ = ["MatmulDesign"]

_STREAMS = {
    "a": "codes of A: rows by lanes where output-stationary, a slice of k where weight-stationary",
    "w": "codes of W: columns by lanes",
    "p": "what comes with a column of C",
    "a_scales": "block scales of A, one for every row",
    "w_scales": "block scales of W, one for every column",
    "c": "codes of C",
}

_DESCRIBED_APART = ("weight", "activation", "requantization", "blocks", "element", "dma")


@dataclass(frozen=True)
class MatmulDesign(ProductDesign):
    """A matmul engine.

    Parameters
    ----------
    engine: formats, element, shape, requantization and buses
    dsp_elements: how many elements of an output-stationary array leave their products to the device's multipliers
        where ``dsp`` is set, all others are built as without; None for all
    dsp_grid: whether elements that do share multipliers with their neighbours in rows and columns, where the family's
        can be shared: that takes fewer multipliers, and more LUTs. The elements are then as many as whole tiles hold
    """

    unit = "matmul"
    summary = "tiled matrix product, streaming, with requantized outputs"
    needs = ("engine",)
    has_lanes = True
    least_pipeline = 1
    may_chain = True

    engine: Engine
    dsp_elements: int | None = None
    dsp_grid: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        hardware_of(self.computes).check_dataflow(self.computes, self.engine.dataflow)
        check_memory(self.engine)
        if self.dsp_elements is not None:
            self._check_dsp_elements(self.dsp_elements)
        if self.dsp_grid and not (self.dsp and self.engine.output_stationary):
            raise ValueError("dsp_grid must be False but for an output-stationary matmul with dsp, not True")

    def _check_dsp_elements(self, elements: int) -> None:
        if not self.dsp or not self.engine.output_stationary:
            raise ValueError(
                f"dsp_elements must be left out but for an output-stationary matmul with dsp, not {elements!r}"
            )
        most = self.engine.rows * self.engine.columns
        if not (isinstance(elements, int) and 0 <= elements <= most):
            raise ValueError(f"dsp_elements must be 0 to the {most} elements, not {elements!r}")

    @classmethod
    def of(cls, given: dict[str, Any]) -> Self:
        engine = given["engine"]
        for name, value in (
            ("weight", engine.weight),
            ("activation", engine.activation),
            ("lanes", engine.lanes),
            ("terms", engine.max_k),
            ("element", engine.element),
        ):
            if given[name] != value:
                raise ValueError(f"{name} must be the engine's {value}, not {given[name]}")
        return super().of(given)

    @property
    def computes(self) -> Arithmetic:
        return self.engine.arithmetic

    @property
    def is_mixed(self) -> bool:
        return self.dsp_elements is not None

    @property
    def grid(self) -> tuple[int, int]:
        return (self.engine.rows, self.engine.columns) if self.dsp_grid else (1, 1)

    @property
    def packs(self) -> bool:
        # A column that sums rows of A has no packing, and is later than one that has.
        return not (self.engine.dataflow == "weight_stationary" and self.engine.weight_zero_point)

    @property
    def terms(self) -> int:
        """The longest sum."""
        return self.engine.max_k

    @property
    def lanes(self) -> int:
        """Products a word of an element."""
        return self.engine.lanes

    @property
    def added(self) -> int:
        engine = self.engine
        return engine.lanes if engine.output_stationary else engine.rows * engine.lanes

    @property
    def sharing(self) -> int:
        return min(self.engine.rows, self.engine.columns)

    @property
    def parameters(self) -> dict[str, Any]:
        engine = self.engine
        names = ("rows", "columns", "dataflow", "tile_m", "max_k", "outputs", "products")
        shape = {name: getattr(engine, name) for name in names}
        return {**super().parameters, **shape, "output": engine.requantization.output.name}

    @property
    def contract(self) -> str:
        engine = self.engine
        product = "A[m, k] * W[k, n]"
        if engine.sums_rows:
            zero_point = "weight_zero_point" if engine.weight_zero_point else "w_zero_point[n]"
            product = f"A[m, k] * (W[k, n] - {zero_point})"
        total, kept = f"the sum over k of {product}", f"{self.by_rule} for k up to {engine.max_k}"
        if engine.blocks is not None:
            total = f"the sum over blocks of {engine.blocks.size} k of (sum of {product}) * a_scale[m] * w_scale[n]"
            if isinstance(engine.sum, Format):
                kept = "kept in float32, rounded once for every block"
        scale = "scale[n]" if engine.scale_per == "channel" else "scale"
        return f"C[m, n] = {scaled(engine.requantization, 'sum', 'bias[n]', scale)}; sum = {total}, {kept}"

    @property
    def latency(self) -> int:
        return matmul_latency(self.engine, self.chosen_build)

    @property
    def latencies(self) -> dict[str, int]:
        """Cycles of the engine's parts: what ``sim.engine_cycles`` starts from."""
        return matmul_latencies(self.engine, self.chosen_build)

    def core(self) -> Matmul:
        """The engine without buses."""
        return Matmul(self.engine, self.chosen_build, self.dsp_elements or 0)

    def component(self) -> MatmulEngine:
        return MatmulEngine(self.engine, self.chosen_build, self.dsp_elements or 0)

    def header(self) -> str:
        return c_header(self.module, engine_registers(self.engine))

    def members(self) -> Mapping[str, wiring.Member]:
        return engine_members(self.engine)

    def meaning(self, port: str) -> str:
        bus, _, signal = port.rpartition("_")
        if signal in STREAM_SIGNALS:
            what = _STREAMS[bus.split("_axis_")[1]]
            if signal == "tlast" and bus.startswith("s_"):
                return f"{what}: not looked at"
            return f"{what}: {STREAM_SIGNALS[signal]}"
        if port.startswith(MASTER):
            return f"memory: {signal.upper()} of AXI4"
        if port == "irq":
            return "a product is complete, or a start was refused; until the bit in status is cleared"
        return f"registers: {signal.upper()} of {'AXI4-Lite' if port.startswith('s_axi_') else 'Wishbone'}"

    def describe(self) -> dict[str, Any]:
        """Shape, sum, requantization, streams, registers, and the cycles of the parts."""
        engine = self.engine
        names = [field.name for field in fields(Engine) if field.name not in _DESCRIBED_APART]
        blocks = engine.blocks
        return {
            **super().describe(),
            "engine": {name: getattr(engine, name) for name in names},
            "accumulator": asdict(engine.accumulator),
            "blocks": None if blocks is None else describe_blocks(blocks, engine.sum),
            "requantization": describe_requantization(engine.requantization),
            **({} if engine.dma is None else {"dma": describe_dma(engine)}),
            "streams": [
                {
                    "name": f"{'m' if name == 'c' else 's'}_axis_{name}",
                    "meaning": _STREAMS[name],
                    "tlast": STREAM_SIGNALS["tlast"] if name == "c" else "not looked at",
                    "word_bits": bits,
                    "beat_bits": engine.bus(name),
                    "beats_a_word": engine.beats(name),
                    "fields": _stream_fields(engine, name),
                }
                for name, bits in engine.stream_bits.items()
                if engine.dma is None
            ],
            "registers": register_map(engine_registers(engine)),
            "latencies": self.latencies,
        }


def _stream_fields(engine: Engine, stream: str) -> list[dict[str, Any]]:
    """What a word of the stream holds, lowest first: ``count`` values of ``width`` bits each, from bit ``lsb`` on."""
    if stream == "p":
        held = [(name, bits, 1) for name, bits in engine.channel_fields.items()]
    else:
        name, count = {
            "a": ("activation", engine.rows * engine.lanes),
            "w": ("weight", engine.columns * engine.lanes),
            "a_scales": ("activation_scale", engine.rows),
            "w_scales": ("weight_scale", engine.columns),
            "c": ("code", engine.outputs),
        }[stream]
        held = [(name, engine.stream_bits[stream] // count, count)]
    fields, lsb = [], 0
    for name, bits, count in held:
        fields.append({"name": name, "lsb": lsb, "width": bits, "count": count, "signed": name == "bias"})
        lsb += bits * count
    return fields
