"""The claims of the paper (arXiv 2311.12359) are put beside what was measured here."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from statistics import mean, median
from typing import Any

from ...formats import parse
from ..choice.findings import Findings, Ground, alike, share_of_float32
from ..choice.pareto import AXES, STANDARD_ERRORS, Candidate, join, kind_of, pareto, target_of, targets_of, with_cost
from ..measurement.point import Point
from ..prices.price import Price
from ..zoo.networks import LARGE, SMALL

__all__ = ["AGREES", "IN_PART", "NOT", "NOTHING", "VISION_TRANSFORMERS", "Claim", "claims"]

AGREES, IN_PART, NOT, NOTHING = "agrees", "agrees in part", "does not agree", "not measured"

VISION_TRANSFORMERS = ("vit", "deit", "swin")
"""A network is a vision transformer if its name begins with one of these."""

ZOO = frozenset((*SMALL, *LARGE))

LEAST_WIDTH = 4
USEFUL = 0.9
"""A point of a front counts from this share of float32's accuracy on. What is below is cheap, but of no use."""

ONE_BIT = "e1m"

OFTEN = 1 / 3


@dataclass(frozen=True)
class Claim:
    """One claim.

    Members
    -------
    key: its letter
    claim: what the paper says, in short
    measured: the number that was measured here
    verdict: one of ``AGREES``, ``IN_PART``, ``NOT``, ``NOTHING``
    why: the numbers behind the verdict, and the rule by which it is found
    remark: what a person wrote on it; it may be empty
    """

    key: str
    claim: str
    measured: str
    verdict: str
    why: str
    remark: str = ""

    def to_dict(self) -> dict[str, str]:
        """Plain JSON values."""
        return asdict(self)


def claims(findings: Findings) -> list[Claim]:
    """All five claims, each judged by the prices and by the points of the zoo's networks.

    There are none without such a point: a single network of a user's says nothing about claims on networks at large.
    """
    points = [point for some in alike(findings.points).values() for point in some if point.network in ZOO]
    if not points:
        return []
    duels = _duels(points)
    said = {
        "a": (
            "Minifloats of four bits and more are usually more accurate than integers of the same width.",
            _usually(duels, _duels(points, ONE_BIT)),
        ),
        "b": ("Integers are often Pareto-optimal all the same.", _often(points, findings.prices)),
        "c": ("Minifloats are promising on vision transformers.", _promising(duels)),
        "d": (
            "A minifloat MAC is 20 to 180% dearer than an integer MAC of the same width.",
            _dearer(findings.prices, lambda price: price.luts, 20, 180),
        ),
        "e": (
            "With conversion it is 60 to 300% dearer.",
            _dearer(findings.prices, lambda price: price.luts_with_requantizer, 60, 300),
        ),
    }
    return [Claim(key, claim, *found, findings.remarks.get(key, "")) for key, (claim, found) in said.items()]


@dataclass(frozen=True)
class _Duel:
    """The best minifloat and the best integer of one width, on one network that is quantized in the same way."""

    network: str
    width: int
    integer: Point
    minifloat: Point

    @property
    def difference(self) -> float:
        return self.minifloat.accuracy - self.integer.accuracy

    @property
    def winner(self) -> str | None:
        """The more accurate of the two; None if they differ by at most two standard errors."""
        error = math.hypot(self.minifloat.standard_error, self.integer.standard_error)
        if abs(self.difference) <= STANDARD_ERRORS * error:
            return None
        return "minifloat" if self.difference > 0 else "integer"

    @property
    def share(self) -> float | None:
        """The difference as a share of float32's accuracy."""
        minifloat, integer = share_of_float32(self.minifloat), share_of_float32(self.integer)
        return None if minifloat is None or integer is None else minifloat - integer


def _duels(points: Iterable[Point], without: str | None = None) -> list[_Duel]:
    """A duel for every width and network, between points that are quantized alike in everything else.

    Weights and activations have the same width and kind. Formats whose names begin with ``without`` are left out.
    """
    grounds: dict[tuple[Any, ...], dict[str, Point]] = {}
    for point in points:
        width = parse(point.weight).width
        kind = kind_of(point.weight, point.activation)
        if without and without in (point.weight[: len(without)], point.activation[: len(without)]):
            continue
        if (
            point.layers
            or kind not in ("integer", "minifloat")
            or width != parse(point.activation).width
            or width < LEAST_WIDTH
        ):
            continue
        how = (point.scale_per, point.scale_format, point.block_size, point.techniques)
        best = grounds.setdefault((point.network, width, point.evaluation, Ground.of(point), *how), {})
        if kind not in best or point.accuracy > best[kind].accuracy:
            best[kind] = point
    return [
        _Duel(key[0], key[1], best["integer"], best["minifloat"]) for key, best in grounds.items() if len(best) == 2
    ]


