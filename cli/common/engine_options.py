"""The options of units that requantize, and of the matmul engine: one list of them for every command."""

import functools
import inspect
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

if TYPE_CHECKING:
    from ...formats import Blocks, Engine, Format, Requantization

__all__ = ["EngineOptions", "takes_engine", "takes_engine_on_a_board"]

ENGINE = "Matmul engine"
OUTPUT = "Output of matmul, requantize and dequantize"
BLOCKS = "Blocks of matmul, block_dot and dequantize"

_USED = {
    "requantize": (
        "output",
        "scale",
        "tensor_scale",
        "bias_bits",
        "zero_point",
        "relu",
        "rounding",
        "overflow",
        "seed",
    ),
    "dequantize": ("output", "scale", "tensor_scale", "relu", "rounding", "overflow", "seed", "block_size"),
    "block_dot": ("block_size", "block_scale", "accumulate"),
}
"""The options that a unit other than matmul, which has them all, has a use for."""

DEFAULT_BLOCK = 32

ON_BOARDS = {"output": "float32", "scale": "none"}
"""What engines on boards have, real and simulated, where neither is named: sums as they are."""

SHOWN_ON_BOARDS = {
    "output": "float32, with --scale int8",
    "scale": "none, with --output dyadic16s5 for integers, else float8_e8m0fnu",
}
"""The same, as help has it."""

BUSES = ("bus_bits", "control")
"""Options without a use there: the engine is behind the link."""


def _option(name: str, help: str, panel: str, default: str, metavar: str | None = None) -> Any:
    return typer.Option(name, metavar=metavar, help=help, rich_help_panel=panel, show_default=default)


@dataclass(frozen=True)
class EngineOptions:
    """What the user gave; None where nothing, so that an option without a use can be told from a default."""

    output: Annotated[
        str | None,
        _option(
            "--output",
            "Format of the outputs, as float8_e4m3fn.",
            OUTPUT,
            "int8, of dequantize bfloat16",
            "FORMAT",
        ),
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
        str | None, _option("--scale-per", "tensor, or channel: a scale for every column.", OUTPUT, "tensor")
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
        str | None,
        _option("--rounding", "ties_to_even, toward_zero or stochastic.", OUTPUT, "ties_to_even"),
    ] = None
    overflow: Annotated[str | None, _option("--overflow", "saturate, infinity, nan or wrap.", OUTPUT, "saturate")] = (
        None
    )
    seed: Annotated[int | None, _option("--seed", "Of stochastic rounding.", OUTPUT, "1")] = None
    rows: Annotated[int | None, _option("--rows", "Rows of processing elements.", ENGINE, "4")] = None
    columns: Annotated[int | None, _option("--columns", "Columns of processing elements.", ENGINE, "4")] = None
    dataflow: Annotated[
        str | None, _option("--dataflow", "output_stationary or weight_stationary.", ENGINE, "output_stationary")
    ] = None
    tile_m: Annotated[
        int | None, _option("--tile-m", "Rows of A in a panel; two panels are held in RAM.", ENGINE, "4 times the rows")
    ] = None
    max_k: Annotated[int | None, _option("--max-k", "Largest k.", ENGINE, "1024")] = None
    outputs: Annotated[
        int | None, _option("--outputs", "Outputs requantized a cycle; divides the columns.", ENGINE, "1")
    ] = None
    block_size: Annotated[
        int | None,
        _option(
            "--block-size",
            "Values of k that share a scale: 16, 32, 64 or 128; of dequantize any multiple of the lanes.",
            BLOCKS,
            "none, of block_dot and dequantize 32",
        ),
    ] = None
    block_scale: Annotated[
        str | None,
        _option("--block-scale", "Format of the block scales of both operands.", BLOCKS, "float8_e8m0fnu", "FORMAT"),
    ] = None
    accumulate: Annotated[
        str | None,
        _option(
            "--accumulate", "How blocks are added: exact, float32, or auto (exact up to 128 bits).", BLOCKS, "auto"
        ),
    ] = None
    weight_zero_point: Annotated[
        bool | None, _option("--weight-zero-point", "Subtract a zero point from integer weights.", ENGINE, "no")
    ] = None
    bus_bits: Annotated[
        int | None,
        _option("--bus-bits", "Width of every AXI4-Stream, a multiple of 8.", ENGINE, "each as wide as its word"),
    ] = None
    control: Annotated[
        str | None, _option("--control", "Bus of the registers: axi_lite or wishbone.", ENGINE, "axi_lite")
    ] = None

    def on_a_board(self) -> "EngineOptions":
        """With the output of ``ON_BOARDS`` where none and no scale was given."""
        named = self.output is not None or self.scale is not None
        return self if named else replace(self, output=ON_BOARDS["output"], scale=ON_BOARDS["scale"])

    def check_unused(self, unit: str) -> None:
        """Raise ValueError where an option was given that the unit, which isn't matmul, has no use for."""
        for field in fields(self):
            if getattr(self, field.name) is not None and field.name not in _USED.get(unit, ()):
                raise ValueError(
                    f"--{field.name.replace('_', '-')} must be left out for {unit}, which has no use for it"
                )

    def parameters(self, unit: str) -> dict[str, Any]:
        """What a design of the unit, which isn't matmul, has beside its formats. Raises ValueError."""
        self.check_unused(unit)
        size = DEFAULT_BLOCK if self.block_size is None else self.block_size
        if unit == "requantize":
            return {"requantization": self.requantization()}
        if unit == "dequantize":
            return {"requantization": self.requantization("bfloat16"), "block_size": size}
        if unit == "block_dot":
            return {"blocks": replace(self, block_size=size).blocks()}
        return {}

    def requantization(self, default_output: str = "int8") -> "Requantization":
        from ...formats import Integer, Overflow, Requantization, Rounding, parse

        output = parse(self.output or default_output)
        scale = self.scale or ("dyadic16s5" if isinstance(output, Integer) else "float8_e8m0fnu")
        return Requantization(
            output,
            scale=None if scale == "none" else parse(scale),
            tensor_scale=_format(self.tensor_scale),
            bias_bits=self.bias_bits or 0,
            zero_point=bool(self.zero_point),
            relu=bool(self.relu),
            rounding=_policy("rounding", self.rounding or "ties_to_even", Rounding),
            overflow=_policy("overflow", self.overflow or "saturate", Overflow),
            seed=1 if self.seed is None else self.seed,
        )

    def blocks(self) -> "Blocks | None":
        from ...formats import Blocks, parse

        if self.block_size is None:
            for name, value in (("block-scale", self.block_scale), ("accumulate", self.accumulate)):
                if value is not None:
                    raise ValueError(f"--block-size must be given with --{name}")
            return None
        scale = parse(self.block_scale or "float8_e8m0fnu")
        return Blocks(self.block_size, scale, scale, self.accumulate or "auto")

    def engine(self, weight: "Format", activation: "Format", lanes: int) -> "Engine":
        """The engine for a pair of formats. Raises ValueError."""
        from ...formats import Engine

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
            scale_per=self.scale_per or "tensor",
            blocks=self.blocks(),
            weight_zero_point=bool(self.weight_zero_point),
            bus_bits=self.bus_bits,
            control=self.control or "axi_lite",
        )


