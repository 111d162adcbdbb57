"""Writes docs/study_results.md from results/study: ``python docs/study_results.py``."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import stdev

from fewbit.formats import parse, study_formats
from fewbit.study.choice.findings import POINTS, Findings, best_evidence, read_findings, shown, unit
from fewbit.study.choice.pareto import join, target_of
from fewbit.study.measurement.point import Point
from fewbit.study.measurement.points_file import read_commands, read_points
from fewbit.study.prices.price_table import read_prices
from fewbit.synth import write_whole
from page_tables import table

RESULTS = Path(__file__).parent.parent / "results" / "study"
PAGE = Path(__file__).parent / "study_results.md"


def main() -> None:
    findings = read_findings(RESULTS)
    points = [point for point in findings.points if point.is_plain]
    parts = [HEAD, networks(points), "## All formats alike", ALIKE, table_alike(points), table_prices(findings)]
    before, searches = (points_of(RESULTS / name / POINTS) for name in ("before", "searches"))
    if before:
        parts += ["## What the search for scales changed", CHANGED, table_of_changes(before, points), HELD_OUT]
    if searches:
        parts += ["## What the search leaves open", OPEN, table_of_searches(searches, points)]
    mixed = [*tables_mixed(points)]
    if mixed:
        parts += ["## Mixed widths", MIXED, *mixed]
    techniques, subsets = (RESULTS / name / POINTS for name in ("techniques", "evaluations"))
    tried = [*tables_of_techniques(points_of(techniques))]
    if tried:
        parts += ["## Techniques", TECHNIQUES, *tried]
    chosen = sorted(RESULTS.glob("layers_*.json"))
    if chosen:
        parts += ["## Formats layer by layer", LAYERS, table_of_layers(chosen)]
    parts += ["## What it takes", TAKES]
    narrow = sorted(RESULTS.glob("price_needed_*.json"))
    if narrow:
        parts += ["## Accumulators for these very weights", NEEDED, table_of_needed(narrow, findings)]
    parts += ["## The two evaluations", EVALUATIONS]
    parts += [table_of_evaluations([*findings.points, *points_of(subsets)]), CAUSE]
    others = [path for path in (RESULTS / "searches" / POINTS, techniques, *chosen, subsets) if path.exists()]
    commands = [*findings.commands, *(command for path in others for command in read_commands(path))]
    commands += [command for path in narrow for command in read_prices(path)[0]]
    parts += ["## Commands", "```\n" + "\n".join(commands) + "\n```"]
    write_whole(PAGE, "\n\n".join(parts) + "\n")


HEAD = """# What the study found

Written by `python docs/study_results.py` from `results/study/study_points.json` and `study_prices.json`; the commands
that made those are at the end, what the columns mean is in [study](study.md). Errors are standard errors."""

ALIKE = """Weights and activations in one format, every layer quantized, a scale for each channel of the weights and
one for each tensor of activations, no technique. `*`: the float evaluation; all others are the golden model's of MACs
and requantizers, exact, with float32 between the layers."""

CHANGED = """Scales of weights were those by which the weights themselves have the least squared error. They are now
those by which the results of the layer have it. The errors of a column of weights are the same in every sum, and
operands have means that are not zero, so errors add up or cancel. A squared error of weights does not tell that, and it
was least where a few large weights happened to lie on the grid. Before and after, on the same samples:"""

OPEN = """A scale is the best of some 40 or 64 on the calibration samples, so other samples give other scales. The same
points with calibration samples drawn anew (`--seed`), as many and with repetition: the standard deviation of the metric
over these searches, beside the standard error, which knows of the test samples alone."""

MIXED = """Rows: the weights' format; columns: the activations', which both operands of attention's products have."""

TECHNIQUES = """What each does is in [study](study.md#techniques). Differences within two standard errors say little,
though the samples are the same ones for all. By the former search for scales, GPTQ, rounding and the correction of
biases took EfficientNet-Lite0 in int4 from 3.5 to between 21.9 and 24.8%, and in e2m1 from 3.2 to between 27.4 and
31.9%. By today's search it has most of that without any technique."""

LAYERS = """Formats of its own for every layer, chosen by an integer program under a budget, beside the uniform pair of
least noise within the same budget; both tested by the golden model. LUTs are those of a MAC on average over the MACs,
bits those of a weight."""

