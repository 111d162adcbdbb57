"""The report's data as plain values, which charts, tables and files share."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...formats import parse
from ..choice.findings import Findings, Ground, alike, share_of_float32, shown, unit
from ..choice.pareto import AXES, Axis, Candidate, pareto, tied, with_cost
from ..choice.recommend import scheme_of
from ..measurement.point import Point
from ..zoo.few_bits import base_of

__all__ = [
    "BEHIND",
    "FRONT",
    "TIED",
    "ReportView",
    "metric_title",
    "record",
    "row",
    "rows",
    "slug",
    "standings",
    "views",
]

FRONT, TIED, BEHIND = "on it", "tied with it", "behind it"

METRICS = {"top1": "top-1 accuracy", "top5": "top-5 accuracy", "sqnr": "signal to quantization noise"}


@dataclass(frozen=True)
class ReportView:
    """Points that are compared with each other.

    They are of one network, with one format of its first and last layers, by one metric on the same samples.

    Members
    -------
    name: its name in the page's address
    title: its name for people
    points: one point for each scheme, the one with the best evidence
    """

    name: str
    title: str
    points: list[Point]


def views(findings: Findings) -> list[ReportView]:
    """All views, in the order of the points.

    A network that was trained with weights of few bits is in the view of the network that it was made from, where that
    has one, and is compared with its accuracy in float32.
    """
    groups = alike(findings.points)
    for ground in [*groups]:
        for other in groups:
            if base_of(ground.network) == other.network != ground.network and _same_test(ground, other):
                reference = groups[other][0].float32
                groups[other] += [replace(point, float32=reference) for point in groups.pop(ground)]
                break
    return [_view(ground, points, [*groups]) for ground, points in groups.items()]


def _same_test(ground: Ground, other: Ground) -> bool:
    return ground._replace(network=other.network, network_hash=other.network_hash) == other


def _view(ground: Ground, points: list[Point], grounds: Sequence[Ground]) -> ReportView:
    """The view of a group. Its name is that of the network and its edges, and of what else tells it from other
    groups."""
    name, title = ground.network, ground.network
    if ground.edges:
        name, title = f"{name}_edges_{ground.edges}", f"{title}, first and last layer in {ground.edges}"
    others = [other for other in grounds if (other.network, other.edges) == (ground.network, ground.edges)]
    short = ground.network_hash[:8]
    told = {
        "metric": (ground.metric, METRICS.get(ground.metric, ground.metric)),
        "samples": (ground.samples, f"{ground.samples:,} samples"),
        "network_hash": (short or "untold", f"model and data {short or 'not told'}"),
    }
    for field, (word, words) in told.items():
        if len({getattr(other, field) for other in others}) > 1:
            name, title = f"{name}_{word}", f"{title}, {words}"
    return ReportView(name, title, points)


def slug(name: str) -> str:
    """``name`` as a part of a file's name. Everything but letters, digits and hyphens becomes an underscore."""
    return "".join(letter if letter.isalnum() or letter == "-" else "_" for letter in name)


def metric_title(view: ReportView) -> str:
    """The title of the metric to compare by, with its unit, as ``top-1 accuracy in %``."""
    point = view.points[0]
    units = f" in {unit(point)}" if unit(point) else ""
    return METRICS.get(point.metric, point.metric) + units


def standings(candidates: Sequence[Candidate], axis: Axis) -> list[str | None]:
    """How each candidate stands: on the front, tied with it (see ``pareto.tied``), or behind; None if it has no
    price."""
    priced = with_cost(candidates, axis)
    front = pareto(priced, axis.cost, lambda candidate: candidate.accuracy)
    known = {id(candidate): TIED if tie else BEHIND for candidate, tie in zip(priced, tied(priced, axis), strict=True)}
    known |= {id(candidate): FRONT for candidate in front}
    return [known.get(id(candidate)) for candidate in candidates]


