"""The search for the largest array: shapes, what small arrays predict of large ones, and which to try next."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..families import Target
from ..formats import DATAFLOWS, Engine
from .room import has_room

__all__ = [
    "LANES",
    "PROBES",
    "Attempt",
    "Model",
    "NothingFits",
    "Prediction",
    "Shape",
    "cheapest_shapes",
    "climb",
    "has_probes",
    "middle",
    "most_products",
    "possible_shapes",
    "search",
]

LANES = (1, 2, 4, 8, 16, 32)
"""The numbers of lanes to choose from unless the caller names others."""

MOST_SIDE = 64
"""Rows, and columns, of the largest array that is looked at."""

MOST_OBLONG = 2
"""Sides of an array differ by this factor at most."""

PROBES = ((2, 2), (2, 4), (4, 4))
"""Rows and columns of the small arrays that a prediction is made from; ``Model.of`` solves for exactly these."""


RETREAT = 1.04
"""After an array that did not fit, the next is at least so much smaller. Climbing makes up for what was skipped."""


class NothingFits(ValueError):
    """Not even the smallest array fits the device."""


@dataclass(frozen=True, order=True)
class Shape:
    """The rows, columns and lanes of an array, which makes ``products`` in a cycle, and its dataflow."""

    rows: int
    columns: int
    lanes: int
    dataflow: str = DATAFLOWS[0]

    @property
    def products(self) -> int:
        return self.rows * self.columns * self.lanes

    def __str__(self) -> str:
        shape = f"{self.rows}x{self.columns}x{self.lanes}"
        return shape if self.dataflow == DATAFLOWS[0] else f"{shape} {self.dataflow}"


def possible_shapes(lanes: int, dataflow: str, engine_of: Callable[[Shape], Engine], target: Target) -> Iterator[Shape]:
    """All shapes of these that there are engines of, that are not too oblong, and whose memories the device has.

    ``engine_of`` makes the engine of a shape, and raises ValueError where there is none.
    """
    for rows in range(1, MOST_SIDE + 1):
        for columns in range(-(-rows // MOST_OBLONG), min(MOST_SIDE, MOST_OBLONG * rows) + 1):
            shape = Shape(rows, columns, lanes, dataflow)
            try:
                engine = engine_of(shape)
            except ValueError:
                continue
            if has_room(engine, target):
                yield shape


def has_probes(shapes: Iterable[Shape]) -> bool:
    """Whether the small arrays that a prediction is made from are among these, of one number of lanes."""
    return {*PROBES} <= {(shape.rows, shape.columns) for shape in shapes}


@dataclass(frozen=True)
class Attempt:
    """What became of one shape.

    ``outcome`` is ``routed``, or says why it was not. ``share`` is the share of the device's scarcest resource that the
    packed design takes; it is above 1 if the design is too large. ``fmax_mhz`` is there if it was routed.
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

    The search goes down from ``start`` until an array fits. A step is as long as the last array was too large. Then it
    goes up, and ends after two failures in a row. Without ``climb``, the first array that fits is taken. Raises
    NothingFits.
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


def climb(values: Sequence[int], first: int, worth: Callable[[int], float]) -> int:
    """The value of the most worth, if the worth of ascending ``values`` rises to it and falls behind it.

    The climb begins at ``first``. It goes up while the worth rises, and down if it does not rise at once; other values
    are not looked at.
    """
    ordered = sorted(values)
    place = ordered.index(first)
    best, most = place, worth(first)
    for step in (1, -1):
        while 0 <= best + step < len(ordered):
            found = worth(ordered[best + step])
            if found <= most:
                break
            best, most = best + step, found
        if best != place:
            break
    return ordered[best]


@dataclass(frozen=True)
class Model:
    """Logic cells of an array: ``fixed + side * (rows + columns) + element * rows * columns``."""

    fixed: float
    side: float
    element: float

    @classmethod
    def of(cls, probes: Sequence[float]) -> "Model":
        """The model that fits the arrays of ``PROBES`` exactly."""
        small, oblong, large = probes
        element = (large - 2 * oblong + small) / 4
        side = (oblong - small - 4 * element) / 2
        return cls(small - 4 * side - 4 * element, side, element)

    def told(self, amount: Callable[[float], str]) -> str:
        """The model in words. ``amount`` writes a number of logic cells, or of what else the model counts."""
        return (
            f"an element is predicted to take {amount(self.element)}, a row or column {amount(self.side)}, "
            f"all else {amount(self.fixed)}"
        )

    def cells(self, shape: Shape) -> float:
        return self.fixed + self.side * (shape.rows + shape.columns) + self.element * shape.rows * shape.columns


@dataclass(frozen=True)
class Prediction:
    """Predicts what arrays of one dataflow and number of lanes take: those in logic, less what DSPs save.

    Parameters
    ----------
    model: of arrays in logic
    saved: by each element that has DSPs
    dsp_elements: the most elements that can have DSPs
    """

    model: Model
    saved: float = 0.0
    dsp_elements: int = 0

    def taken(self, shape: Shape) -> float:
        return self.model.cells(shape) - self.saved * min(self.dsp_elements, shape.rows * shape.columns)

    def told(self, amount: Callable[[float], str]) -> str:
        """The prediction in words. ``amount`` writes a number of what the model counts."""
        elements = f"up to {self.dsp_elements} elements"
        saved = f"; {amount(self.saved)} less for each of {elements} by DSPs" if self.dsp_elements else ""
        return f"{self.model.told(amount)}{saved}"


def most_products(shapes: Iterable[Shape], prediction: Prediction, room: float) -> int:
    """The most products of those shapes that are predicted to take ``room`` at most; 0 if there are none."""
    return max((shape.products for shape in shapes if prediction.taken(shape) <= room), default=0)


def cheapest_shapes(predicted: Iterable[tuple[Prediction, Iterable[Shape]]], room: float) -> list[tuple[float, Shape]]:
    """What the cheapest shape for each number of products takes, and the shape, if it takes ``room`` at most; in
    ascending order of products."""
    cheapest: dict[int, tuple[float, Shape]] = {}
    for prediction, shapes in predicted:
        for shape in shapes:
            found = prediction.taken(shape), shape
            if found[0] <= room:
                cheapest[shape.products] = min(cheapest.get(shape.products, found), found)
    return [cheapest[products] for products in sorted(cheapest)]


def middle(lanes: Sequence[int]) -> int:
    """The number of lanes that a climb begins with."""
    return sorted(lanes)[(len(lanes) - 1) // 2]