NEEDED = """An accumulator for any weights has to hold the longest sum at its worst. These weights are known: bits that
their sums need whatever the activations are, and LUTs of the MAC with an accumulator so wide (`fewbit price
--needed-by`), beside those for any weights."""

HELD_OUT = """The rule was chosen on ResNet-8 and the ViT, and then tried on networks that had no part in it. One is the
recognizer of an OCR package (`ch_PP-OCRv4_rec_infer.onnx` of rapidocr_onnxruntime 1.4.4), on 200 words of WordNet in
DejaVu and FreeFont, of which float32 reads 98.5%: e4m3 went from 67.5 to 96.5%, e3m2 from 60.5 to 70.0%, e2m3 from 68.5
to 67.5%, and int6 from 3.5 to 8.5%, with standard errors of 1 to 3.5 points. The luck of the search weighs more there:
by the former rule, e4m3 read 65 to 93% of 150 words, if all scales that are tried were shifted by a fraction of an
eighth of an octave. One convolution of 16 channels makes most of it. Its products cancel, and by itself it took
the output to 11 dB. Scales of activations by the error of results took ResNet-8's output from 16.8 to 16.6 dB, on
average over eight formats, and the ViT's from 16.7 to 16.8 over six. So these stay as they were."""

TAKES = """CPU time of one thread, and peak memory, measured on a quiet machine:

| what | of what | is | wanted |
| --- | --- | --- | --- |
| the float evaluation beside onnxruntime's own float32 | resnet8, int8 and e2m1 | 2.1 and 2.3 times | at most 3 |
| | vit, int8 and e2m1 | 1.6 and 1.9 times | at most 3 |
| | efficientnet_lite0, int8, e2m1, e3m0 and e4m3 | 2.5, 2.8, 2.7 and 2.9 times | at most 3 |
| the integer evaluation beside it | resnet8, int8 and e2m1 | 2.0 and 2.3 times | at most 12 |
| | vit, int8 and e2m1 | 1.6 and 1.9 times | at most 12 |
| | efficientnet_lite0, int8, e2m1, e3m0 and e4m3 | 4.0, 2.8, 2.8 and 11.2 times | at most 12 |
| sensitivities of a pair (`fewbit study layers`) | efficientnet_lite0, int8 | 0.27 of a point in float32 | at most 3 |
| peak memory of a process that measures points | efficientnet_lite0 | 1.33 GB | under 1.5 GB |

Where float32 holds every sum with its bias, both evaluations are one computation: the sum is exact, and the product
with its scale is rounded once, as by the requantizer. Longer sums of convolutions are float64, or several of float32
that are added. Those of e5m2 fit neither: EfficientNet-Lite0 takes 800 times onnxruntime's time there, by codes. The
first six rows are of `python tests/study_speed.py --model resnet8 --format int8 --samples 1000` and its like, of
EfficientNet-Lite0 on 150 samples; the sensitivities are of `--model efficientnet_lite0 --format int8 --samples 1085
--layers`, both times with their quantization; and the last row is what that command prints last."""

EVALUATIONS = """Points that were measured both ways on the same samples: by sums in float32 and by the golden model.
Small networks on every test image, large ones on the first samples of their test sets. Bits: what the longest sum needs
in the format of the largest difference, or the most of all formats where there is none."""

CAUSE = """The cause of every difference: float32 holds 24 bits, and a sum that needs no more has the same bits in both
evaluations, which a test holds them to. A longer one is rounded by float32 on the way, in an order of onnxruntime's
choosing, where the golden model's is exact. What lies at the border of two codes of the next layer may then take the
other one."""


def points_of(path: Path) -> list[Point]:
    """What the file has, if there is one."""
    return read_points(path) if path.exists() else []


def score(point: Point | None, mark: bool = True) -> str:
    if point is None:
        return ""
    text = f"{shown(point.accuracy, unit(point))} ± {shown(point.standard_error, unit(point))}"
    return text + (" *" if mark and point.evaluation == "float" else "")


def by_network(points: Iterable[Point]) -> dict[str, list[Point]]:
    found: dict[str, list[Point]] = {}
    for point in points:
        found.setdefault(point.network, []).append(point)
    return found


