"""The page of the report is one HTML file, with its charts, its libraries and its data inside."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.metadata import version
from pathlib import Path
from string import Template
from typing import Any

import altair as alt

from ..choice.findings import Findings, share_of_float32, shown, unit
from ..choice.pareto import AXES, Axis, Candidate, hypervolume, join, knee, of_kind, pareto, with_cost
from ..measurement.point import Point
from .charts import DATA, chart
from .claims import claims
from .data import ReportView, metric_title, rows

__all__ = ["page"]

FOLDER = Path(__file__).parent / "assets"

PRICED = (
    "luts",
    "luts_with_requantizer",
    "network_luts",
    "ram_bits",
    "fmax_mhz",
    *(f"standing_{name}" for name in AXES),
)
"""The columns that depend on the target."""

CLAIMS_LINK = ' <a href="#claims">Claims</a>'

LONG = 200
"""A text of up to so many letters is shown whole."""

NEAR = 0.99
"""The cheapest integers and minifloats are compared at this share of float32's accuracy."""


def page(findings: Findings, command: str, views: Sequence[ReportView], targets: Sequence[str]) -> str:
    """The whole page. ``command`` is the command that makes it, as the user gave it."""
    import vl_convert

    data = json.dumps(_data(findings, views, targets), separators=(",", ":"), allow_nan=False)
    return Template(_text("page.html")).substitute(
        title="Few-bit formats: accuracy against the price of the hardware",
        lead=escape(_lead(findings, views, targets)),
        style=_text("page.css"),
        script=_text("page.js"),
        libraries=vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=_vega_lite()),
        data=data.replace("<", "\\u003c"),
        fronts=_fronts(findings, views, targets),
        **_claims(findings),
        evaluations=_evaluations([*findings.points, *findings.evaluations]),
        provenance=_definitions(_provenance(findings, command)),
    )


def _text(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _vega_lite() -> str:
    return ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])


def _lead(findings: Findings, views: Sequence[ReportView], targets: Sequence[str]) -> str:
    points = sum(len(view.points) for view in views)
    return (
        f"{points} ways to quantize {_count(findings.networks, 'network')}; {_count(targets, 'FPGA target')}. Each "
        "point is a pair of number formats, for weights and for activations: how accurate the network is when it "
        f"computes in them, and what {'its whole hardware' if findings.accelerators else 'that arithmetic'} costs."
    )


def _count(items: Sequence[str], noun: str) -> str:
    return f"{len(items)} {noun}{'' if len(items) == 1 else 's'} ({', '.join(items)})"


def _data(findings: Findings, views: Sequence[ReportView], targets: Sequence[str]) -> dict[str, Any]:
    """The data of the page. Rows are lists, since names in every row would be most of the page."""
    found, columns = {}, []
    for view in views:
        joined = {target: rows(join(view.points, findings.every_price, target)) for target in targets}
        some = next(iter(joined.values()))
        columns = [name for name in some[0] if name not in PRICED]
        found[view.name] = {
            "title": view.title,
            "metric": metric_title(view),
            "rows": [[each[name] for name in columns] for each in some],
            "prices": {target: [[each[name] for name in PRICED] for each in some] for target, some in joined.items()},
        }
    return {
        "name": DATA,
        "families": list(targets),
        "columns": columns,
        "price_columns": PRICED,
        "views": found,
        "charts": {axis.name: json.loads(chart(axis).to_json()) for axis in AXES.values()},
    }


def _accuracy(candidate: Candidate) -> float:
    return candidate.accuracy


def _fronts(findings: Findings, views: Sequence[ReportView], targets: Sequence[str]) -> str:
    lines = [
        line
        for view in views
        for target in targets
        for axis in AXES.values()
        if (axis.name != "bits" or target == targets[0])
        and (line := _front_line(view, target, axis, with_cost(join(view.points, findings.every_price, target), axis)))
    ]
    headings = ["network", "family", "cost", "on the front", "knee", "area: all", "integer", "minifloat"]
    near = [f"cheapest {kind} pair with {NEAR:.0%} of float32" for kind in ("integer", "minifloat")]
    return _table([*headings, *near], lines)


def _front_line(view: ReportView, target: str, axis: Axis, candidates: Sequence[Candidate]) -> list[str] | None:
    if not candidates:
        return None
    front = pareto(candidates, axis.cost, _accuracy)
    turn = knee(front, axis.cost, _accuracy)
    kinds = Counter(candidate.kind for candidate in front)
    areas = [_area(of_kind(candidates, kind), candidates, axis) for kind in (None, "integer", "minifloat")]
    return [
        view.title,
        "any" if axis.name == "bits" else target,
        axis.title,
        ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())),
        f"{turn.pair} ({axis.cost(turn):,.0f}; {shown(turn.accuracy, unit(turn.point))})" if turn else "none",
        *("" if area is None else f"{area:.1%}" for area in areas),
        *(_near(of_kind(candidates, kind), axis) for kind in ("integer", "minifloat")),
    ]


def _area(some: Sequence[Candidate], candidates: Sequence[Candidate], axis: Axis) -> float | None:
    """The hypervolume of some candidates, as a share of the rectangle that holds all of them and float32."""
    costs, values = [axis.cost(candidate) for candidate in candidates], [_accuracy(each) for each in candidates]
    reference = [each.point.float32.get(each.point.metric, -math.inf) for each in candidates]
    top = max(value for value in (*values, *reference) if math.isfinite(value))
    width, height = math.log2(max(costs) / min(costs)), top - min(values)
    if not some or not width or not height:
        return None
    return hypervolume(some, axis.cost, _accuracy, (max(costs), min(values))) / (width * height)