def rows(candidates: Sequence[Candidate]) -> list[dict[str, Any]]:
    """The rows of one view on one target for charts and tables. Each has what ``row`` gives, its prices and
    standings."""
    places = {axis.name: standings(candidates, axis) for axis in AXES.values()}
    return [
        {
            **row(candidate.point),
            "luts": candidate.luts,
            "luts_with_requantizer": candidate.luts_with_requantizer,
            "network_luts": candidate.network_luts,
            "ram_bits": None if candidate.accelerator is None else candidate.accelerator.ram_bits,
            "fmax_mhz": None if candidate.price is None else candidate.price.fmax_mhz,
            **{f"standing_{name}": standing[number] for name, standing in places.items()},
        }
        for number, candidate in enumerate(candidates)
    ]


def row(point: Point) -> dict[str, Any]:
    """What a row has on every target. ``accuracy``, ``standard_error`` and ``float32`` are in percent if they are
    shares."""
    candidate, units, share = Candidate(point, None), unit(point), share_of_float32(point)
    scale = 100 if units == "%" else 1
    reference = point.float32.get(point.metric, math.nan)
    return {
        "pair": candidate.pair,
        "weight": point.weight,
        "activation": point.activation,
        "kind": candidate.kind,
        "weight_width": parse(point.weight).width,
        "activation_width": parse(point.activation).width,
        "accuracy": _finite(scale * point.accuracy),
        "standard_error": _finite(scale * point.standard_error),
        "float32": _finite(scale * reference),
        "accuracy_text": f"{shown(point.accuracy, units)} ± {shown(point.standard_error, units)}",
        "share_text": "" if share is None else f"{100 * share:.1f}%",
        "bits": candidate.bits,
        "scheme": scheme_of(candidate),
        "evidence": f"{point.samples:,} samples, {point.evaluation} arithmetic",
    }


def _finite(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None


def record(view: ReportView, target: str, candidate: Candidate) -> dict[str, Any]:
    """One line of the data files, with everything that point and price have. All lines have the same columns."""
    point, price, whole = candidate.point, candidate.price, candidate.accelerator
    hardware = whole or price
    return {
        "view": view.name,
        "target": target,
        "kind": candidate.kind,
        **{name: value for name, value in point.to_dict().items() if name not in _NESTED},
        "techniques": " ".join(point.techniques),
        "layers": "; ".join(f"{layer} {w} {a}" for layer, (w, a) in sorted(point.layers.items())),
        "skipped": "; ".join(f"{count} {kind}" for kind, count in point.skipped.items()),
        "notes": "; ".join(point.notes),
        "accuracy": point.accuracy,
        "standard_error": point.standard_error,
        "float32": point.float32.get(point.metric),
        "share_of_float32": share_of_float32(point),
        "metrics": "; ".join(f"{name} {value:.6g}" for name, value in sorted(point.metrics.items())),
        "versions": "; ".join(f"{name} {version}" for name, version in sorted(point.versions.items())),
        "priced_terms": price.terms if price else None,
        "priced_accumulator_bits": price.accumulator_bits if price else None,
        "lut_kind": hardware.lut_kind if hardware else None,
        "luts": candidate.luts,
        "luts_with_requantizer": candidate.luts_with_requantizer,
        "carry": hardware.carry if hardware else None,
        "ff": hardware.ff if hardware else None,
        "dsp": hardware.dsp if hardware else None,
        "logic_cells": price.logic_cells if price else None,
        "fmax_mhz": price.fmax_mhz if price else None,
        "fmax_min_mhz": price.fmax_min_mhz if price else None,
        "fmax_max_mhz": price.fmax_max_mhz if price else None,
        "bits": candidate.bits,
        "network_luts": candidate.network_luts,
        "array": whole.array if whole else None,
        "bram": whole.bram if whole else None,
        "large_rams": whole.large_rams if whole else None,
        "ram_bits": whole.ram_bits if whole else None,
        "cycles": whole.cycles if whole else None,
        "luts_of_products": candidate.products.luts if candidate.products else None,
        "rtl_sha256": hardware.rtl_sha256 if hardware else None,
        "tools": "; ".join(f"{n} {v}" for n, v in sorted(hardware.tools.items())) if hardware else None,
    }


_NESTED = (
    *("techniques", "layers", "skipped", "notes", "metrics", "standard_errors", "float32", "versions"),
    *("scores", "clusters"),
)
