"""Accuracy against cost: points joined with prices, the Pareto front, its knee and its hypervolume."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from ...formats import EXACT, parse
from ...synth import FAMILIES
from ..measurement.point import Point
from ..prices.network_price import NetworkPrice
from ..prices.price import Price
from ..zoo.few_bits import TRAINED

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

KINDS = ("integer", "minifloat", "mixed", "table", "trained")

STANDARD_ERRORS = 2
"""Two accuracies that differ by at most so many standard errors are taken to be equal."""

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

    ``price`` is the price of the pair's MAC. It is None if none was measured, or if no such MAC does the work (see
    ``join``). ``products`` is the price of the MAC that multiplies two activations, if that is another MAC: both of its
    operands have the activations' format. ``accelerator`` is the price of the whole network's hardware, where that was
    measured and the point is of the evaluation ``network``; it has no price of a MAC then.
    """

    point: Point
    price: Price | None
    products: Price | None = None
    accelerator: NetworkPrice | None = None

    @property
    def kind(self) -> str:
        """The kind of the formats, or ``trained`` for a network that was trained with weights of few bits."""
        return "trained" if self._is_trained else kind_of(self.point.weight, self.point.activation)

    @property
    def pair(self) -> str:
        """The pair for people: ``e2m1`` if both formats are alike, and ``e2m1 × int4`` otherwise."""
        weight, activation = self.point.weight, self.point.activation
        pair = weight if weight == activation else f"{weight} × {activation}"
        return f"{pair}, trained" if self._is_trained else pair

    @property
    def _is_trained(self) -> bool:
        return TRAINED.get(self.point.network, ("", ""))[1] == self.point.weight

    @property
    def accuracy(self) -> float:
        return self.point.accuracy

    @property
    def luts(self) -> float | None:
        """LUTs of one MAC, times its cycles a product.

        If there are two kinds of MACs, it is their average over the multiply-accumulates, rounded to a tenth.
        """
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
    def network_luts(self) -> int | None:
        """LUTs of the whole network's accelerator."""
        return None if self.accelerator is None else self.accelerator.luts

    @property
    def bits(self) -> int:
        """Bits that are moved for one sample: weights, activations, and what is held in float32 across layers."""
        return self.point.weight_bits + self.point.activation_bits + self.point.held_bits


@dataclass(frozen=True)
class Axis:
    """A cost: the member of ``Candidate`` that has it, and the words for it."""

    name: str
    title: str

    def cost(self, candidate: Candidate) -> float:
        """The cost of a candidate. Raises ValueError if it has none."""
        value = getattr(candidate, self.name)
        if value is None:
            raise ValueError(f"{candidate.pair} must have a price to be compared by {self.title}")
        return float(value)


AXES = {
    axis.name: axis
    for axis in (
        Axis("luts", "LUTs of one MAC"),
        Axis("luts_with_requantizer", "LUTs of one MAC and one requantizer"),
        Axis("bits", "bits moved for one sample: weights, activations, and values held across layers"),
        Axis("network_luts", "LUTs of the whole network's accelerator"),
    )
}


def with_cost(candidates: Iterable[Candidate], axis: Axis) -> list[Candidate]:
    """The candidates whose cost is known."""
    return [candidate for candidate in candidates if getattr(candidate, axis.name) is not None]


def of_kind(candidates: Iterable[Candidate], kind: str | None) -> list[Candidate]:
    """The candidates of a kind, or all of them for None."""
    return [candidate for candidate in candidates if kind in (None, candidate.kind)]


def target_of(price: Price | NetworkPrice) -> str:
    """The target that a price was measured on, as ``xc7`` or ``ice40-up5k``, or ``xc7 with DSPs`` if DSPs may be
    used."""
    default = FAMILIES[price.family].devices[0].name == price.device
    name = price.family if default else f"{price.family}-{price.device}"
    return name if price.dsp_policy == "none" else f"{name} with DSPs"


def targets_of(prices: Iterable[Price | NetworkPrice]) -> list[str]:
    """Every target that prices were measured on, in order, without those that use DSPs.

    There are no fronts with DSPs. A MAC there costs both LUTs and DSPs, and only the user can say how many LUTs a DSP
    is worth on the device to fill. By LUTs alone, whatever uses DSPs would win.
    """
    return list(dict.fromkeys(target_of(price) for price in prices if price.dsp_policy == "none"))


