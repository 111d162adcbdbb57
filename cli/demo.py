"""``fewbit demo``: from format names to proven and priced hardware, in a table and a chart."""

import csv
import io
import json as json_module
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..formats import Engine, Requantization, parse
from .common.command import command_line
from .common.console import percent, print_json, print_table
from .common.designs import choose_designs, design_name
from .common.options import Jobs, Json, Out
from .demo_network import IMAGES, answer_images
from .demo_study import NETWORKS, SAMPLES, measure_points, write_fronts

if TYPE_CHECKING:
    from ..hdl import Design
    from ..study.measurement.point import Point
    from ..tb import Result

__all__ = ["PAIRS", "demo"]

PAIRS = {
    "4 bits": [("int4", "int4"), ("e2m1", "e2m1"), ("e3m0", "e3m0")],
    "6 bits": [("int6", "int6"), ("e2m3", "e2m3"), ("e3m2", "e3m2")],
    "8 bits": [("int8", "int8"), ("e4m3", "e4m3"), ("e5m2", "e5m2"), ("float8_e4m3fn", "float8_e4m3fn")],
    "mixed": [("int4", "int8"), ("e2m1", "int8"), ("int4", "e4m3"), ("e2m1", "e4m3")],
}
"""Weight and activation: the popular formats of 4, 6 and 8 bits, and narrow weights with wider activations."""

FAMILIES = ("ice40", "xc7")
TERMS = 8192
"""As in the contract of the peers' MACs, so that the figures compare."""

ENGINE = Engine(
    parse("e2m1"),
    parse("int8"),
    Requantization(parse("float8_e4m3fn"), scale=parse("float8_e8m0fnu")),
    rows=8,
    columns=8,
    lanes=4,
    outputs=4,
    tile_m=64,
    max_k=256,
)
SIZE = (256, 256, 256)


def demo(context: typer.Context, jobs: Jobs = None, out: Out = Path("out/demo"), json: Json = False) -> None:
    """MACs of 4, 6 and 8 bits: Verilog, simulated, measured; a matmul; two networks' accuracy; and one on a board.

    Leaves a table as CSV and JSON, a chart, and Pareto fronts as pictures and a page in --out.
    """
    from ..synth import SEEDS, parse_target, peers, write_whole
    from .common.files import check_folder, emit, folders, write_design
    from .demo_chart import draw
    from .units.synth import measure_rows

    started = time.monotonic()
    check_folder(out)
    command = command_line(context)
    options: dict[str, Any] = {"terms": TERMS, "lanes": 1, "pipeline": 2, "build": "auto", "families": FAMILIES}
    designs = [d for pairs in PAIRS.values() for w, a in pairs for d in choose_designs("mac", w, a, **options)]

    def say(text: str) -> None:
        if not json:
            print(text, flush=True)

    say(f"1/8  Verilog of {len(designs)} MACs, {len(designs) // 2} format pairs for each of {' and '.join(FAMILIES)}")
    texts = emit(designs)
    places = folders(designs, out / "verilog")
    written = zip(designs, texts, places, strict=True)
    descriptions = [write_design(design, text, place, command) for design, text, place in written]

    say("2/8  Simulation against the golden model: every operand pair, random sums, resets, both ends of the sum")
    results = _simulate(texts, descriptions, jobs)
    if any(not result.ok for result in results):
        for design, result in zip(designs, results, strict=True):
            for failure in result.failed:
                say(f"{result.unit} for {design.family}: {failure}")
        raise typer.Exit(1)

    say("3/8  Synthesis for ice40, placed and routed with three seeds, and for xc7")
    rows: list[Any] = []
    portable = list({design_name(d): d for d in designs}.values())
    targets = [parse_target(family) for family in FAMILIES]
    measure_rows(portable, targets, ("none",), rows, seeds=SEEDS, jobs=jobs)

    say(f"4/8  A matmul engine, {ENGINE.weight} x {ENGINE.activation}: {'x'.join(map(str, SIZE))} on its Verilog")
    product = _matmul(out / "verilog", command)
    if not product["verified"]:
        raise typer.Exit(1)

    names = [pair for group in PAIRS.values() for pair in group]
    say(
        f"5/8  Accuracy of {' and '.join(NETWORKS)} in these formats: exact, by the golden model, {SAMPLES} images each"
    )
    points = measure_points(names, jobs)

    say("6/8  Pareto fronts: a page to explore, and pictures")
    pictures = write_fronts(points, rows, out / "study", command)

    say(f"7/8  {IMAGES} images of Fashion-MNIST through a network on the simulated iCEBreaker")
    answers = answer_images()

    say("8/8  Table and chart")
    table = _table(designs, results, rows, points)
    head = {
        "command": command,
        "terms": TERMS,
        "pipeline": 2,
        "dsp": "none",
        "peers": peers()["how"],
        "matmul": product,
        "network": answers,
    }
    write_whole(out / "demo.json", json_module.dumps(head | {"rows": table}, indent=1) + "\n")
    write_whole(out / "demo.csv", _csv(table))
    draw(table, {title: len(pairs) for title, pairs in PAIRS.items()}, out / "demo")
    if json:
        print_json(head | {"rows": table})
        return
    _show(table)
    print(
        f"Matmul engine of {ENGINE.rows} x {ENGINE.columns} elements, {ENGINE.products} products a cycle: "
        f"{product['size']} in {product['cycles']:,} cycles, {percent(product['utilization'])} of the peak; "
        "every bit of C is the golden model's."
    )
    _show_answers(answers)
    print(f"Verilog is in {out / 'verilog'}; table and chart: {out / 'demo'}.csv, .json, .png, .svg")
    print(f"Pareto fronts: {', '.join(map(str, pictures))}; to explore: {out / 'study' / 'report.html'}")
    print(f"{time.monotonic() - started:.1f} s")
    if answers["differences"]:
        raise typer.Exit(1)