def _near(candidates: Sequence[Candidate], axis: Axis) -> str:
    front = pareto(candidates, axis.cost, _accuracy)
    enough = [candidate for candidate in front if (share_of_float32(candidate.point) or 0) >= NEAR]
    return f"{enough[0].pair} ({axis.cost(enough[0]):,.0f})" if enough else "none"


def _claims(findings: Findings) -> dict[str, str]:
    """The section on the paper's claims, and a link to it. Both are empty if no network of the zoo is among the
    findings, and for prices of whole networks, on which there is no claim."""
    found = [] if findings.accelerators else claims(findings)
    if not found:
        return {"claims": "", "claims_link": ""}
    texts = "\n".join(_claim(claim.to_dict()) for claim in found)
    return {"claims": Template(_text("claims.html")).substitute(claims=texts), "claims_link": CLAIMS_LINK}


def _claim(claim: Mapping[str, str]) -> str:
    remark = f"<p><strong>Remark.</strong> {escape(claim['remark'])}</p>" if claim["remark"] else ""
    return (
        f'<article id="claim_{claim["key"]}" data-verdict="{escape(claim["verdict"])}"><h3>({claim["key"]}) '
        f"{escape(claim['claim'])}</h3>"
        f'<p><span class="verdict">{escape(claim["verdict"].capitalize())}:</span> {escape(claim["measured"])}.</p>'
        f'<details><summary>Why</summary><p class="note">{escape(claim["why"])}</p></details>{remark}</article>'
    )


def _evaluations(points: Iterable[Point]) -> str:
    """The largest difference of points that both evaluations measured on the same samples."""
    pairs: dict[tuple[str, str], dict[str, Point]] = {}
    for point in points:
        if not math.isnan(point.accuracy):
            same = {name: value for name, value in point.to_dict().items() if name in _SAME}
            pairs.setdefault((point.network, json.dumps(same, sort_keys=True)), {})[point.evaluation] = point
    lines = []
    for network in dict.fromkeys(network for network, _ in pairs):
        both = [found for (name, _), found in pairs.items() if name == network and len(found) == 2]
        if both:
            worst = max(both, key=lambda found: abs(found["integer"].accuracy - found["float"].accuracy))
            lines.append([network, str(len(both)), *_difference(worst)])
    if not lines:
        return "<p>No point was measured both ways on the same samples.</p>"
    headings = ["network", "points both ways", "at", "samples", "integer", "float", "largest difference"]
    return f'<div class="wide">{_table(headings, lines)}</div>'


_SAME = (
    *("weight", "activation", "edges", "scale_per", "scale_format", "block_size", "techniques", "layers", "samples"),
    *("metric", "network_hash"),
)


def _difference(both: Mapping[str, Point]) -> list[str]:
    exact, fast = both["integer"], both["float"]
    units = unit(exact)
    return [
        Candidate(exact, None).pair,
        f"{exact.samples:,}",
        shown(exact.accuracy, units),
        shown(fast.accuracy, units),
        shown(abs(exact.accuracy - fast.accuracy), units),
    ]


def _provenance(findings: Findings, command: str) -> dict[str, str]:
    """The lines that say what made the page, the points and the prices."""
    tools = ("altair", "vl-convert-python", "pyarrow", "numpy")
    left_out = {
        f"{findings.without_score} points without a score (NaN)": findings.without_score,
        f"{findings.with_dsps} prices of hardware that may use DSPs: LUTs alone say too little": findings.with_dsps,
    }
    terms = _several(f"{price.terms:,}" for price in findings.prices)
    arrays = _several(price.array for price in findings.accelerators)
    priced = {
        f"{len(findings.prices):,}, for sums of {terms} products": findings.prices,
        f"{len(findings.accelerators):,}, of whole accelerators with an array of {arrays}": findings.accelerators,
    }
    return {
        "This page": command,
        "Points and prices": "; ".join(findings.commands) or "the files name no command",
        "Points": f"{len(findings.points):,}, seeds {_several(str(point.seed) for point in findings.points)}",
        "Prices": "; ".join(words for words, prices in priced.items() if prices) or "none",
        "Left out": "; ".join(words for words, count in left_out.items() if count) or "nothing",
        "Points were measured with": _several(_versions(point.versions) for point in findings.points),
        "Prices were measured with": _several(_versions(price.tools) for price in findings.every_price),
        "This page was made with": _versions({"fewbit": _own_version()} | {name: version(name) for name in tools}),
    }


def _own_version() -> str:
    from ... import __version__

    return __version__


def _versions(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in sorted(versions.items()))


def _several(texts: Iterable[str]) -> str:
    """Each text once, in order of first appearance."""
    return "; ".join(dict.fromkeys(texts))


def _definitions(texts: Mapping[str, str]) -> str:
    return f"<dl>{''.join(f'<dt>{escape(key)}</dt><dd>{_folded(text)}</dd>' for key, text in texts.items())}</dl>"


def _folded(text: str) -> str:
    """A text that is folded if it is long, and opens when the reader asks for it."""
    if len(text) <= LONG:
        return escape(text)
    return f"<details><summary>{escape(text[:LONG])} …</summary>{escape(text)}</details>"


def _table(headings: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in headings)
    body = "".join(f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in line)}</tr>\n" for line in lines)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
