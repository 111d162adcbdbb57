"""How many integers are on fronts, and how sure that is."""

from collections.abc import Mapping, Sequence
from statistics import mean, stdev

import numpy as np

from ..choice.findings import share_of_float32
from ..choice.pareto import AXES, Candidate, pareto
from ..measurement.point import Point
from ..measurement.scores import unpacked

__all__ = ["integers_on_fronts"]

DRAWS = 200


def integers_on_fronts(fronts: Sequence[Sequence[Candidate]], useful: float) -> tuple[float, float] | None:
    """The share of integers on the useful part of fronts against LUTs, and its standard error; None if there is none.

    ``fronts`` has the candidates of one network for each FPGA; the share is the mean over these. The error is that of
    the bootstrap: test samples, or their clusters, are drawn anew, the same ones for all points. Points without scores
    by sample are drawn as independent. ``useful``: a candidate counts from this share of float32's accuracy on.
    """
    points = {id(each.point): each.point for front in fronts for each in front}
    measured = {key: point.accuracy for key, point in points.items()}
    share = _share(fronts, measured, useful)
    if share is None:
        return None
    drawn = [_share(fronts, each, useful) for each in _draws(points)]
    known = [each for each in drawn if each is not None]
    return share, stdev(known) if len(known) > 1 else float("nan")


def _share(fronts: Sequence[Sequence[Candidate]], accuracies: Mapping[int, float], useful: float) -> float | None:
    shares = []
    for candidates in fronts:
        good = [each for each in candidates if _relative(each.point, accuracies) >= useful]
        front = pareto(good, AXES["luts"].cost, lambda each: accuracies[id(each.point)])
        if front:
            shares.append(mean(each.kind == "integer" for each in front))
    return mean(shares) if shares else None


def _relative(point: Point, accuracies: Mapping[int, float]) -> float:
    share = share_of_float32(point)
    return 0.0 if not share else share * accuracies[id(point)] / point.accuracy


def _draws(points: Mapping[int, Point]) -> list[dict[int, float]]:
    """Accuracies as other test samples would give them."""
    random = np.random.default_rng(0)
    scores = {key: values for key, point in points.items() if (values := unpacked(point.scores)) is not None}
    if len(scores) < len(points) or len({len(values) for values in scores.values()}) != 1:
        return [
            {key: random.normal(point.accuracy, point.standard_error) for key, point in points.items()}
            for _ in range(DRAWS)
        ]
    matrix = np.array([*scores.values()])
    clusters = unpacked(next(iter(points.values())).clusters)
    labels = np.arange(matrix.shape[1]) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    count = labels.max() + 1
    found = []
    for _ in range(DRAWS):
        weights = np.bincount(random.integers(0, count, count), minlength=count)[labels]
        found.append(dict(zip(scores, map(float, matrix @ weights / weights.sum()), strict=True)))
    return found
