"""The options of units that requantize and of the matmul engine. All commands share this list."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...formats import CONTROLS, DATAFLOWS, PACKINGS, Overflow, Rounding
from ...formats.blocks import ACCUMULATE
from .choices import choice, completed, known
from .options import element as element_option
from .options import formats
from .signature import narrowed, takes_options

if TYPE_CHECKING:
    from ...formats import Blocks, Dma, Element, Engine, Format, Requantization

__all__ = ["MEMORY_OPTIONS", "EngineOptions", "takes_engine_on_a_board"]

ARITHMETIC = "Arithmetic"
ENGINE = "Matmul engine"
OUTPUT = "Output"
BLOCKS = "Blocks"
MEMORY = "Memory"

DEFAULT_BLOCK = 32

ON_BOARDS = {"output": "float32", "scale": "none"}
"""The output of engines on real and simulated boards, if neither option is given: sums as they are."""

SCALE_PER = ("tensor", "channel")

SHOWN_ON_BOARDS = {
    "output": "float32, with --scale int8",
    "scale": "none, with --output dyadic16s5 for integers, else float8_e8m0fnu",
}
"""The same defaults in the words of help."""

WITH_ELEMENT = ("multiply", "mac", "dot")
"""The units, beside engines, that have an element to choose."""

MEMORY_OPTIONS = ("dma", "address_bits", "burst", "outstanding", "packing")

BUSES = ("bus_bits", "control", *MEMORY_OPTIONS)
"""Options that have no use on boards, where the engine is behind the link."""


def _values(kind: type[Enum]) -> list[str]:
    return [each.value for each in kind]


def _option(name: str, help: str, panel: str, default: str, metavar: str | None = None, names: Any = None) -> Any:
    """An option of a panel; ``names`` are what its value is one of, or ``formats`` that its value is among."""
    shown: dict[str, Any] = {"rich_help_panel": panel, "show_default": default}
    if metavar == "FORMAT":
        return typer.Option(name, metavar=metavar, help=help, autocompletion=completed(formats), **shown)
    if names is not None:
        return choice(known(*names), name, help=help, **shown)
    return typer.Option(*name.split(), metavar=metavar, help=help, **shown)


@dataclass(frozen=True)
class EngineOptions:
    """The values of the options. None says that an option was not given, so that one without a use can be refused."""

    element: Annotated[str | None, element_option(rich_help_panel=ARITHMETIC)] = None
    output: Annotated[
        str | None, _option("--output", "Format of the outputs, as float8_e4m3fn.", OUTPUT, "int8", "FORMAT")
    ] = None
    scale: Annotated[
        str | None,
        _option(
            "--scale",
            "Format of the scale: float8_e8m0fnu (powers of two), a minifloat, dyadic{M}s{S} (integer multiplier of M "
            "bits and right shift of S bits), bfloat16, float32; or none.",
            OUTPUT,
            "dyadic16s5 for integer outputs, else float8_e8m0fnu",
            "FORMAT",
        ),
    ] = None
    scale_per: Annotated[
        str | None,
        _option("--scale-per", "One scale, or a scale for every column.", OUTPUT, "tensor", names=SCALE_PER),
    ] = None
    tensor_scale: Annotated[
        str | None,
        _option(
            "--tensor-scale", "Format of a second scale for the whole tensor, as NVFP4 has.", OUTPUT, "none", "FORMAT"
        ),
    ] = None
    bias_bits: Annotated[
        int | None, _option("--bias-bits", "Bits of a bias for every column, in the accumulator's unit.", OUTPUT, "0")
    ] = None
    zero_point: Annotated[
        bool | None, _option("--zero-point", "Add a zero point to integer outputs.", OUTPUT, "no")
    ] = None
    relu: Annotated[bool | None, _option("--relu", "Make negative outputs zero.", OUTPUT, "no")] = None
    rounding: Annotated[
        str | None, _option("--rounding", "How outputs are rounded.", OUTPUT, "ties_to_even", names=_values(Rounding))
    ] = None
    overflow: Annotated[
        str | None,
        _option("--overflow", "What outputs out of range become.", OUTPUT, "saturate", names=_values(Overflow)),
    ] = None
    rounding_seed: Annotated[
        int | None, _option("--rounding-seed --seed", "Seed of stochastic rounding.", OUTPUT, "1")
    ] = None
    rows: Annotated[int | None, _option("--rows", "Rows of processing elements.", ENGINE, "4")] = None
    columns: Annotated[int | None, _option("--columns", "Columns of processing elements.", ENGINE, "4")] = None
    dataflow: Annotated[
        str | None,
        _option("--dataflow", "What stays in the array.", ENGINE, "output_stationary", names=DATAFLOWS),
    ] = None
    tile_m: Annotated[
        int | None, _option("--tile-m", "Rows of A in a panel; two panels are held in RAM.", ENGINE, "4 times the rows")
    ] = None
    max_k: Annotated[int | None, _option("--max-k", "Largest k.", ENGINE, "1024")] = None
    outputs: Annotated[
        int | None, _option("--outputs", "Outputs requantized at a time; divides the columns.", ENGINE, "1")
    ] = None
    shortest_k: Annotated[
        int | None,
        _option("--shortest-k", "Shortest k whose outputs do not hold the array up.", ENGINE, "half of the largest k"),
    ] = None
    cycles_an_output: Annotated[
        int | None,
        _option(
            "--cycles-an-output",
            "Most cycles that an output may take to be requantized: the more, the less logic.",
            ENGINE,
            "what sums over the shortest k leave",
        ),
    ] = None
    block_size: Annotated[
        int | None,
        _option("--block-size", "Values of k that share a scale: 16, 32, 64 or 128.", BLOCKS, "none"),
    ] = None
    block_scale: Annotated[
        str | None,
        _option("--block-scale", "Format of the block scales of both operands.", BLOCKS, "float8_e8m0fnu", "FORMAT"),
    ] = None
    accumulate: Annotated[
        str | None,
        _option(
            *("--accumulate", "How blocks are added; auto: exact up to 128 bits.", BLOCKS, "auto"), names=ACCUMULATE
        ),
    ] = None
    block_zero_points: Annotated[
        bool | None,
        _option("--block-zero-points", "Subtract a zero point from the weights of each block.", BLOCKS, "no"),
    ] = None
    weight_zero_point: Annotated[
        bool | None, _option("--weight-zero-point", "Subtract a zero point from integer weights.", ENGINE, "no")
    ] = None
    bus_bits: Annotated[
        int | None,
        _option("--bus-bits", "Width of every AXI4-Stream, a multiple of 8.", ENGINE, "each as wide as its word"),
    ] = None
    control: Annotated[
        str | None, _option("--control", "Bus of the registers.", ENGINE, "axi_lite", names=CONTROLS)
    ] = None
    dma: Annotated[
        int | None,
        _option(
            "--dma",
            "Read A and W from memory and write C there, by an AXI4 master of so many bits in the place of streams.",
            MEMORY,
            "streams",
            "BITS",
        ),
    ] = None
    address_bits: Annotated[
        int | None, _option("--address-bits", "With --dma: bits of an address in memory.", MEMORY, "32")
    ] = None
    burst: Annotated[
        int | None, _option("--burst", "With --dma: beats of a row that are moved at a time.", MEMORY, "8")
    ] = None
    outstanding: Annotated[
        int | None, _option("--outstanding", "With --dma: bursts under way, at most.", MEMORY, "16")
    ] = None
    packing: Annotated[
        str | None,
        _option(
            "--packing",
            "With --dma: codes in memory side by side, each in a power of two of bits; or each in bytes of its own.",
            MEMORY,
            "packed",
            names=PACKINGS,
        ),
    ] = None

    def on_a_board(self) -> "EngineOptions":
        """The options with the output of ``ON_BOARDS`` if neither an output nor a scale was given."""
        named = self.output is not None or self.scale is not None
        return self if named else replace(self, output=ON_BOARDS["output"], scale=ON_BOARDS["scale"])

    def suiting(self, tool: str) -> "EngineOptions":
        """The options with the buses that suit a tool, where none were given."""
        from ...integrate import DEFAULTS

        defaults = {name: value for name, value in DEFAULTS[tool].items() if getattr(self, name) is None}
        if self.dma is not None:
            defaults.pop("bus_bits", None)
        return replace(self, **defaults)

    def parameters(self, unit: str) -> dict[str, Any]:
        """The parameters of a design of this unit, which is not matmul, besides its formats. Raises ValueError."""
        size = DEFAULT_BLOCK if self.block_size is None else self.block_size
        if unit == "requantize":
            return {"requantization": self.requantization(), "cycles_an_output": self.cycles_an_output}
        if unit == "dequantize":
            return {"requantization": self.requantization("bfloat16"), "block_size": size}
        if unit == "block_dot":
            return {"blocks": replace(self, block_size=size).blocks()}
        return {"element": self.multiplies_by()} if unit in WITH_ELEMENT else {}

    def multiplies_by(self) -> "Element":
        """The element of ``--element``. Raises ValueError."""
        from ...formats import EXACT, parse_element

        return EXACT if self.element is None else parse_element(self.element)

    def requantization(self, default_output: str = "int8") -> "Requantization":
        from ...formats import Integer, Requantization, parse

        output = parse(self.output or default_output)
        scale = self.scale or ("dyadic16s5" if isinstance(output, Integer) else "float8_e8m0fnu")
        return Requantization(
            output,
            scale=None if scale == "none" else parse(scale),
            tensor_scale=_format(self.tensor_scale),
            bias_bits=self.bias_bits or 0,
            zero_point=bool(self.zero_point),
            relu=bool(self.relu),
            rounding=Rounding(self.rounding or "ties_to_even"),
            overflow=Overflow(self.overflow or "saturate"),
            seed=1 if self.rounding_seed is None else self.rounding_seed,
        )

    def blocks(self) -> "Blocks | None":
        from ...formats import Blocks, parse

        if self.block_size is None:
            given = {"block-scale": self.block_scale, "accumulate": self.accumulate}
            for name, value in (given | {"block-zero-points": self.block_zero_points or None}).items():
                if value is not None:
                    raise ValueError(f"--block-size must be given with --{name}")
            return None
        scale = parse(self.block_scale or "float8_e8m0fnu")
        return Blocks(self.block_size, scale, scale, self.accumulate or "auto", bool(self.block_zero_points))

    def engine(self, weight: "Format", activation: "Format", lanes: int) -> "Engine":
        """The engine for a pair of formats. Raises ValueError."""
        from ...formats import Engine

        if self.shortest_k is not None and self.cycles_an_output is not None:
            raise ValueError("--shortest-k must be left out with --cycles-an-output, which says what it would")
        rows = 4 if self.rows is None else self.rows
        return Engine(
            weight,
            activation,
            self.requantization(),
            rows=rows,
            columns=4 if self.columns is None else self.columns,
            lanes=lanes,
            dataflow=self.dataflow or "output_stationary",
            tile_m=4 * rows if self.tile_m is None else self.tile_m,
            max_k=1024 if self.max_k is None else self.max_k,
            outputs=1 if self.outputs is None else self.outputs,
            shortest_k=self.shortest_k,
            cycles_an_output=self.cycles_an_output,
            scale_per=self.scale_per or "tensor",
            blocks=self.blocks(),
            weight_zero_point=bool(self.weight_zero_point),
            bus_bits=self.bus_bits,
            control=self.control or "axi_lite",
            element=self.multiplies_by(),
            dma=self.memory(),
        )

    def memory(self) -> "Dma | None":
        """The DMA, if there is one. Raises ValueError."""
        from ...formats import Dma

        named = {name: getattr(self, name) for name in ("address_bits", "burst", "outstanding", "packing")}
        given = {name: value for name, value in named.items() if value is not None}
        if self.dma is None:
            for name in given:
                raise ValueError(f"--dma must be given with --{name.replace('_', '-')}")
            return None
        return Dma(self.dma, **given)


def _format(name: str | None) -> "Format | None":
    from ...formats import parse

    return None if name in (None, "none") else parse(name)


def takes_engine_on_a_board(**shown: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """For commands on an engine behind a board's link; ``shown`` has more defaults that are others there."""
    words = {name: {"show_default": default} for name, default in (SHOWN_ON_BOARDS | shown).items()}
    return lambda command: narrowed(takes_options(command), dict.fromkeys(BUSES), words)