def _show_answers(answers: dict[str, Any]) -> None:
    pairs = zip(answers["labels"], answers["expected"], strict=True)
    labels = " ".join(str(label) if label == wanted else f"{label}(not {wanted})" for label, wanted in pairs)
    print(
        f"{answers['model']} in {answers['weight']} x {answers['activation']}, all of it, on the simulated "
        f"{answers['board']}: {answers['images_a_second']:.1f} images a second with the serial line, "
        f"{answers['cycles_an_image']:,.0f} cycles each, {answers['right']} of {answers['images']} right; "
        + (answers["differences"] or "every sum is the golden model's.")
    )
    print(f"Its answers: {labels}")


def _simulate(texts: list[str], descriptions: list[dict[str, object]], jobs: int | None) -> "list[Result]":
    from .. import tb
    from ..synth import Cache
    from .common.verdicts import recall, remember, verdict_key
    from .units.simulate import Simulation, in_threads

    keys = [verdict_key(text, about, "simulate") for text, about in zip(texts, descriptions, strict=True)]
    with closing(Cache()) as store:
        results = {key: recall(store, key) for key in keys}
        todo = {key: place for place, key in enumerate(keys) if results[key] is None}

        def simulation(place: int) -> Simulation:
            return lambda: tb.simulate(texts[place], descriptions[place])

        for index, result in in_threads([simulation(place) for place in todo.values()], jobs, "Simulating"):
            key = [*todo][index]
            remember(store, key, result)
            results[key] = result
    return [found for key in keys if (found := results[key]) is not None]


