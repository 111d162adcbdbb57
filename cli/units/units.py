"""The units as commands: each has the options that it has a use for, and refuses the others by name."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import typer

from ..common.command import Command, Group, made
from ..common.signature import narrowed

__all__ = ["UNIT_OPTIONS", "UnitGroup", "unit_group"]

_PRODUCTS = {"weight", "activation", "dsp", "pipeline", "build"}
_ELEMENT = {"element"}
_OUTPUT = {"output", "scale", "tensor_scale", "relu", "rounding", "overflow", "rounding_seed"}
_SUM = {"bias_bits", "zero_point"}
_ARRAY = {"rows", "columns", "dataflow", "tile_m", "max_k", "outputs", "shortest_k", "scale_per"}
_MEMORY = {"dma", "address_bits", "burst", "outstanding", "packing"}
_ENGINE = _ARRAY | _MEMORY | {"cycles_an_output", "weight_zero_point", "bus_bits", "control"}
_BLOCKS = {"block_size", "block_scale", "block_zero_points", "accumulate"}

UNIT_OPTIONS: dict[str, set[str]] = {
    "decode": {"weight"},
    "multiply": _PRODUCTS | _ELEMENT,
    "mac": _PRODUCTS | _ELEMENT | {"terms", "against"},
    "dot": _PRODUCTS | _ELEMENT | {"terms", "lanes", "against"},
    "block_dot": _PRODUCTS | _BLOCKS | {"terms", "lanes"},
    "requantize": _OUTPUT | _SUM | {"weight", "activation", "terms", "dsp", "cycles_an_output"},
    "dequantize": _OUTPUT | {"weight", "lanes", "dsp", "block_size"},
    "unpack_trits": {"weight", "lanes"},
    "unpack_fields": {"weight", "lanes"},
    "matmul": _PRODUCTS | _ELEMENT | _OUTPUT | _SUM | _ENGINE | _BLOCKS | {"lanes", "size", "stalls", "tool"},
}
"""The options that a unit has, of those that not every unit has, by the names of their parameters."""

_UNPACKED = {
    "weight": {"help": "Format of the codes: ternary."},
    "lanes": {"help": "Bytes a cycle."},
}

_WORDS: dict[str, dict[str, dict[str, Any]]] = {
    "decode": {"weight": {"help": "Formats of the codes, with commas between, as e2m1,int4 or 'e4*' or 4bit."}},
    "dot": {
        "lanes": {"help": "Products a cycle."},
        "against": {"help": "The dot products of the best open designs, of 32 lanes, beside ours."},
    },
    "block_dot": {
        "lanes": {"help": "Products a cycle; they divide the block size."},
        "pipeline": {"help": "Register stages, 1 to 3."},
        "block_size": {"show_default": "32"},
    },
    "requantize": {
        "bias_bits": {"help": "Bits of a bias, in the accumulator's unit."},
        "cycles_an_output": {"show_default": "1"},
    },
    "dequantize": {
        "weight": {"help": "Formats of the codes, with commas between, as e2m1,int4 or 'e4*' or 4bit."},
        "lanes": {"help": "Codes a cycle."},
        "output": {"show_default": "bfloat16"},
        "scale": {"show_default": "float8_e8m0fnu"},
        "block_size": {"help": "Codes that share a scale, a multiple of the lanes.", "show_default": "32"},
    },
    "unpack_trits": _UNPACKED,
    "unpack_fields": _UNPACKED,
    "matmul": {
        "lanes": {"help": "Products a cycle of each element."},
        "pipeline": {"help": "Register stages, 1 to 3, on ECP5 up to 4."},
    },
}
"""Words of help for options of a unit, where they differ from those for the same option of other units."""

NETWORK_COMMANDS = ("verilog", "simulate", "synth")
"""The commands that take a network, too, which has options of its own."""

MISSING = "unit must be given, one of {}"


class UnitGroup(Group):
    """A command whose first argument is a unit. The unit may come after options, too."""

    kind = "unit"

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        if not args and not ctx.resilient_parsing:
            raise ValueError(MISSING.format(", ".join(self.commands)))
        return super().parse_args(ctx, self._unit_first(args))

    def _unit_first(self, args: list[str]) -> list[str]:
        """Move the first argument that is neither an option nor the value of one to the front."""
        if not args or not args[0].startswith("-"):
            return args
        units: list[Any] = [*self.commands.values()]
        place = 0
        while place < len(args) and args[place].startswith("-"):
            place += 2 if any(unit.takes_value(args[place]) for unit in units) else 1
        if place >= len(args) and not {*args} & {"-h", "--help"}:
            raise ValueError(MISSING.format(", ".join(self.commands)))
        return [*args[place : place + 1], *args[:place], *args[place + 1 :]]

    def format_help(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        from ...hdl import UNITS, NetworkDesign

        for name, command in self.commands.items():
            command.short_help = UNITS.get(name, NetworkDesign).summary
        super().format_help(ctx, formatter)  # type: ignore[arg-type]

    def siblings(self) -> Mapping[str, Any]:
        return self.commands


_MORE = {
    "verilog": {"matmul": "matmul.h comes with them: its registers for C."},
    "simulate": {
        "matmul": "Products of many sizes are made, with stalls, resets and refused starts; with --size a single one."
    },
}
"""Further sentences of the help of a command for a unit."""


def unit_group(command: Callable[..., None], name: str) -> UnitGroup:
    """The group of commands for a command that takes a unit, with one for every unit."""
    makers = {unit: _maker(command, unit, _MORE.get(name, {}).get(unit)) for unit in UNIT_OPTIONS}
    if name in NETWORK_COMMANDS:
        makers["network"] = partial(_network, name)
    help = inspect.cleandoc(command.__doc__ or "")
    return UnitGroup(name, help, makers, subcommand_metavar="UNIT [OPTIONS]", options_metavar="")


def _network(name: str) -> Command:
    from .network import COMMANDS

    found: Command = made(COMMANDS[name], "network", panel="Networks")
    return found


def _maker(command: Callable[..., None], unit: str, more: str | None) -> Callable[[], Command]:
    some = set().union(*UNIT_OPTIONS.values())

    def make() -> Command:
        parameters = inspect.signature(command).parameters
        unused = {
            name: each.default for name, each in parameters.items() if name in some and name not in UNIT_OPTIONS[unit]
        }
        help = inspect.cleandoc(command.__doc__ or "").replace("UNIT", unit) + (f"\n\n{more}" if more else "")
        words = {"module": {"show_default": unit}} | _WORDS.get(unit, {})
        found: Command = made(narrowed(command, unused | {"unit": unit}, words, help), unit, panel="Units")
        return found

    return make