def _format(name: str | None) -> "Format | None":
    from ...formats import parse

    return None if name in (None, "none") else parse(name)


def _policy(what: str, name: str, kind: Any) -> Any:
    values = [policy.value for policy in kind]
    if name not in values:
        raise ValueError(f"{what} must be one of {', '.join(values)}, not {name!r}")
    return kind(name)


def takes_engine_on_a_board(**shown: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """``takes_engine`` for an engine behind a board's link; ``shown`` has more defaults that are others there."""
    return functools.partial(takes_engine, shown=SHOWN_ON_BOARDS | shown, without=BUSES)


def takes_engine(
    command: Callable[..., None], shown: Mapping[str, str] = MappingProxyType({}), without: tuple[str, ...] = ()
) -> Callable[..., None]:
    """A command with an argument ``engine`` gets every field of ``EngineOptions`` as an option in its place.

    Parameters
    ----------
    shown: defaults that its help has instead of those of ``EngineOptions``
    without: fields that it does not get
    """
    hints = get_type_hints(EngineOptions, include_extras=True)
    for name, default in shown.items():
        option = copy(hints[name].__metadata__[0])
        option.show_default = default
        hints[name] = Annotated[hints[name].__origin__, option]
    options = [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
        for field in fields(EngineOptions)
        if field.name not in without
    ]
    own = inspect.signature(command)
    names = [option.name for option in options]

    @functools.wraps(command)
    def with_options(*args: Any, **given: Any) -> None:
        engine = EngineOptions(**{name: given.pop(name) for name in names})
        command(*args, **given, engine=engine)

    kept = [parameter for parameter in own.parameters.values() if parameter.name != "engine"]
    with_options.__signature__ = own.replace(parameters=[*kept, *options])  # type: ignore[attr-defined]
    with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in [*kept, *options]}
    del with_options.__wrapped__  # type: ignore[attr-defined]  # whose signature would be taken for this one's
    return with_options
