"""The options, alike in every command, and the designs that they stand for."""

import difflib
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from .engine_options import EngineOptions

if TYPE_CHECKING:
    from ...formats import Format
    from ...hdl import Design
    from ...synth import Target

__all__ = [
    "DEFAULT_FORMAT",
    "FORMATS_HELP",
    "Activation",
    "Build",
    "Dsp",
    "Families",
    "Formats",
    "Jobs",
    "Json",
    "Lanes",
    "OneActivation",
    "Out",
    "Pipeline",
    "Size",
    "Terms",
    "UnitName",
    "Weight",
    "choose_designs",
    "choose_formats",
    "choose_pairs",
    "choose_policies",
    "choose_targets",
    "command_line",
    "design_name",
    "parse_integers",
    "parse_sizes",
]

DEFAULT_FORMAT = "int8"

UnitName = Annotated[
    str, typer.Argument(metavar="UNIT", help="decode, multiply, mac, dot, block_dot, requantize, dequantize or matmul.")
]
FORMATS_HELP = "Formats of the weights: names, patterns and widths with commas between, as e2m1,int4 or 'e4*' or 4bit."
Formats = Annotated[
    str | None, typer.Option("--weight", metavar="FORMATS", show_default=DEFAULT_FORMAT, help=FORMATS_HELP)
]
Activation = Annotated[
    str | None,
    typer.Option(
        "--activation",
        metavar="FORMATS",
        show_default="that of each weight",
        help="Formats of the activations; every weight meets every activation.",
    ),
]
Weight = Annotated[
    str | None, typer.Option("--weight", metavar="FORMAT", show_default=DEFAULT_FORMAT, help="Format of the weights.")
]
OneActivation = Annotated[
    str | None,
    typer.Option(
        "--activation", metavar="FORMAT", show_default="that of the weights", help="Format of the activations."
    ),
]
Terms = Annotated[int, typer.Option("--terms", help="Most products in one sum; it cannot overflow.")]
Fill = Annotated[
    float | None,
    typer.Option(
        "--fill", help="Share of the device that the search begins at, as predicted.", show_default="by family"
    ),
]
Lanes = Annotated[
    int,
    typer.Option(
        "--lanes",
        help="Products a cycle: of a dot or block_dot, or of each element of a matmul; codes of a dequantize.",
    ),
]
Pipeline = Annotated[int, typer.Option("--pipeline", help="Register stages, 0 to 3.")]
Families = Annotated[
    str | None,
    typer.Option("--family", metavar="FAMILIES", help="FPGA families with commas between, as ice40,xc7, or all."),
]
Dsp = Annotated[str, typer.Option("--dsp", help="Use of the device's multipliers: none, auto or both.")]
Build = Annotated[
    str, typer.Option("--build", help="How products are built: auto, whole, table, rows, digits or booth.")
]
Out = Annotated[Path, typer.Option("--out", help="Folder for the files.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Jobs = Annotated[
    int | None, typer.Option("--jobs", min=1, show_default="one a core", help="Processes to work in parallel.")
]


class Size(NamedTuple):
    m: int
    k: int
    n: int

    def __str__(self) -> str:
        return "x".join(map(str, self))


def command_line(context: typer.Context) -> str:
    """The command as the user gave it."""
    return shlex.join(["fewbit", *context.find_root().obj])


def choose_formats(text: str) -> "list[Format]":
    from ...formats import parse_list

    return parse_list(text)


def choose_pairs(weight: str | None, activation: str | None) -> "list[tuple[Format, Format]]":
    """The pairs of formats that the two options stand for: crossed, or each weight with itself."""
    weights = choose_formats(weight or DEFAULT_FORMAT)
    if activation is None:
        return [(format, format) for format in weights]
    activations = choose_formats(activation)
    return [(weight, activation) for weight in weights for activation in activations]


def choose_targets(text: str) -> "list[Target]":
    """The targets that ``--family`` stands for. Raises ValueError that suggests the nearest."""
    from ...synth import parse_target, targets

    if text == "all":
        return targets()
    found = {}
    for item in (item.strip() for item in text.split(",")):
        try:
            found[item] = parse_target(item)
        except ValueError as error:
            raise ValueError(f"{error}{_nearest(item, [target.name for target in targets()])}") from None
    return list(dict.fromkeys(found.values()))


def choose_policies(dsp: str) -> tuple[str, ...]:
    if dsp not in ("none", "auto", "both"):
        raise ValueError(f"dsp must be none, auto or both, not {dsp!r}")
    return ("none", "auto") if dsp == "both" else (dsp,)


def choose_designs(
    unit: str,
    weight: str | None,
    activation: str | None,
    *,
    terms: int,
    lanes: int,
    pipeline: int,
    build: str,
    families: Sequence[str | None] = (None,),
    policies: Sequence[str] = ("none",),
    engine: "EngineOptions | None" = None,
) -> "list[Design]":
    """Every design that the options stand for, each once. Raises ValueError."""
    from ...hdl import UNITS, Design

    if unit not in UNITS:
        raise ValueError(f"unit must be one of {', '.join(UNITS)}, not {unit!r}{_nearest(unit, list(UNITS))}")
    pairs = choose_pairs(weight, activation if "activation" in UNITS[unit].operands else None)
    if unit == "matmul":
        engine = engine or EngineOptions()
        engines = [engine.engine(w, a, lanes) for w, a in pairs]
        return [
            Design.matmul(each, pipeline=pipeline, dsp=policy == "auto", build=build, family=family)
            for each in engines
            for family in families
            for policy in policies
        ]
    parameters = (engine or EngineOptions()).parameters(unit)
    designs = {
        Design(unit, w, a, terms, lanes, pipeline, policy == "auto", build, family, **parameters): None
        for w, a in pairs
        for family in families
        for policy in policies
    }
    return list(designs)


def design_name(design: "Design") -> str:
    """A name for files: ``mac_e2m1_int4``."""
    from ...hdl import UNITS

    formats = [getattr(design, name).label for name in UNITS[design.unit].operands]
    if design.requantization is not None:
        formats.append(design.requantization.output.label)
    return "_".join([design.unit, *formats])


def _nearest(name: str, known: list[str]) -> str:
    return f"; did you mean {difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.0)[0]!r}?"


def parse_sizes(text: str) -> list[Size]:
    """Sizes as in ``256x256x256,1x1024x64``. Raises ValueError."""
    sizes = []
    for item in (item.strip() for item in text.split(",")):
        parts = item.lower().split("x")
        if len(parts) != 3 or not all(part.isdecimal() for part in parts):
            raise ValueError(f"size must be MxKxN, as 256x256x256, not {item!r}")
        sizes.append(Size(*map(int, parts)))
    return sizes


def parse_integers(name: str, text: str) -> tuple[int, ...]:
    """Integers as in ``1,2,3``. Raises ValueError that names the option."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"{name} must be integers with commas between, not {text!r}") from None
