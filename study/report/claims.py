"""The claims of the paper (arXiv 2311.12359) are put beside what was measured here."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from statistics import mean, median
from typing import Any

from ...formats import parse
from ..choice.findings import Findings, Ground, alike
from ..choice.pareto import AXES, STANDARD_ERRORS, join, kind_of, target_of, targets_of, with_cost
from ..measurement.point import Point
from ..measurement.scores import mean_difference
from ..prices.price import Price
from ..zoo.few_bits import TRAINED
from ..zoo.networks import LARGE, SMALL
from .duels import Duel, Score, duels, surely
from .fronts import integers_on_fronts

__all__ = ["AGREES", "IN_PART", "NOT", "NOTHING", "VISION_TRANSFORMERS", "Claim", "claims"]

AGREES, IN_PART, NOT, NOTHING = "agrees", "agrees in part", "does not agree", "not measured"

VISION_TRANSFORMERS = ("vit", "deit", "swin")
"""A network is a vision transformer if its name begins with one of these."""

ZOO = frozenset((*SMALL, *LARGE)) - frozenset(TRAINED)
"""Networks of the paper's question, which is what quantization after training loses."""

USEFUL = 0.9
"""A point of a front counts from this share of float32's accuracy on. What is below is cheap, but of no use."""

ONE_BIT = "e1m"

