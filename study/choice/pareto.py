"""Accuracy against cost: points joined with prices, the Pareto front, its knee and its hypervolume."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from ...formats import parse
from ...synth import FAMILIES
from ..measurement.point import Point
from ..prices.price import Price

__all__ = [
    "AXES",
    "KINDS",
    "Axis",
    "Candidate",
    "behind",
    "hypervolume",
    "join",
    "kind_of",
    "knee",
    "macs_of",
    "of_kind",
    "pareto",
    "target_of",
    "targets_of",
    "tied",
    "with_cost",
]

KINDS = ("integer", "minifloat", "mixed", "table")

STANDARD_ERRORS = 2
"""Differences of so many standard errors, or fewer, are not told apart."""

Item = TypeVar("Item")
Number = Callable[[Item], float]


@cache
def kind_of(weight: str, activation: str) -> str:
    """The kind of both formats, given by name, where it is the same; ``mixed`` else."""
    one, other = parse(weight).kind, parse(activation).kind
    return one if one == other else "mixed"


@dataclass(frozen=True)
class Candidate:
    """A pair of formats to choose for a network: how accurate it is, and what its MAC costs.

    ``price`` is that of the pair's MAC, None where none was measured or where no such MAC does the work (see ``join``).
    ``products`` is that of the MAC for products of two activations, where it is another one: both of its operands have
    the activations' format.
    """

    point: Point
    price: Price | None
    products: Price | None = None

    @property
    def kind(self) -> str:
        return kind_of(self.point.weight, self.point.activation)

    @property
    def pair(self) -> str:
        """``e2m1`` where both formats are alike, else ``e2m1 × int4``."""
        weight, activation = self.point.weight, self.point.activation
        return weight if weight == activation else f"{weight} × {activation}"

    @property
    def accuracy(self) -> float:
        return self.point.accuracy

    @property
    def luts(self) -> float | None:
        """Of one MAC, times its cycles a product; where there are two kinds of MACs, on average over the
        multiply-accumulates, to a tenth."""
        return self._average(lambda price: price.lut_cycles)

    @property
    def luts_with_requantizer(self) -> float | None:
        return self._average(lambda price: price.lut_cycles_with_requantizer)

    def _average(self, luts: Callable[[Price], int | None]) -> float | None:
        own = None if self.price is None else luts(self.price)
        if own is None or self.products is None:
            return own
        other, share = luts(self.products), self.point.products
        return None if other is None else round((1 - share) * own + share * other, 1)

    @property
    def bits(self) -> int:
        """Of weights and activations moved for one sample."""
        return self.point.weight_bits + self.point.activation_bits


@dataclass(frozen=True)
class Axis:
    """A cost: the name of the member of ``Candidate``, and what it is called."""

    name: str
    title: str

    def cost(self, candidate: Candidate) -> float:
        """Raises ValueError where the candidate has no such cost."""
        value = getattr(candidate, self.name)
        if value is None:
            raise ValueError(f"{candidate.pair} must have a price to be compared by {self.title}")
        return float(value)


AXES = {
    axis.name: axis
    for axis in (
        Axis("luts", "LUTs of one MAC"),
        Axis("luts_with_requantizer", "LUTs of one MAC and one requantizer"),
        Axis("bits", "bits of weights and activations moved for one sample"),
    )
}


def with_cost(candidates: Iterable[Candidate], axis: Axis) -> list[Candidate]:
    """Those whose cost is known."""
    return [candidate for candidate in candidates if getattr(candidate, axis.name) is not None]


def of_kind(candidates: Iterable[Candidate], kind: str | None) -> list[Candidate]:
    """Those of a kind; all of them for None."""
    return [candidate for candidate in candidates if kind in (None, candidate.kind)]


def target_of(price: Price) -> str:
    """What a price was measured on: ``xc7``, ``ice40-up5k``; ``xc7 with DSPs`` where the policy lets DSPs be used."""
    default = FAMILIES[price.family].devices[0].name == price.device
    name = price.family if default else f"{price.family}-{price.device}"
    return name if price.dsp_policy == "none" else f"{name} with DSPs"


def targets_of(prices: Iterable[Price]) -> list[str]:
    """Every target that prices were measured on, in order; but with DSPs, on which there are no fronts.

    A MAC there costs LUTs and DSPs, and what a DSP is worth in LUTs is for no one else to say than for whoever has the
    device to fill: by LUTs alone whatever takes DSPs would win.
    """
    return list(dict.fromkeys(target_of(price) for price in prices if price.dsp_policy == "none"))


def join(points: Iterable[Point], prices: Iterable[Price], target: str) -> list[Candidate]:
    """Every point with the price of its pair of formats and its element on a target, as ``target_of`` names it.

    The price is that of sums as long as the network's longest or, where none was measured, of the next longer ones that
    were. Where a network multiplies activations with each other and its two formats differ, there are two kinds of MAC,
    and both must have a price. A point has none if its scales are by blocks or if its layers differ in format: its
    hardware is another. The first and the last layer may (``edges``): the price is that of the MAC of all others.
    """
    known: dict[tuple[str, str, str], list[Price]] = {}
    for price in prices:
        if target_of(price) == target:
            known.setdefault((price.weight, price.activation, price.element), []).append(price)
    return [_candidate(point, known) for point in points]


def macs_of(point: Point) -> list[tuple[str, str]]:
    """Weight and activation of the MACs that compute the point, that for two activations last; none where scales are by
    blocks or layers differ in format, whose hardware has no one price."""
    if point.layers or point.scale_per == "block":
        return []
    pairs = [(point.weight, point.activation), *([(point.activation, point.activation)] if point.products else [])]
    return [*dict.fromkeys(pairs)]


def _candidate(point: Point, known: Mapping[tuple[str, str, str], Sequence[Price]]) -> Candidate:
    prices = [_price_of(point, known.get((*pair, point.element), [])) for pair in macs_of(point)]
    if len(prices) < 2:
        return Candidate(point, *prices or [None])
    own, products = prices
    return Candidate(point, None if products is None else own, products)


def _price_of(point: Point, prices: Sequence[Price]) -> Price | None:
    enough = [price for price in prices if price.terms >= point.longest_dot]
    # of a narrower accumulator, made for some weights alone, the point says nothing
    return min(enough, key=lambda price: (price.terms, -price.accumulator_bits, price.luts), default=None)


def pareto(items: Iterable[Item], cost: "Number[Item]", value: "Number[Item]") -> list[Item]:
    """The items that no other beats: none is worth more at no greater cost, or as much at less.

    Of items equal in both the first is kept. Ascending in cost, and so in value. Exact: nothing is rounded. Raises
    ValueError where a cost or a value is NaN, which has no order.
    """
    items = [*items]
    front: list[Item] = []
    if any(math.isnan(cost(item)) or math.isnan(value(item)) for item in items):
        raise ValueError("cost and value must be numbers, not NaN")
    for item in sorted(items, key=lambda item: (cost(item), -value(item))):
        if not front or value(item) > value(front[-1]):
            front.append(item)
    return front


def knee(front: Sequence[Item], cost: "Number[Item]", value: "Number[Item]") -> Item | None:
    """The item of a front that is farthest above the chord from its first to its last.

    With both axes scaled to 0 to 1, and the logarithm of the cost: where a doubling begins to buy less than it does on
    average. The cheaper of two as far; None where none is above the chord, as on a front of fewer than three.
    """
    if len(front) < 3:
        return None
    x = _scaled([math.log2(cost(item)) for item in front])
    y = _scaled([value(item) for item in front])
    heights = [b - a for a, b in zip(x, y, strict=True)]
    best = max(range(1, len(front) - 1), key=heights.__getitem__)
    return front[best] if heights[best] > 0 else None


def _scaled(values: list[float]) -> list[float]:
    return [(value - values[0]) / (values[-1] - values[0]) for value in values]


def hypervolume(
    items: Iterable[Item], cost: "Number[Item]", value: "Number[Item]", reference: tuple[float, float]
) -> float:
    """The area that items dominate, up to a reference point (cost, value), in doublings of the cost times the value.

    What costs more than the reference, or is worth less, adds nothing.
    """
    dearest, least = reference
    front = pareto((item for item in items if cost(item) <= dearest and value(item) >= least), cost, value)
    ends = [*(cost(item) for item in front), dearest][1:]
    return sum(math.log2(end / cost(item)) * (value(item) - least) for item, end in zip(front, ends, strict=True))


def tied(candidates: Sequence[Candidate], axis: Axis) -> list[bool]:
    """Of each candidate, whether statistics cannot tell it from the front: a flag, in the order given.

    It is tied if it is not ``behind`` the best of no greater cost.
    """
    front = pareto(candidates, axis.cost, lambda candidate: candidate.accuracy)
    flags = []
    for candidate in candidates:
        best = [other for other in front if axis.cost(other) <= axis.cost(candidate)][-1]
        flags.append(not behind(candidate, best))
    return flags


def behind(candidate: Candidate, other: Candidate) -> bool:
    """Whether the other is ahead by more than two standard errors of the difference.

    That is taken of independent samples; these are the same ones, mostly, and so the true error is smaller: some that
    are behind seem not to be.
    """
    error = math.hypot(other.point.standard_error, candidate.point.standard_error)
    return other.accuracy - candidate.accuracy > STANDARD_ERRORS * error