def join(points: Iterable[Point], prices: Iterable[Price | NetworkPrice], target: str) -> list[Candidate]:
    """Every point with the price of its pair of formats and its element on a target, as ``target_of`` names it.

    The price is that of sums as long as the network's longest. If none was measured for that length, it is the price of
    the next longer sums that were measured. If a network multiplies activations with each other, and its two formats
    differ, there are two kinds of MAC, and both must have a price. A point has no price if its scales are by blocks or
    its layers differ in format, since other hardware computes it. Only the first and the last layer may differ
    (``edges``): the price is then that of the MAC of all other layers.

    A point of the evaluation ``network`` has the price of the accelerator of that network in its formats, if all layers
    have these. All prices of accelerators that are given must be of one array.
    """
    macs: dict[tuple[str, str, str], list[Price]] = {}
    accelerators: dict[tuple[str, ...], NetworkPrice] = {}
    for price in prices:
        if target_of(price) != target:
            continue
        if isinstance(price, Price):
            macs.setdefault((price.weight, price.activation, price.element), []).append(price)
        else:
            accelerators[price.network, price.weight, price.activation, price.between] = price
    return [
        Candidate(point, None, accelerator=_accelerator_of(point, accelerators))
        if point.between
        else _candidate(point, macs)
        for point in points
    ]


def _accelerator_of(point: Point, known: Mapping[tuple[str, ...], NetworkPrice]) -> NetworkPrice | None:
    plain = macs_of(point) and not point.edges and point.element == EXACT.text
    return known.get((point.network, point.weight, point.activation, point.between)) if plain else None


def macs_of(point: Point) -> list[tuple[str, str]]:
    """Weight and activation of the MACs that compute the point; the MAC for two activations comes last.

    There are none if scales are by blocks or layers differ in format, since such hardware has no single price.
    """
    if point.layers or point.scale_per == "block":
        return []
    pairs = [(point.weight, point.activation), *([(point.activation, point.activation)] if point.products else [])]
    return [*dict.fromkeys(pairs)]


def _candidate(point: Point, known: Mapping[tuple[str, str, str], Sequence[Price]]) -> Candidate:
    prices = [_price_of(point, known.get((*pair, point.element), [])) for pair in macs_of(point)]
    if len(prices) < 2:
        return Candidate(point, prices[0] if prices else None)
    own, products = prices
    return Candidate(point, None if products is None else own, products)


def _price_of(point: Point, prices: Sequence[Price]) -> Price | None:
    enough = [price for price in prices if price.terms >= point.longest_dot]
    # the point does not say whether a narrower accumulator, made for certain weights alone, would be enough
    return min(enough, key=lambda price: (price.terms, -price.accumulator_bits, price.luts), default=None)


def pareto(items: Iterable[Item], cost: "Number[Item]", value: "Number[Item]") -> list[Item]:
    """The items that no other item beats. An item beats another if it is worth more at no greater cost, or as much at
    less.

    The items are in ascending order of cost, and so of value. Of items that are equal in both, the first is kept. Costs
    and values are compared exactly, without rounding. Raises ValueError if one is NaN, which has no order.
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
    """The item of a front that is farthest above the chord from its first to its last item.

    The axes are the logarithm of the cost and the value, both scaled to 0 to 1. From the knee on, doubling the cost
    buys less than it does on average. If two items are equally far, it is the cheaper one. It is None if no item is
    above the chord, as on a front of fewer than three.
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
    """The area that items dominate, up to a reference point (cost, value).

    Its unit is a doubling of the cost times the unit of the value. An item that costs more than the reference, or is
    worth less, adds nothing.
    """
    dearest, least = reference
    front = pareto((item for item in items if cost(item) <= dearest and value(item) >= least), cost, value)
    ends = [*(cost(item) for item in front), dearest][1:]
    return sum(math.log2(end / cost(item)) * (value(item) - least) for item, end in zip(front, ends, strict=True))


def tied(candidates: Sequence[Candidate], axis: Axis) -> list[bool]:
    """Whether each candidate cannot be told from the front by statistics, as flags in the order given.

    A candidate is tied with the front if it is not ``behind`` the best one of no greater cost.
    """
    front = pareto(candidates, axis.cost, lambda candidate: candidate.accuracy)
    flags = []
    for candidate in candidates:
        best = [other for other in front if axis.cost(other) <= axis.cost(candidate)][-1]
        flags.append(not behind(candidate, best))
    return flags


def behind(candidate: Candidate, other: Candidate) -> bool:
    """Whether the other candidate is ahead by more than two standard errors of the difference.

    The standard error is computed as if the samples were independent. Mostly they are the same samples, so that the
    true error is smaller. So some candidates that are behind are taken not to be.
    """
    error = math.hypot(other.point.standard_error, candidate.point.standard_error)
    return other.accuracy - candidate.accuracy > STANDARD_ERRORS * error
