"""Names beside the points of a picture: placed so that none is over another, over a point or beyond the edge."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..choice.pareto import KINDS, knee, pareto

__all__ = ["Frame", "framed", "named"]

Row = Mapping[str, Any]

SIZE = 9
"""Of the letters, in pixels; ``WIDTH``: of an average one in it, with ``HEIGHT`` and the half size of a point."""
WIDTH, HEIGHT, POINT = 5.9, 12.0, 4.5
KNEE = (13.0, 8.5, 15.0)
"""Of the knee's name: its distance from the point, the width of a letter, and the height."""
MARGIN = 14.0
REACH = (7, 14, 24, 36, 52)
"""Distances from a point at which its name is tried, the nearest first."""


@dataclass(frozen=True)
class Frame:
    """What a panel shows: costs (on a logarithmic scale) and values from edge to edge, and its size in pixels."""

    costs: tuple[float, float]
    values: tuple[float, float]
    width: float
    height: float

    def place(self, cost: float, value: float) -> tuple[float, float]:
        """Pixels from the left and from the top."""
        low, high = (math.log(each) for each in self.costs)
        bottom, top = self.values
        return (math.log(cost) - low) / (high - low) * self.width, (top - value) / (top - bottom) * self.height

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Cost and value there."""
        low, high = (math.log(each) for each in self.costs)
        bottom, top = self.values
        return math.exp(low + x / self.width * (high - low)), top - y / self.height * (top - bottom)


@dataclass(frozen=True)
class _Box:
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "_Box") -> bool:
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom


def framed(seen: Sequence[Row], cost: str, width: float, height: float) -> Frame:
    """Room for all these rows, their standard errors and float32; ``cost``: the column that is drawn across."""
    costs = [math.log(row[cost]) for row in seen]
    values = [
        row["accuracy"] + sign * row["standard_error"] for row in seen for sign in (-1, 1) if row["standard_error"]
    ]
    values += [row["accuracy"] for row in seen]
    values += [row["float32"] for row in seen if row["float32"] is not None]

    def wider(low: float, high: float, pixels: float) -> tuple[float, float]:
        more = ((high - low) or 1) * MARGIN / (pixels - 2 * MARGIN)
        return low - more, high + more

    left, right = wider(min(costs), max(costs), width)
    return Frame((math.exp(left), math.exp(right)), wider(min(values), max(values), height), width, height)


def named(rows: Sequence[Row], seen: Sequence[Row], cost: str, frame: Frame) -> list[dict[str, Any]]:
    """Where the names of points on fronts go: ``text`` from ``at`` (a cost) on, with its middle at ``value``, and a hair
    from ``from_cost`` and ``from_value`` to the point at ``to_cost`` and ``to_value``.

    First those on the front of all, then those on the fronts of their kinds, each from the dearest to the cheapest. A
    name for which there is no room is left out. The knee's name is not among them: the chart has it already.
    """
    front = _front(rows, cost)
    turn = knee(front, lambda row: row[cost], lambda row: row["accuracy"])
    wanted = [*front, *(row for kind in KINDS for row in _front([row for row in rows if row["kind"] == kind], cost))]
    unique = {id(row): row for row in wanted if row is not turn and any(row is each for each in seen)}
    taken = [_around(*frame.place(row[cost], row["accuracy"])) for row in seen]
    taken += [*_others(turn, seen, cost, frame)]
    found = []
    order = sorted(unique.values(), key=lambda row: (not any(row is each for each in front), -row[cost]))
    for row in order:
        x, y = frame.place(row[cost], row["accuracy"])
        for box in _tried(x, y, WIDTH * len(row["pair"])):
            inside = box.left >= 0 and box.top >= 0 and box.right <= frame.width and box.bottom <= frame.height
            if inside and not any(box.meets(other) for other in taken):
                taken.append(box)
                at, value = frame.at(box.left, (box.top + box.bottom) / 2)
                end = min(max(x, box.left), box.right), min(max(y, box.top), box.bottom)
                from_cost, from_value = frame.at(*end)
                found.append(
                    {"text": row["pair"], "at": at, "value": value, "from_cost": from_cost, "from_value": from_value}
                    | {"to_cost": row[cost], "to_value": row["accuracy"], "kind": row["kind"]}
                )
                break
    return found


def _front(rows: Sequence[Row], cost: str) -> list[Row]:
    return pareto([row for row in rows if row[cost] is not None], lambda row: row[cost], lambda row: row["accuracy"])


def _around(x: float, y: float) -> _Box:
    return _Box(x - POINT, y - POINT, x + POINT, y + POINT)


def _others(turn: Row | None, seen: Sequence[Row], cost: str, frame: Frame) -> Iterator[_Box]:
    """What else is written: the knee's name below its point to the right, and float32 above its line to the left."""
    if turn is not None and any(turn is row for row in seen):
        x, y = frame.place(turn[cost], turn["accuracy"])
        away, letter, height = KNEE
        yield _Box(x - away, y - away, x + away, y + away)
        yield _Box(x, y, x + away + letter * len(f"knee: {turn['pair']}"), y + away + height)
    for value in {row["float32"] for row in seen if row["float32"] is not None}:
        _, y = frame.place(seen[0][cost], value)
        yield _Box(0, y - 15, 46, y)


def _tried(x: float, y: float, width: float) -> Iterator[_Box]:
    """Around a point, nearer places first: right, left, below, above, and aslant."""
    for away in REACH:
        for across, down in ((1, 0), (1, 1), (1, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (0, -1)):
            left = x + away if across > 0 else x - away - width if across < 0 else x - width / 2
            middle = y + down * (away if across == 0 else away * 0.8)
            yield _Box(left, middle - HEIGHT / 2, left + width, middle + HEIGHT / 2)
