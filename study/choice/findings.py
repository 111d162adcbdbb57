"""Findings are the points and prices that a study wrote into files, read for those who draw conclusions from them."""

import json
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ..measurement.point import Point
from ..prices.network_price import NetworkPrice, read_network_prices
from ..prices.price import Price
from ..prices.price_table import read_prices

__all__ = [
    "POINTS",
    "PRICES",
    "REMARKS",
    "Findings",
    "Ground",
    "alike",
    "best_evidence",
    "read_findings",
    "share_of_float32",
    "shown",
    "unit",
]

POINTS = "study_points.json"
PRICES = "study_prices.json"
NETWORK_PRICES = "network_prices.json"
REMARKS = "study_remarks.json"
EVALUATIONS = "evaluations"


@dataclass(frozen=True)
class Findings:
    """Everything that conclusions rest on.

    Members
    -------
    points, prices: what the files have, in their order
    commands: the commands that made them, if the files say so (their key ``command`` or ``commands``)
    remarks: what a person wrote on claims of the paper, by the claim's key
    evaluations: points that compare the two evaluations on few samples, and are in no front
    accelerators: the prices of whole networks, all of one array, if points are of the evaluation ``network``; there
        are no other prices then
    """

    points: list[Point]
    prices: list[Price]
    commands: list[str] = field(default_factory=list)
    remarks: dict[str, str] = field(default_factory=dict)
    evaluations: list[Point] = field(default_factory=list)
    accelerators: list[NetworkPrice] = field(default_factory=list)

    @property
    def every_price(self) -> list[Price | NetworkPrice]:
        """The prices of MACs, or those of whole networks."""
        return [*self.prices, *self.accelerators]

    @property
    def networks(self) -> list[str]:
        """The names of the networks, in the order of the points."""
        return list(dict.fromkeys(point.network for point in self.points))

    @property
    def without_score(self) -> int:
        """How many points have NaN for their score. They are on no front."""
        return sum(math.isnan(point.accuracy) for point in self.points)

    @property
    def with_dsps(self) -> int:
        """How many prices are of hardware that may use DSPs. They are on no front."""
        return sum(price.dsp_policy != "none" for price in self.every_price)


def read_findings(folder: Path, whole: bool = False) -> Findings:
    """Read ``study_points.json`` and ``study_prices.json`` of the folder.

    ``study_remarks.json`` and ``evaluations/study_points.json`` are read too if they are there. Points are what
    ``fewbit study run`` writes; those of networks that came in mixed formats are left out, since they have no single
    price, and so are those of the evaluation ``network``, whose hardware has more parts than a MAC. Prices are what
    ``fewbit price`` writes, or prints with ``--json``. Remarks are an object of texts.

    ``whole``: read those points of the evaluation ``network`` instead, and no others, with the prices of whole networks
    in ``network_prices.json``, which ``fewbit study price`` writes. Of several arrays, it is the one with the most
    prices.

    Raises OSError if a file is missing, and ValueError if it does not hold what it should.
    """
    if whole:
        return _whole(folder)
    points, subset = _read(folder / POINTS), folder / EVALUATIONS / POINTS
    commands, prices = _prices(folder / PRICES)
    remarks = _read(folder / REMARKS) if (folder / REMARKS).exists() else {}
    return Findings(
        [
            point
            for point in map(Point.from_dict, _list(points, "points", POINTS))
            if point.has_pair and not point.between
        ],
        prices,
        list(dict.fromkeys([*_commands(points), *commands])),
        {str(key): str(text) for key, text in remarks.items()},
        [*map(Point.from_dict, _list(_read(subset), "points", POINTS))] if subset.exists() else [],
    )


def _whole(folder: Path) -> Findings:
    points = _read(folder / POINTS)
    commands, prices = read_network_prices(folder / NETWORK_PRICES)
    arrays = Counter(price.shape for price in prices)
    return Findings(
        [point for point in map(Point.from_dict, _list(points, "points", POINTS)) if point.has_pair and point.between],
        [],
        list(dict.fromkeys([*_commands(points), *commands])),
        accelerators=[price for price in prices if price.shape == arrays.most_common(1)[0][0]],
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} must be JSON: {error}") from None
    if not isinstance(values, dict):
        raise ValueError(f"{path} must hold one JSON object, not a {type(values).__name__}")
    return values


def _prices(path: Path) -> tuple[list[str], list[Price]]:
    values = _read(path)
    if "rows" in values:
        return read_prices(path)
    return _commands(values), [Price.from_dict(each) for each in _list(values, "prices", PRICES)]


def _commands(values: dict[str, Any]) -> list[str]:
    return [str(command) for command in values.get("commands", [values["command"]] if "command" in values else [])]


def _list(values: dict[str, Any], key: str, file: str) -> list[dict[str, Any]]:
    found = values.get(key)
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise ValueError(f"{file} must have a list of objects by the name of {key!r}")
    return found


class Ground(NamedTuple):
    """What points must have in common, so that a difference between their scores means something."""

    network: str
    edges: str | None
    metric: str
    samples: int
    network_hash: str

    @classmethod
    def of(cls, point: Point) -> "Ground":
        return cls(point.network, point.edges, point.metric, point.samples, point.network_hash)


def alike(points: Iterable[Point]) -> dict[Ground, list[Point]]:
    """Groups of points that can be compared, in order of first appearance. Each scheme has its best evidence in them.

    Points without a score (NaN) are left out.
    """
    groups: dict[Ground, list[Point]] = {}
    for point in points:
        if not math.isnan(point.accuracy):
            groups.setdefault(Ground.of(point), []).append(point)
    return {ground: best_evidence(some) for ground, some in groups.items()}


def best_evidence(points: Iterable[Point]) -> list[Point]:
    """One point for each network and scheme, in order of first appearance: the one with the most samples.

    Of points with as many samples, it is the one by integers, since the hardware computes those, or else the last.
    """
    best: dict[tuple[Any, ...], Point] = {}
    for point in points:
        key = _scheme(point)
        if key not in best or _strength(point) >= _strength(best[key]):
            best[key] = point
    return list(best.values())


def _strength(point: Point) -> tuple[int, bool]:
    return point.samples, point.evaluation == "integer"


def _scheme(point: Point) -> tuple[Any, ...]:
    return (
        *(point.network, point.weight, point.activation, point.edges, point.scale_per, point.scale_format),
        *(point.block_size, point.techniques, tuple(sorted(point.layers.items()))),
    )


def unit(point: Point) -> str:
    """The unit of the metric to compare by: ``dB``, ``%`` for a share of 0 to 1, or nothing."""
    if point.metric == "sqnr":
        return "dB"
    values = (point.accuracy, point.float32.get(point.metric, point.accuracy))
    return "%" if min(values) >= 0 and max(values) <= 1 else ""


def shown(value: float, unit: str) -> str:
    """A value of the metric, or its standard error, as a person reads it: ``91.2%``, ``14.1 dB``, ``0.912``."""
    if not math.isfinite(value):
        return "infinite"
    return {"%": f"{100 * value:.1f}%", "dB": f"{value:.1f} dB"}.get(unit, f"{value:.4g}")


def share_of_float32(point: Point) -> float | None:
    """The accuracy divided by the float32 network's. It is None for decibels, and if that accuracy is not positive."""
    reference = point.float32.get(point.metric, math.nan)
    if point.metric == "sqnr" or not math.isfinite(reference) or reference <= 0:
        return None
    return point.accuracy / reference
