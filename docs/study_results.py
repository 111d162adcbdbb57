"""Writes docs/study_results.md from results/study: ``python docs/study_results.py``."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from fewbit.formats import parse, study_formats
from fewbit.study.findings import Findings, best_evidence, read_findings, shown, unit
from fewbit.study.point import Point
from fewbit.synth import write_whole

RESULTS = Path(__file__).parent.parent / "results" / "study"
PAGE = Path(__file__).parent / "study_results.md"


def main() -> None:
    findings = read_findings(RESULTS)
    points = [point for point in findings.points if is_plain(point)]
    parts = [HEAD, networks(points), "## All formats alike", ALIKE, table_alike(points), table_prices(findings)]
    mixed = [*tables_mixed(points)]
    if mixed:
        parts += ["## Mixed widths", MIXED, *mixed]
    tried = [*tables_of_techniques(findings.points)]
    if tried:
        parts += ["## Techniques", TECHNIQUES, *tried]
    parts += ["## The two evaluations", EVALUATIONS, table_of_evaluations(findings.points)]
    parts += ["## Commands", "```\n" + "\n".join(findings.commands) + "\n```"]
    write_whole(PAGE, "\n\n".join(parts) + "\n")


HEAD = """# What the study found

Written by `python docs/study_results.py` from `results/study/study_points.json` and `study_prices.json`; the commands
that made those are at the end, what the columns mean is in [study](study.md). Errors are standard errors."""

ALIKE = """Weights and activations in one format, every layer quantized, a scale for each channel of the weights and
one for each tensor of activations, no technique. `*`: the float evaluation; all others are the golden model's, exact as
the hardware."""

MIXED = """Rows: the weights' format; columns: the activations', which both operands of attention's products have."""

TECHNIQUES = """What each does is in [study](study.md#techniques). Differences within two standard errors say little,
though the samples are the same ones for all."""

EVALUATIONS = """Points that were measured both ways on the same samples: by sums in float32 and by the golden model."""


def is_plain(point: Point) -> bool:
    """Whether nothing but the pair of formats is chosen."""
    special = point.edges or point.techniques or point.layers or point.scale_per != "channel"
    return not special and point.scale_format == "bfloat16"


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heads = [*heads]
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


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
    plain = [point for point in points if is_plain(point) or (point.techniques and not point.edges)]
    for name, some in by_network(plain).items():
        tried = [point for point in some if point.techniques]
        if not tried:
            continue
        samples = tried[0].samples
        known = {(p.weight, "+".join(p.techniques)): p for p in some if p.samples == samples}
        columns = ["", *dict.fromkeys("+".join(point.techniques) for point in tried)]
        formats = list(dict.fromkeys(point.weight for point in tried))
        rows = [[each, *(score(known.get((each, column)), mark=False) for column in columns)] for each in formats]
        heads = ["format", *(column or "none" for column in columns)]
        yield f"**{name}**, {tried[0].metric}, the first {samples:,} samples:\n\n{table(heads, rows)}"


def table_of_evaluations(points: list[Point]) -> str:
    heads = ("network", "points", "samples", "largest difference", "of format", "points that differ")
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
        most = max(range(len(both)), key=differences.__getitem__)
        samples = sorted({one.samples for one, _ in both})
        differ = sum(difference > 0 for difference in differences)
        largest = shown(differences[most], unit(both[most][0]))
        formats = both[most][0].weight if differ else ""
        rows.append((name, str(len(both)), ", ".join(map(str, samples)), largest, formats, str(differ)))
    return table(heads, rows)


if __name__ == "__main__":
    main()