OFTEN, SOMETIMES = 1 / 3, 1 / 10


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
    found = duels(points)
    proper = [duel for duel in found if not duel.family.startswith(ONE_BIT)]
    one_bit = [duel for duel in found if duel.family.startswith(ONE_BIT)]
    said = {
        "a": (
            "Minifloats of four bits and more are usually more accurate than integers of the same width.",
            _usually(proper, one_bit),
        ),
        "b": ("Integers are often Pareto-optimal all the same.", _often(points, findings.prices)),
        "c": ("Minifloats are promising on vision transformers.", _promising(proper)),
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


Finding = tuple[str, str, str]
"""The number that was measured here, the verdict, and the reasons."""

HOW_SURE = (
    "Surely is with a chance of 5% that any of these comparisons is wrong, by differences sample by sample (Holm); the "
    "errors are those of the test samples, and not of the search for scales"
)


def _usually(proper: Sequence[Duel], one_bit: Sequence[Duel]) -> Finding:
    """Judge whether minifloats usually win, family by family. ``one_bit`` are those whose values are integers."""
    if not proper:
        return _nothing("no network was measured with integers and minifloats of the same width of four bits or more")
    sure = dict(zip(map(id, proper), surely([duel.score for duel in proper]), strict=True))
    counts = {}
    for family, some in _grouped(proper, lambda duel: duel.family):
        ahead = [duel for duel in some if duel.score.difference > 0]
        won = sum(sure[id(duel)] for duel in ahead)
        counts[family] = (len(some), len(ahead), won, sum(sure[id(duel)] for duel in some) - won)
    usual = [family for family, (cases, _, won, _) in counts.items() if 2 * won > cases]
    partly = [family for family, (cases, _, won, lost) in counts.items() if 4 * won >= cases and won > lost]
    best = max(counts, key=lambda family: (counts[family][2] - counts[family][3], counts[family][2]))
    cases, _, won, lost = counts[best]
    listed = "; ".join(
        f"{family}: {ahead} of {cases} ahead, {won} surely, {lost} surely behind"
        for family, (cases, ahead, won, lost) in counts.items()
    )
    where = "; ".join(
        f"{network}: {_names(better)}"
        for network, some in _grouped(proper, lambda duel: duel.network)
        if (better := [duel for duel in some if sure[id(duel)] and duel.score.difference > 0])
    )
    alike = sum(duel.score.difference > 0 for duel in one_bit)
    return (
        f"{best} are surely ahead of the integer of their width in {won} of {cases} cases, surely behind in {lost}",
        AGREES if usual else IN_PART if partly else NOT,
        f"A case is a network, a width and a way to quantize. {HOW_SURE}.{_unpaired(proper)} {listed}. Surely ahead: "
        f"{where or 'none'}. e1m*, whose values are those of sign-magnitude integers, do not count: {alike} of "
        f"{len(one_bit)} ahead. Agrees if one family is surely ahead in more than half of its cases; in part if in a "
        "quarter of them or more, and surely behind in fewer.",
    )


def _names(won: Sequence[Duel]) -> str:
    return ", ".join(duel.minifloat.weight for duel in sorted(won, key=lambda duel: (duel.width, duel.family)))


def _unpaired(some: Sequence[Duel]) -> str:
    """What is to be said of points without scores by sample."""
    networks = sorted({duel.network for duel in some if not duel.paired})
    if not networks:
        return ""
    return f" Points of {', '.join(networks)} have no scores by sample: their errors are those of independent samples."


def _often(points: Sequence[Point], prices: Sequence[Price]) -> Finding:
    shares = {}
    for ground, some in _grouped(points, _in_order):
        fronts = [with_cost(join(some, prices, target), AXES["luts"]) for target in targets_of(prices)]
        if share := integers_on_fronts([front for front in fronts if front], USEFUL):
            network, edges, *_ = ground
            shares[f"{network}{f', edges {edges}' if edges else ''}"] = share
    if not shares:
        return _nothing("no network has points with prices that reach nine tenths of float32's accuracy")
    whole = mean(share for share, _ in shares.values())
    error = math.hypot(*(error for _, error in shares.values())) / len(shares)
    least = whole - STANDARD_ERRORS * error
    listed = "; ".join(f"{name}: {_percent(*share)}" for name, share in shares.items())
    return (
        f"{_percent(whole, error)} of the pairs on fronts are integers",
        AGREES if least >= OFTEN else IN_PART if least >= SOMETIMES else NOT,
        f"Fronts of accuracy against LUTs of one MAC without DSPs, from {100 * USEFUL:.0f}% of float32's accuracy on. "
        "Every network counts once, by the mean over the FPGAs that have prices, since all of these have the same "
        f"accuracies. Integers on its fronts: {listed}. Standard errors are of fronts of samples drawn anew "
        f"(bootstrap). Agrees if, less two standard errors, they are a third or more; in part if a tenth.",
    )


def _percent(share: float, error: float) -> str:
    return f"{100 * share:.0f}% ± {100 * error:.0f}%"


def _in_order(point: Point) -> tuple[Any, ...]:
    """What a point can be compared on, in a form that can be sorted."""
    ground = Ground.of(point)
    return (ground.network, ground.edges or "", *ground[2:])


def _promising(proper: Sequence[Duel]) -> Finding:
    """Judge whether a family of minifloats gains on vision transformers, on average over widths."""
    mine = [duel for duel in proper if duel.network.startswith(VISION_TRANSFORMERS)]
    if not mine:
        return _nothing(f"no network whose name begins with {', '.join(VISION_TRANSFORMERS)} was measured")
    grouped = _grouped(mine, lambda duel: (duel.network, duel.family, str(duel.how)))
    gains = [
        (network, family, _widths(some), Score(*mean_difference([(duel.minifloat, duel.integer) for duel in some])))
        for (network, family, _), some in grouped
    ]
    sure = surely([score for *_, score in gains])
    won: dict[str, dict[str, list[bool]]] = {}
    for (network, family, _, score), certain in zip(gains, sure, strict=True):
        won.setdefault(family, {}).setdefault(network, []).append(certain and score.difference > 0)
    networks = {duel.network for duel in mine}
    everywhere = [family for family, by in won.items() if {*by} == networks and all(map(all, by.values()))]
    somewhere = [family for family, by in won.items() if any(map(any, by.values()))]
    best = max(gains, key=lambda gain: gain[3].difference)
    listed = "; ".join(
        f"{network} {family}, {widths}: {_points(score)}{', surely' if certain else ''}"
        for (network, family, widths, score), certain in zip(gains, sure, strict=True)
    )
    return (
        f"at best {_points(best[3])} points of the metric, {best[1]} of {best[2]} on {best[0]}",
        AGREES if everywhere else IN_PART if somewhere else NOT,
        "Each family's accuracy minus that of the integers of the same widths, the mean over widths of four bits and "
        f"more, in points of the network's metric. {listed}. {HOW_SURE}.{_unpaired(mine)} Agrees if a family gains "
        f"surely on every vision transformer ({', '.join(sorted(networks))}); in part if on one.",
    )


def _widths(some: Sequence[Duel]) -> str:
    least, most = min(duel.width for duel in some), max(duel.width for duel in some)
    return f"{least} bits" if least == most else f"{least} to {most} bits"


def _points(score: Score) -> str:
    return f"{100 * score.difference:+.1f} ± {100 * score.error:.1f}"


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
        AGREES if agrees else IN_PART if 2 * inside >= len(percents) else NOT,
        f"{len(percents)} comparisons of a minifloat with the integer of its width (3 to 8 bits, both operands "
        f"alike, sums of the same length, no DSPs), {inside} of them within {least} to {most}%, "
        f"{sum(percent < least for percent in percents)} below, {sum(percent > most for percent in percents)} above. "
        f"{listed}. Counts of LUTs are exact, so that this needs no errors. Agrees if the median and three quarters of "
        "them are within; in part if half of them are.",
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