def _matmul(folder: Path, command: str) -> dict[str, Any]:
    """One product in the simulated engine, unless it is known from before."""
    from .. import tb
    from ..hdl import Design
    from ..synth import Cache
    from .common.files import emit, write_design
    from .common.verdicts import recall, remember, verdict_key

    design = Design.matmul(ENGINE)
    text = emit([design])[0]
    description = write_design(design, text, folder / "matmul", command)
    key = verdict_key(text, description, f"product {SIZE}")
    with closing(Cache()) as store:
        result = recall(store, key)
        if result is None:
            result = tb.simulate_matmul(text, description, size=SIZE)
            remember(store, key, result)
    for failure in result.failed:
        print(failure)
    return {
        "weight": ENGINE.weight.name,
        "activation": ENGINE.activation.name,
        "output": ENGINE.requantization.output.name,
        "size": "x".join(map(str, SIZE)),
        "products_a_cycle": ENGINE.products,
        "cycles": result.cycles,
        "utilization": result.utilization,
        "verified": result.ok,
    }


def _table(
    designs: "list[Design]", results: "list[Result]", rows: list[Any], points: "list[Point]"
) -> list[dict[str, Any]]:
    """A line for each format pair: what was verified, what each family and the peer cost, how accurate networks are."""
    from ..synth import peers

    accuracies = {(point.network, point.weight, point.activation): point.accuracy for point in points}

    costs = {(row.weight, row.activation, row.family): row for row in rows}
    known = {(row["weight"], row["activation"]): row for row in peers()["rows"]}
    table = []
    for w, a in (pair for pairs in PAIRS.values() for pair in pairs):
        ice40, xc7 = (costs[w, a, family] for family in FAMILIES)
        checked = [
            result
            for design, result in zip(designs, results, strict=True)
            if (design.weight.name, design.activation.name) == (w, a)
        ]
        peer = known.get((w, a), {})
        table.append(
            {
                "weight": w,
                "activation": a,
                "accumulator_bits": ice40.accumulator_bits,
                "ice40_lut4": ice40.luts,
                "ice40_peer_lut4": peer.get("ice40_luts"),
                "ice40_fmax_mhz": ice40.fmax_mhz,
                "ice40_fmax_min_mhz": ice40.fmax_min_mhz,
                "ice40_fmax_max_mhz": ice40.fmax_max_mhz,
                "xc7_lut6": xc7.luts,
                "xc7_peer_lut6": peer.get("xc7_luts"),
                **{name: accuracies[name, w, a] for name in NETWORKS},
                "operand_pairs": min(result.operand_pairs for result in checked),
                "cycles": sum(result.cycles for result in checked),
                "verified": all(result.ok for result in checked),
                "tools": ice40.tools | xc7.tools,
            }
        )
    return table


def _csv(table: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    columns = [name for name in table[0] if name != "tools"]
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return text.getvalue()


def _show(table: list[dict[str, Any]]) -> None:
    from rich.table import Table

    shown = Table(
        title=f"Exact MACs, one product a cycle, sums of up to {TERMS} products, no DSP", title_justify="left"
    )
    shown.add_column("weight x\nactivation")
    for column in (
        "accumulator\nbits",
        "ice40\nLUT4",
        "peer's",
        "ice40\nMHz",
        "xc7\nLUTs",
        "peer's",
        *(f"{name}\n%" for name in NETWORKS),
        "pairs\nverified",
    ):
        shown.add_column(column, justify="right")
    last = [pairs[-1] for pairs in PAIRS.values()]
    for row in table:
        pair = (row["weight"], row["activation"])
        shown.add_row(
            *(pair[0] if pair[0] == pair[1] else " x ".join(pair), str(row["accumulator_bits"])),
            *(str(row["ice40_lut4"]), str(row["ice40_peer_lut4"] or ""), f"{row['ice40_fmax_mhz']:.0f}"),
            *(str(row["xc7_lut6"]), str(row["xc7_peer_lut6"] or "")),
            *(f"{100 * row[name]:.1f}" for name in NETWORKS),
            f"{row['operand_pairs']:,}",
            end_section=pair in last,
        )
    print_table(shown)
    print("Verified: every operand pair, and long sums, on both families' Verilog.")
    print("peer's: the best open MAC of the same contract, measured alike. MHz: median of three seeds.")
    print(f"%: of {SAMPLES} images right, weights and activations quantized, nothing trained again.")
