"""``fewbit engine cycles``: how long a matmul engine takes for products of given sizes, and what of it is at work."""

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common.choices import choice, known
from ..common.command import command_line
from ..common.console import percent, print_json, print_table
from ..common.designs import Size, choose_pairs, choose_targets, parse_sizes
from ..common.engine_options import EngineOptions
from ..common.options import Build, Json, Lanes, OneActivation, Stages, Weight
from ..common.options import family as family_option
from ..common.options import size as size_option
from ..common.signature import narrowed, takes_options

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ...formats import Engine

__all__ = ["SIZES", "cycles", "predict"]

SIZES = "256x256x256,512x512x512,4096x4096x4096,250x250x250,257x129x65,1x1x1,8x8x8,1x1024x1024,1024x64x1024"
"""These sizes are square, ragged and tiny; there is a vector by a matrix, and a short k."""

SIDES = tuple(2 ** (half / 2) for half in range(6, 25))
"""Sides of the square products in the chart, before rounding: 8 to 4096."""

TILES = (2, 8, 32)
"""Panels in the chart have so many times the rows of the array."""

INK, QUIET = "#222222", "#707070"
COLORS = ("#9cc3d5", "#1f6f8b", "#d1495b")


def _takes_engine(command: Callable[..., None]) -> Callable[..., None]:
    return narrowed(takes_options(command), {}, {"max_k": {"show_default": "the largest k of --size"}})


@_takes_engine
def cycles(
    context: typer.Context,
    weight: Weight = None,
    activation: OneActivation = None,
    lanes: Lanes = 1,
    pipeline: Stages = 2,
    family: Annotated[str | None, family_option("FPGA family that products are built for:")] = None,
    dsp: Annotated[str, choice(known("none", "auto"), "--dsp", help="Use of the device's multipliers.")] = "none",
    build: Build = "auto",
    size: Annotated[str, size_option("Sizes of products, with commas between.")] = SIZES,
    chart: Annotated[
        Path | None,
        typer.Option("--chart", help="Draw utilization by size as FILE.png and .svg, and the table as FILE.md."),
    ] = None,
    json: Json = False,
    engine: EngineOptions = EngineOptions(),  # noqa: B008  # frozen
) -> None:
    """Predict the clock cycles and the utilization of a matmul engine, to the cycle, where no stream stalls."""
    from ...synth import write_bytes
    from ..common.files import check_folder

    sizes = parse_sizes(size)
    if engine.max_k is None:
        lengths = [each.k for each in sizes]
        shortest = min(lengths) if engine.cycles_an_output is None else None
        engine = replace(engine, max_k=max(lengths), shortest_k=engine.shortest_k or shortest)
    pairs, targets = choose_pairs(weight, activation), choose_targets(family) if family else [None]
    for name, found in (("weight and activation", pairs), ("family", targets)):
        if len(found) != 1:
            raise ValueError(f"{name} must be a single one, not {len(found)}")
    made = engine.engine(*pairs[0], lanes)
    built: dict[str, Any] = {"pipeline": pipeline, "dsp": dsp == "auto", "build": build}
    built["family"] = targets[0].family.name if targets[0] else None
    if chart is not None:
        check_folder(chart.parent)
    rows = predict(made, sizes, **built)
    if chart is not None:
        _draw(made, built, chart)
        tables = {each: predict(each, sizes, **built) for each in _dataflows(made)}
        write_bytes(chart.with_suffix(".md"), _markdown(tables, command_line(context), chart).encode())
    if json:
        print_json({"command": command_line(context), "engine": _about(made) | built, "rows": rows})
        return
    _show(made, rows)


def predict(engine: "Engine", sizes: Sequence[Size], **built: Any) -> list[dict[str, Any]]:
    """A row for each size, with its cycles in all and in parts, the utilization, and the busiest part of the engine.

    ``built``: how the engine is built, as ``Design.matmul`` takes it: its latency, and so its cycles, follow from that.
    """
    from ...hdl import Design
    from ...sim import cycle_limits, engine_cycles, memory_beats, memory_cycles

    latencies = Design.matmul(engine, **built).description()["latencies"]
    rows = []
    for size in sizes:
        took = (engine_cycles if engine.dma is None else memory_cycles)(engine, *size, latencies)
        limits = cycle_limits(engine, *size, latencies)
        if engine.dma is not None:
            limits |= memory_beats(engine, *size)
        rows.append(
            {
                **size._asdict(),
                "cycles": took.total,
                "fill": took.fill,
                "steady": took.steady,
                "drain": took.drain,
                "utilization": took.utilization,
                "limit": max(limits, key=lambda name: limits[name]),
            }
        )
    return rows


def _about(engine: "Engine") -> dict[str, Any]:
    names = ("rows", "columns", "lanes", "dataflow", "tile_m", "max_k", "outputs", "bus_bits")
    return {
        "weight": engine.weight.name,
        "activation": engine.activation.name,
        **{name: getattr(engine, name) for name in names},
        "products": engine.products,
    }