Finding = tuple[str, str, str]
"""The number that was measured here, the verdict, and the reasons."""


def _usually(duels: Sequence[_Duel], proper: Sequence[_Duel]) -> Finding:
    """Judge whether minifloats usually win. ``proper`` are the duels without formats whose values are integers."""
    if not duels:
        return _nothing("no network was measured with integers and minifloats of the same width of four bits or more")
    ahead = sum(duel.difference > 0 for duel in duels)
    won, lost = (sum(duel.winner == kind for duel in duels) for kind in ("minifloat", "integer"))
    mostly, surely = 2 * ahead > len(duels), won > lost
    widths = _grouped(duels, lambda duel: duel.width)
    by_width = "; ".join(f"{width} bits: {_ahead(some)}" for width, some in widths)
    return (
        f"the best minifloat is ahead of the integer in {ahead} of {len(duels)} cases",
        AGREES if mostly and surely else IN_PART if mostly or surely else NOT,
        "A case is a network, a width and a way to quantize; surely is by more than two standard errors. Minifloats "
        f"are surely ahead in {won}, integers in {lost}. {by_width}. Without e1m*, whose values are those of "
        f"sign-magnitude integers, {_ahead(proper)}, {sum(duel.winner == 'integer' for duel in proper)} surely behind. "
        "The best of several minifloats is compared with one integer, which favours minifloats a little. Agrees if "
        "minifloats are ahead in more than half of the cases, and surely ahead in more than integers are; in part if "
        "one of both holds.",
    )


def _ahead(duels: Sequence[_Duel]) -> str:
    surely = sum(duel.winner == "minifloat" for duel in duels)
    return f"{sum(duel.difference > 0 for duel in duels)} of {len(duels)} ahead, {surely} surely"


def _often(points: Sequence[Point], prices: Sequence[Price]) -> Finding:
    fronts = [
        (f"{network} on {target}", front)
        for target in targets_of(prices)
        for network, front in _useful_fronts(join(points, prices, target))
    ]
    if not fronts:
        return _nothing("no network has points with prices that reach nine tenths of float32's accuracy")
    members = [member for _, front in fronts for member in front]
    integers = sum(member.kind == "integer" for member in members)
    shares = {title: mean(member.kind == "integer" for member in front) for title, front in fronts}
    often = sum(share >= OFTEN for share in shares.values())
    some = sum(share > 0 for share in shares.values())
    listed = "; ".join(f"{title}: {sum(m.kind == 'integer' for m in front)} of {len(front)}" for title, front in fronts)
    return (
        f"{integers} of {len(members)} pairs on {len(fronts)} fronts are integers: {integers / len(members):.0%}",
        AGREES if 2 * often > len(fronts) else IN_PART if 2 * some > len(fronts) else NOT,
        f"Fronts of accuracy against LUTs of one MAC without DSPs, from {100 * USEFUL:.0f}% of float32's accuracy on. "
        f"Integers on the front: {listed}. Agrees if integers are a third of the front or more in more than half of "
        "the fronts; in part if more than half of the fronts have any.",
    )


def _useful_fronts(candidates: Sequence[Candidate]) -> list[tuple[str, list[Candidate]]]:
    """The useful parts of the fronts of points that can be compared. Empty fronts are left out."""
    axis = AXES["luts"]
    fronts = []
    for ground, some in _grouped(with_cost(candidates, axis), lambda candidate: _in_order(candidate.point)):
        front = pareto(some, axis.cost, lambda candidate: candidate.accuracy)
        useful = [member for member in front if (share_of_float32(member.point) or 0) >= USEFUL]
        if useful:
            network, edges, *_ = ground
            fronts.append((f"{network}{f', edges {edges}' if edges else ''}", useful))
    return fronts