def networks(points: list[Point]) -> str:
    heads = ("network", "samples", "metric", "float32", "M multiply-accumulates", "of two activations", "longest sum")
    rows = []
    for name, some in by_network(points).items():
        most = max(some, key=lambda point: point.samples)
        macs, longest = f"{most.macs / 1e6:,.1f}", str(most.longest_dot)
        float32 = ", ".join(shown_as(most, metric) for metric in most.float32 if metric != "sqnr")
        rows.append((name, f"{most.samples:,}", most.metric, float32, macs, f"{100 * most.products:.1f}%", longest))
    return table(heads, rows)


def shown_as(point: Point, metric: str) -> str:
    return f"{metric} {shown(point.float32[metric], '%')}"


def table_alike(points: list[Point]) -> str:
    networks = by_network(best_evidence(point for point in points if point.weight == point.activation))
    known = {(name, point.weight): point for name, some in networks.items() for point in some}
    heads = ["format"]
    for name, some in networks.items():
        heads.append(f"{name} {some[0].metric}")
    rows = [
        [format.name, *(score(known.get((name, format.name))) for name in networks)]
        for format in study_formats()
        if any((name, format.name) in known for name in networks)
    ]
    return table(heads, rows)


def table_prices(findings: Findings) -> str:
    """Of the MACs of formats alike, and with their requantizers."""
    columns: dict[tuple[str, int], dict[str, str]] = {}
    for price in findings.prices:
        if price.weight == price.activation and price.dsp_policy == "none":
            both = "" if price.luts_with_requantizer is None else f" ({price.luts_with_requantizer})"
            columns.setdefault((price.family, price.terms), {})[price.weight] = f"{price.luts}{both}"
    chosen = sorted(columns, key=lambda column: (column[1], column[0]))
    heads = ["format", *(f"{family}, sums of {terms}" for family, terms in chosen)]
    rows = [
        [format.name, *(columns[column].get(format.name, "") for column in chosen)]
        for format in study_formats()
        if any(format.name in columns[column] for column in chosen)
    ]
    return "LUTs of one MAC, in brackets with a requantizer, synthesis only:\n\n" + table(heads, rows)


def order(name: str) -> tuple[int, str]:
    return parse(name).width, name


def tables_mixed(points: list[Point]) -> Iterator[str]:
    for name, some in by_network(best_evidence(points)).items():
        mixed = [point for point in some if point.weight != point.activation]
        if not mixed:
            continue
        known = {(point.weight, point.activation): point for point in some}
        columns = sorted({point.activation for point in mixed}, key=order)
        lines = sorted({point.weight for point in mixed}, key=order)
        rows = [[weight, *(score(known.get((weight, column))) for column in columns)] for weight in lines]
        yield f"**{name}**, {mixed[0].metric}:\n\n{table(['weights', *columns], rows)}"


def tables_of_techniques(points: list[Point]) -> Iterator[str]:
    plain = [point for point in points if point.is_plain or (point.techniques and not point.edges)]
    for name, some in by_network(plain).items():
        tried = [point for point in some if point.techniques]
        if not tried:
            continue
        samples = tried[0].samples
        known = {(p.weight, "+".join(p.techniques)): p for p in some if p.samples == samples}
        sets = dict.fromkeys("+".join(point.techniques) for point in tried)
        columns = ["", *sorted(sets, key=lambda name: name.count("+"))]
        formats = list(dict.fromkeys(point.weight for point in tried))
        rows = [[each, *(score(known.get((each, column)), mark=False) for column in columns)] for each in formats]
        heads = ["format", *(column or "none" for column in columns)]
        what = f"{tried[0].metric}, the first {samples:,} samples, of which float32 has"
        reference = shown(tried[0].float32[tried[0].metric], unit(tried[0]))
        yield f"**{name}**, {what} {reference}:\n\n{table(heads, rows)}"


