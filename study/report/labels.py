"""Names are placed beside the points of a picture, none over another name, over a point, or beyond the edge."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..choice.pareto import KINDS, knee, pareto

__all__ = ["PlotFrame", "framed", "named"]

Row = Mapping[str, Any]

SIZE = 9
"""The size of letters in pixels, with the ``WIDTH`` of an average letter, their ``HEIGHT``, and half the size of a
point."""
WIDTH, HEIGHT, POINT = 5.9, 12.0, 4.5
KNEE_WIDTH, RING = 6.7, 10.0
"""The width of a letter in the knee's name, which is bold, and the radius of the ring around the knee."""
MARGIN = 14.0
REACH = (7, 14, 24, 36, 52)
"""The distances from a point at which its name is tried. The nearest comes first."""


@dataclass(frozen=True)
class PlotFrame:
    """The range of costs (on a logarithmic scale) and of values that a panel shows, and its size in pixels."""

    costs: tuple[float, float]
    values: tuple[float, float]
    width: float
    height: float

    def place(self, cost: float, value: float) -> tuple[float, float]:
        """The place of a cost and a value, in pixels from the left and from the top."""
        low, high = (math.log(each) for each in self.costs)
        bottom, top = self.values
        return (math.log(cost) - low) / (high - low) * self.width, (top - value) / (top - bottom) * self.height

    def at(self, x: float, y: float) -> tuple[float, float]:
        """The cost and the value at a place in pixels."""
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


def framed(seen: Sequence[Row], cost: str, width: float, height: float) -> PlotFrame:
    """A frame with room for all rows, their standard errors and float32. ``cost`` names the column that is drawn
    across."""
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
    return PlotFrame((math.exp(left), math.exp(right)), wider(min(values), max(values), height), width, height)


def named(rows: Sequence[Row], seen: Sequence[Row], cost: str, frame: PlotFrame) -> list[dict[str, Any]]:
    """Where names go. Each has its ``text``, which begins at the cost ``at`` with its middle at ``value``.

    A thin line goes from ``from_cost`` and ``from_value`` to the point at ``to_cost`` and ``to_value``. ``kind`` is
    that of the point. The knee's name is placed first, then float32's along its line, which has no point; neither has a
    ``kind``. Then come the points on the front of all, and those on the fronts of their kinds, each from the dearest to
    the cheapest. A name for which there is no room is left out.
    """
    front = _front(rows, cost)
    turn = knee(front, lambda row: row[cost], lambda row: row["accuracy"])
    wanted = [*front, *(row for kind in KINDS for row in _front([row for row in rows if row["kind"] == kind], cost))]
    shown, on_front = {id(row) for row in seen}, {id(row) for row in front}
    unique = {id(row): row for row in wanted if row is not turn and id(row) in shown}
    taken = [_around(*frame.place(row[cost], row["accuracy"])) for row in seen]
    found: list[dict[str, Any]] = []

    def add(text: str, kind: str | None, place: _Box | None, point: Row | None) -> None:
        if place is None:
            return
        taken.append(place)
        at, value = frame.at(place.left, (place.top + place.bottom) / 2)
        found.append({"text": text, "kind": kind, "at": at, "value": value})
        if point is not None:
            x, y = frame.place(point[cost], point["accuracy"])
            from_cost, from_value = frame.at(min(max(x, place.left), place.right), min(max(y, place.top), place.bottom))
            found[-1] |= {"from_cost": from_cost, "from_value": from_value}
            found[-1] |= {"to_cost": point[cost], "to_value": point["accuracy"]}

    if turn is not None and id(turn) in shown:
        x, y = frame.place(turn[cost], turn["accuracy"])
        text = f"knee: {turn['pair']}"
        add(text, None, _free(_tried(x, y, KNEE_WIDTH * len(text), RING), taken, frame), turn)
        taken.append(_Box(x - RING, y - RING, x + RING, y + RING))
    for value in dict.fromkeys(row["float32"] for row in seen if row["float32"] is not None):
        free = _free(_along(value, frame), [*taken, *_bars(seen, cost, frame)], frame)
        add("float32", None, free or next(_along(value, frame)), None)
        _, y = frame.place(frame.costs[0], value)
        taken.append(_Box(0, y - 1, frame.width, y + 1))
    for row in sorted(unique.values(), key=lambda row: (id(row) not in on_front, -row[cost])):
        x, y = frame.place(row[cost], row["accuracy"])
        add(row["pair"], row["kind"], _free(_tried(x, y, WIDTH * len(row["pair"])), taken, frame), row)
    return found


def _free(places: Iterator[_Box], taken: Sequence[_Box], frame: PlotFrame) -> _Box | None:
    """The first place that is within the frame and over nothing that is taken."""
    for box in places:
        inside = box.left >= 0 and box.top >= 0 and box.right <= frame.width and box.bottom <= frame.height
        if inside and not any(box.meets(other) for other in taken):
            return box
    return None


def _front(rows: Sequence[Row], cost: str) -> list[Row]:
    return pareto([row for row in rows if row[cost] is not None], lambda row: row[cost], lambda row: row["accuracy"])


def _around(x: float, y: float) -> _Box:
    return _Box(x - POINT, y - POINT, x + POINT, y + POINT)


def _bars(seen: Sequence[Row], cost: str, frame: PlotFrame) -> Iterator[_Box]:
    """The boxes that the bars of points' standard errors take."""
    for row in seen:
        x, low = frame.place(row[cost], row["accuracy"] - (row["standard_error"] or 0))
        _, high = frame.place(row[cost], row["accuracy"] + (row["standard_error"] or 0))
        yield _Box(x - 2, high, x + 2, low)


def _along(value: float, frame: PlotFrame) -> Iterator[_Box]:
    """Places above and below the line of a value, from the left on."""
    _, y = frame.place(frame.costs[0], value)
    wide = WIDTH * len("float32")
    for rise in (HEIGHT + 2, -2):
        for left in range(3, int(frame.width - wide), 8):
            yield _Box(left, y - rise, left + wide, y - rise + HEIGHT)


def _tried(x: float, y: float, width: float, beyond: float = 0) -> Iterator[_Box]:
    """Places around a point or its ring, the nearer ones first: right, left, below, above, and diagonal."""
    for reach in REACH:
        away = reach + beyond
        for across, down in ((1, 0), (1, 1), (1, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (0, -1)):
            left = x + away if across > 0 else x - away - width if across < 0 else x - width / 2
            middle = y + down * (away if across == 0 else away * 0.8)
            yield _Box(left, middle - HEIGHT / 2, left + width, middle + HEIGHT / 2)