def _title(engine: "Engine", dataflow: bool = True) -> str:
    bus = "a word a beat" if engine.bus_bits is None else f"{engine.bus_bits}-bit streams"
    if engine.dma is not None:
        bus = f"{engine.dma.memory_bits}-bit memory"
    return ", ".join(
        [
            f"{engine.weight} x {engine.activation}",
            f"{engine.rows} x {engine.columns} elements of {engine.lanes} lanes",
            *([engine.dataflow.replace("_", "-"), f"panels of {engine.tile_m} rows"] if dataflow else []),
            f"{engine.outputs} outputs a cycle",
            bus,
        ]
    )


_HEAD = ("m x k x n", "cycles", "fill", "steady", "drain", "utilization", "busiest")


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        f"{row['m']} x {row['k']} x {row['n']}",
        *(f"{row[name]:,}" for name in ("cycles", "fill", "steady", "drain")),
        percent(row["utilization"]),
        row["limit"],
    )


def _show(engine: "Engine", rows: list[dict[str, Any]]) -> None:
    from rich.table import Table

    shown = Table(title=_title(engine), title_justify="left")
    for name in _HEAD:
        shown.add_column(name, justify="left" if name == "busiest" else "right")
    for row in rows:
        shown.add_row(*_cells(row))
    print_table(shown)
    print(f"utilization: products, of {engine.products} a cycle. busiest: array, drain (of its sums), or a stream.")


def _dataflows(engine: "Engine") -> list["Engine"]:
    """The engine with every dataflow that it can have."""
    from ...formats import DATAFLOWS

    tile = -(-engine.tile_m // engine.rows) * engine.rows
    names = DATAFLOWS if engine.blocks is None else DATAFLOWS[:1]
    return [replace(engine, dataflow=name, tile_m=tile) for name in names]


def _markdown(tables: "dict[Engine, list[dict[str, Any]]]", command: str, chart: Path) -> str:
    lines = ["# Utilization of a matmul engine"]
    for engine, rows in tables.items():
        lines += ["", f"{_title(engine)}. No stream stalls.", ""]
        lines += [f"| {' | '.join(_HEAD)} |", f"|{'---:|' * (len(_HEAD) - 1)}---|"]
        lines += [f"| {' | '.join(_cells(row))} |" for row in rows]
    lines += [
        "",
        "Cycles are those that the register `cycles` shows. Fill is the time until the first panels are loaded. Steady",
        "is the time from the first word that is multiplied to the last. Drain is the time from then to the last of C.",
        "The busiest part is the array, the drain of its sums, or a stream. Utilization is the share of the",
        f"{engine.products} products a cycle that the array can make.",
        "",
        f"![Utilization by size]({chart.with_suffix('.svg').name})",
        "",
        f"Written by `{command}`.",
    ]
    return "\n".join(lines) + "\n"


def _draw(engine: "Engine", built: dict[str, Any], path: Path) -> None:
    """Utilization against m = k = n, for both dataflows and several panels, as PNG and SVG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    from ...synth import write_bytes

    engines = _dataflows(engine)
    sides = [round(side) for side in SIDES]
    with matplotlib.rc_context({"font.size": 9, "svg.hashsalt": "fewbit", "text.color": INK}):
        figure = Figure(figsize=(4.8 * len(engines), 3.9), layout="constrained", facecolor="white")
        axes = figure.subplots(1, len(engines), sharey=True, squeeze=False)[0]
        for axis, drawn in zip(axes, engines, strict=True):
            for color, tile in zip(COLORS, TILES, strict=True):
                each = replace(drawn, tile_m=tile * engine.rows, max_k=max(sides))
                rows = predict(each, [Size(side, side, side) for side in sides], **built)
                axis.plot(
                    sides,
                    [100 * row["utilization"] for row in rows],
                    marker=".",
                    color=color,
                    label=f"panels of {each.tile_m} rows",
                )
            _label(axis, drawn.dataflow)
        axes[0].set_ylabel("utilization, %")
        axes[0].legend(loc="lower right", frameon=False)
        figure.suptitle("Products, of all that the array could make", fontsize=12, fontweight="bold")
        figure.supxlabel(f"{_title(engine, dataflow=False)}; no stream stalls", fontsize=8, color=QUIET)
        for suffix, options in ((".png", {"dpi": 160}), (".svg", {"metadata": {"Date": None}})):
            image = io.BytesIO()
            figure.savefig(image, format=suffix[1:], **options)
            write_bytes(path.with_suffix(suffix), image.getvalue())


def _label(axis: "Axes", dataflow: str) -> None:
    ticks = [8, 32, 128, 512, 2048]
    axis.set_xscale("log", base=2)
    axis.set_xticks(ticks, list(map(str, ticks)))
    axis.set_ylim(0, 102)
    axis.axhline(95, color=QUIET, linewidth=0.8, linestyle=":")
    axis.set_title(dataflow.replace("_", "-"), fontsize=10, loc="left")
    axis.set_xlabel("m = k = n")
    axis.grid(color="#e4e4e4", linewidth=0.8)
    axis.tick_params(length=0)
    axis.spines[["top", "right", "bottom", "left"]].set_visible(False)
