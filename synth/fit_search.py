"""Which array to try next: shapes, what a small one predicts of a large one, and the way to the largest that fits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["PROBES", "Attempt", "Model", "NothingFits", "Shape", "search"]

PROBES = ((2, 2), (2, 4), (4, 4))
"""Rows and columns of the small arrays that a prediction is made from; ``Model.of`` solves for exactly these."""


RETREAT = 1.04
"""How much smaller the next array is, at least, after one that did not fit; climbing makes good what was skipped."""


class NothingFits(ValueError):
    """Not even the smallest array goes into the device."""


@dataclass(frozen=True, order=True)
class Shape:
    """An array's rows, columns and lanes; ``products`` of them a cycle."""

    rows: int
    columns: int
    lanes: int

    @property
    def products(self) -> int:
        return self.rows * self.columns * self.lanes

    def __str__(self) -> str:
        return f"{self.rows}x{self.columns}x{self.lanes}"


@dataclass(frozen=True)
class Attempt:
    """What became of one shape.

    ``outcome``: ``routed``, or why not. ``share``: of the device's scarcest resource, what nextpnr packs the design
    into; above 1 where it is too large. ``fmax_mhz`` where routed.
    """

    shape: Shape
    outcome: str
    share: float
    fmax_mhz: float | None = None

    @property
    def fits(self) -> bool:
        return self.outcome == "routed"

    def __str__(self) -> str:
        speed = "" if self.fmax_mhz is None else f", {self.fmax_mhz:.1f} MHz"
        return f"{self.shape}: {self.share:.1%}, {self.outcome}{speed}"


def search(
    candidates: Sequence[Shape], start: int, attempt: Callable[[Shape], Attempt], *, climb: bool = True
) -> tuple[Attempt, list[Attempt]]:
    """The largest of ``candidates`` (smallest first) that fits, and all attempts in their order.

    Goes down from ``start`` until one fits, at once as far as it was too large; then up, past one that does not fit, to
    the next two failures in a row. Without ``climb`` the first that fits is taken. Raises NothingFits.
    """
    tried: dict[int, Attempt] = {}

    def at(index: int) -> Attempt:
        if index not in tried:
            tried[index] = attempt(candidates[index])
        return tried[index]

    index = start
    while index >= 0 and not at(index).fits:
        goal = candidates[index].products / max(RETREAT, tried[index].share)
        index -= 1
        while index > 0 and candidates[index].products > goal:
            index -= 1
    if index < 0:
        last = tried[min(tried)] if tried else None
        raise NothingFits(f"no array fits; the smallest that was tried: {last}" if last else "no array fits")
    best, failures = index, 0
    for above in range(index + 1, len(candidates) if climb else 0):
        if at(above).fits:
            best, failures = above, 0
        else:
            failures += 1
            if failures == 2 or tried[above].share > 1:
                break
    return tried[best], list(tried.values())


@dataclass(frozen=True)
class Model:
    """Logic cells of an array: ``fixed + side * (rows + columns) + element * rows * columns``."""

    fixed: float
    side: float
    element: float

    @classmethod
    def of(cls, probes: Sequence[float]) -> "Model":
        """The model that is right for the arrays of ``PROBES``."""
        small, oblong, large = probes
        element = (large - 2 * oblong + small) / 4
        side = (oblong - small - 4 * element) / 2
        return cls(small - 4 * side - 4 * element, side, element)

    def told(self, amount: Callable[[float], str]) -> str:
        """In words; ``amount`` writes a number of logic cells, or whatever else the model is made of."""
        return (
            f"an element is predicted to take {amount(self.element)}, a row or column {amount(self.side)}, "
            f"all else {amount(self.fixed)}"
        )

    def cells(self, shape: Shape) -> float:
        return self.fixed + self.side * (shape.rows + shape.columns) + self.element * shape.rows * shape.columns