def _in_order(point: Point) -> tuple[Any, ...]:
    """What a point can be compared on, in a form that can be sorted."""
    ground = Ground.of(point)
    return (ground.network, ground.edges or "", *ground[2:])


def _promising(duels: Sequence[_Duel]) -> Finding:
    comparable = [duel for duel in duels if duel.share is not None]
    transformers = [duel for duel in comparable if duel.network.startswith(VISION_TRANSFORMERS)]
    others = [duel for duel in comparable if duel not in transformers]
    if not transformers:
        return _nothing(f"no network whose name begins with {', '.join(VISION_TRANSFORMERS)} was measured")
    gain, elsewhere = _mean_share(transformers), _mean_share(others) if others else None
    more = elsewhere is None or gain > elsewhere
    listed = "; ".join(
        f"{network}: {100 * _mean_share(some):+.1f}"
        for network, some in _grouped(comparable, lambda duel: duel.network)
    )
    beside = "" if elsewhere is None else f", on the other networks {100 * elsewhere:+.1f}"
    return (
        f"minifloats gain {100 * gain:+.1f} points of float32's accuracy on vision transformers{beside}",
        AGREES if gain > 0 and more else IN_PART if gain > 0 else NOT,
        f"Mean of the best minifloat minus the best integer over widths of four bits and more, as a share of float32's "
        f"accuracy in percent. {listed}. Won by more than two standard errors on vision transformers: minifloats "
        f"{sum(duel.winner == 'minifloat' for duel in transformers)}, integers "
        f"{sum(duel.winner == 'integer' for duel in transformers)} of {len(transformers)}. Agrees if the gain is above "
        "zero and larger than elsewhere; in part if it is above zero.",
    )


def _mean_share(duels: Sequence[_Duel]) -> float:
    return mean(duel.share or 0.0 for duel in duels)


def _dearer(prices: Sequence[Price], cost: Callable[[Price], int | None], least: int, most: int) -> Finding:
    """How much dearer minifloats are than the integer of the same width, both operands alike, without DSPs."""
    ratios = _ratios(prices, cost)
    if not ratios:
        return _nothing("no minifloat and integer of the same width have this price on the same FPGA")
    percents = [percent for _, percent in ratios]
    inside = sum(least <= percent <= most for percent in percents)
    middle = median(percents)
    listed = "; ".join(
        f"{target}: {_range([percent for _, percent in some])}" for target, some in _grouped(ratios, lambda r: r[0])
    )
    agrees = least <= middle <= most and 4 * inside >= 3 * len(percents)
    return (
        f"{_range(percents)} dearer",
        AGREES if agrees else IN_PART if inside else NOT,
        f"{len(percents)} comparisons of a minifloat with the integer of its width (3 to 8 bits, both operands "
        f"alike, sums of the same length, no DSPs), {inside} of them within {least} to {most}%, "
        f"{sum(percent < least for percent in percents)} below, {sum(percent > most for percent in percents)} above. "
        f"{listed}. Agrees if the median and three quarters of them are within; in part if any is.",
    )


def _ratios(prices: Iterable[Price], cost: Callable[[Price], int | None]) -> list[tuple[str, float]]:
    """For each minifloat and length of sums, the target, and how many percent it costs more."""
    alike = [price for price in prices if price.weight == price.activation and price.dsp_policy == "none"]
    integers: dict[tuple[str, int, int], int] = {}
    for price in alike:
        luts = cost(price)
        if price.weight == f"int{parse(price.weight).width}" and luts:
            integers[_ground(price)] = luts
    found = []
    for price in alike:
        luts, integer = cost(price), integers.get(_ground(price))
        if kind_of(price.weight, price.activation) == "minifloat" and luts and integer:
            found.append((target_of(price), 100 * (luts / integer - 1)))
    return found


def _ground(price: Price) -> tuple[str, int, int]:
    return target_of(price), price.terms, parse(price.weight).width


def _range(percents: Sequence[float]) -> str:
    return f"{min(percents):.0f} to {max(percents):.0f}%, median {median(percents):.0f}%"


def _grouped(items: Iterable[Any], key: Callable[[Any], Any]) -> list[tuple[Any, list[Any]]]:
    """The items in groups, in the order of their keys."""
    return [(value, list(some)) for value, some in groupby(sorted(items, key=key), key=key)]


def _nothing(why: str) -> Finding:
    return "nothing", NOTHING, f"Not measured: {why}."