def table_of_needed(files: Iterable[Path], findings: Findings) -> str:
    """For every network and format: bits of both accumulators, and LUTs of both MACs on every target."""
    rows, targets = [], []
    for path in files:
        network = path.stem.removeprefix("price_needed_")
        points = [point for point in findings.points if point.network == network and point.is_plain]
        needed = {(price.weight, target_of(price)): price for price in read_prices(path)[1]}
        targets = [*dict.fromkeys(target for _, target in needed)]
        for format in dict.fromkeys(weight for weight, _ in needed):
            (point, *_) = [each for each in points if each.weight == each.activation == format]
            cells = []
            for target in targets:
                (full,) = join([point], findings.prices, target)
                cells.append(f"{full.luts if full.luts is not None else '?'} / {needed[format, target].luts}")
            bits = f"{point.accumulator_bits} / {needed[format, targets[0]].accumulator_bits}"
            rows.append((network, format, bits, *cells))
    return table(("network", "format", "bits", *(f"LUTs on {target}" for target in targets)), rows)


def table_of_layers(files: Iterable[Path]) -> str:
    heads = ("network", "budget", "own formats", "spent", "uniform pair", "spent", "its accuracy", "float32")
    rows = []
    for path in files:
        said = json.loads(path.read_text(encoding="utf-8"))
        own, uniform = read_points(path)
        what = "bits" if said["cost"] == "bits" else f"LUTs on {said['family']}"
        spent = [f"{value:.1f}" for value in said["spent"]]
        pair = f"{uniform.weight} x {uniform.activation}"
        float32 = shown(own.float32[own.metric], unit(own))
        rows.append(
            (own.network, f"{said['budget']:g} {what}", score(own), spent[0], pair, spent[1], score(uniform), float32)
        )
    return table(heads, rows)


def table_of_changes(before: list[Point], points: list[Point]) -> str:
    """Both accuracies of every format alike, by network."""
    sides = [
        {(point.network, point.weight): point for point in best_evidence(some) if point.weight == point.activation}
        for some in (before, points)
    ]
    both = [key for key in sides[0] if key in sides[1] and sides[0][key].fingerprint != sides[1][key].fingerprint]
    names = [*dict.fromkeys(network for network, _ in both)]

    def cell(key: tuple[str, str]) -> str:
        if key not in both:
            return ""
        old, new = (side[key] for side in sides)
        return f"{shown(old.accuracy, unit(old))} → {shown(new.accuracy, unit(new))}"

    rows = [
        [format.name, *(cell((name, format.name)) for name in names)]
        for format in study_formats()
        if any((name, format.name) in both for name in names)
    ]
    return table(["format", *names], rows)


def table_of_searches(searches: list[Point], points: list[Point]) -> str:
    """By network and format: the metric by every search, their spread, and the standard error."""
    found: dict[tuple[str, str], list[Point]] = {}
    for point in (*points, *searches):
        if point.weight == point.activation and point.evaluation == "float":
            found.setdefault((point.network, point.weight), []).append(point)
    rows = []
    for (network, format), some in found.items():
        if len(some) < 2:
            continue
        accuracies = [point.accuracy for point in some]
        listed = ", ".join(shown(accuracy, unit(some[0])) for accuracy in accuracies)
        spread, error = (shown(value, unit(some[0])) for value in (stdev(accuracies), some[0].standard_error))
        rows.append((network, format, listed, spread, error))
    return table(("network", "format", "searches", "their standard deviation", "standard error"), rows)


def table_of_evaluations(points: list[Point]) -> str:
    heads = ("network", "points", "samples", "points that differ", "largest difference", "of format", "bits")
    rows = []
    for name, some in by_network(points).items():
        known: dict[tuple[object, ...], dict[str, Point]] = {}
        for point in some:
            scheme = (point.weight, point.activation, point.edges, point.scale_per, point.block_size, point.techniques)
            known.setdefault((*scheme, point.samples), {})[point.evaluation] = point
        both = [(each["float"], each["integer"]) for each in known.values() if len(each) == 2]
        if not both:
            continue
        differences = [abs(one.accuracy - other.accuracy) for one, other in both]
        differ = sum(difference > 0 for difference in differences)
        samples = ", ".join(f"{count:,}" for count in sorted({one.samples for one, _ in both}))
        most = max(range(len(both)), key=differences.__getitem__)
        largest = shown(differences[most], unit(both[most][0]))
        bits = both[most][0].accumulator_bits if differ else max(one.accumulator_bits for one, _ in both)
        formats = both[most][0].weight if differ else ""
        rows.append((name, str(len(both)), samples, str(differ), largest, formats, str(bits)))
    return table(heads, rows)


if __name__ == "__main__":
    main()
