"""Duels: a minifloat against the integer of its width, on one network, sample by sample."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ...formats import parse
from ..choice.findings import Ground
from ..measurement.point import Point
from ..measurement.scores import mean_difference

__all__ = ["ERROR_RATE", "LEAST_WIDTH", "Duel", "Score", "duels", "surely"]

LEAST_WIDTH = 4
ERROR_RATE = 0.05
"""The chance that any of a claim's comparisons is taken to be sure though it is not."""


@dataclass(frozen=True)
class Score:
    """A difference of accuracies, and its standard error."""

    difference: float
    error: float

    @property
    def chance(self) -> float:
        """How likely a difference of this size is if there is none: two-sided, of the normal distribution."""
        if not math.isfinite(self.error):
            return 1.0
        if not self.error:
            return float(not self.difference)
        return math.erfc(abs(self.difference) / self.error / math.sqrt(2))


@dataclass(frozen=True)
class Duel:
    """A minifloat of a family, as e2m1 of ``e2m*``, and the integer of its width, on points quantized alike.

    Members
    -------
    network, how: the network, and all else that both points have in common
    family: the formats with as many exponent bits
    width: bits of both formats
    """

    network: str
    how: tuple[Any, ...]
    family: str
    width: int
    integer: Point
    minifloat: Point

    @cached_property
    def score(self) -> Score:
        """By how much the minifloat is more accurate."""
        return Score(*mean_difference([(self.minifloat, self.integer)]))

    @property
    def paired(self) -> bool:
        """Whether both points have the scores of their samples."""
        return bool(self.minifloat.scores and self.integer.scores)


def duels(points: Iterable[Point]) -> list[Duel]:
    """Every minifloat of four bits and more against the integer of its width, weights and activations in one format.

    Of several evaluations of a scheme, ``points`` must have one only. Points without scores by sample are of an older
    fewbit, which searched scales in another way: they are compared with each other alone.
    """
    sides: dict[tuple[Any, ...], dict[str, Point]] = {}
    for point in points:
        if point.weight == point.activation and not point.layers and parse(point.weight).width >= LEAST_WIDTH:
            how = (
                Ground.of(point),
                bool(point.scores),
                point.scale_per,
                point.scale_format,
                point.block_size,
                point.techniques,
            )
            sides.setdefault((how, parse(point.weight).width), {})[point.weight] = point
    found = []
    for (how, width), some in sides.items():
        integer = some.get(f"int{width}")
        for name, point in some.items():
            family = re.fullmatch(r"(e\d+m)\d+", name)
            if family and integer:
                found.append(Duel(point.network, how, f"{family[1]}*", width, integer, point))
    return found


def surely(scores: Sequence[Score]) -> list[bool]:
    """Which of these differences are there, with a chance of 5% that any of them is not.

    Source: Holm, Scandinavian Journal of Statistics 6(2), 1979. The smallest chance must be below 5% over their number,
    the next below 5% over one less, and so on until one is not.
    """
    order = sorted(range(len(scores)), key=lambda place: scores[place].chance)
    found = [False] * len(scores)
    for rank, place in enumerate(order):
        if scores[place].chance > ERROR_RATE / (len(scores) - rank):
            break
        found[place] = True
    return found
