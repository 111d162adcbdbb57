"""How long a program takes, cycle by cycle: when each sum's last tap is issued, and when its beats are written.

A record begins with three cycles, and the next one when all that it wrote is written. In between a tap, a word for each
row of the array, is issued in every cycle, but for three reasons to wait. The last tap of a sum waits for the sums
before it to have left the array. A tap waits while the memory that it reads is busy with what was computed before. And
where weights are brought to the array tile by tile, the first tap of a tile waits for them.
"""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from ...formats.network import NetworkTiming, Pool, Product, Program, Record

__all__ = ["RecordCycles", "network_cycles"]

BEGIN = 3
"""Cycles of a record before its first tap is counted, the one that counts on among them."""

COUNT = 2
"""Cycles from the one that begins a tile to that of its first tap."""

FILLED = 2
"""Cycles from the last read of a tile's weights to the one that begins the tile."""


class RecordCycles(NamedTuple):
    """The cycles of a record: from the first one to that in which the next record is chosen, or the last sum taken.

    Members
    -------
    name: of the record
    cycles: all of them
    taps: those in which the array, or a pool, takes words
    weights: those in which nothing else happens than that weights are brought to the array
    sums: those in which taps wait for sums before them to leave the array
    memory: those in which taps wait for the memory that they read
    """

    name: str
    cycles: int
    taps: int
    weights: int
    sums: int
    memory: int

    @property
    def rest(self) -> int:
        """Those of the beginning, and of the end, when the last results are on their way."""
        return self.cycles - self.taps - self.weights - self.sums - self.memory


class _Group(NamedTuple):
    """Sums that are finished at once: how many taps and beats they take, and whether a tile begins with them.

    ``beats`` has a pair for each beat in order: how many of its sums are channels, and whether it ends a pixel.
    """

    taps: int
    beats: tuple[tuple[int, bool], ...]
    begins_tile: bool


def network_cycles(program: Program, timing: NetworkTiming) -> tuple[RecordCycles, ...]:
    """The cycles of each record, if the host takes every sum at once; together they are the hardware's ``cycles``.

    Parameters
    ----------
    program: what is run
    timing: of the hardware that runs it
    """
    return tuple(_Clock(program, timing, record).run() for record in program.records)


class _Clock:
    """A record's time, which begins with 0 in its first cycle."""

    def __init__(self, program: Program, timing: NetworkTiming, record: Record):
        self.program, self.timing, self.record = program, timing, record
        self.is_pool = isinstance(record, Pool)
        self.answers = not record.outputs
        reads_and_writes = timing.single_port and record.residual is not None and record.between is not None
        self.pace = 2 if len(record.outputs) == 2 or reads_and_writes else 1
        self.serial = self.answers or reads_and_writes
        self.busy: deque[int] = deque()  # cycles in which the memory that taps read has something else to do
        self.free = 0  # from when on a last tap may be issued
        self.left = 0  # from when on nothing is under way
        self.answered = 0  # the cycle of the last sum that the host took

    def run(self) -> RecordCycles:
        weights = sums = memory = taps = 0
        begin = BEGIN - 1
        at = begin + COUNT
        last = 0
        for group in self._groups():
            if group.begins_tile and (taps == 0 or self.timing.pieces) and not self.is_pool:
                # A tile of its own begins two cycles after the last tap of the one before.
                first = begin if taps == 0 else last + 2
                filling = self.timing.pieces * self.record.terms + FILLED if self.timing.pieces else 0  # type: ignore[attr-defined]
                at = first + filling + COUNT
                weights += at - (begin + COUNT if taps == 0 else last + 1)
            ready, stolen = self._later(at, group.taps - 1)
            last, waited = self._last(ready)
            sums += waited
            memory += stolen + last - ready - waited
            taps += group.taps
            at = last + 1
            self._drain(group, last)
        end = self.answered if self.answers else max(last + 2, self.left)
        return RecordCycles(self.record.name, end + 1, taps, weights, sums, memory)

    def _groups(self) -> Iterator[_Group]:
        shape, record = self.program.shape, self.record
        tiles = -(-record.channels // shape.columns)
        for tile in range(tiles):
            channels = min(shape.columns, record.channels - tile * shape.columns)
            row = [min(shape.outputs, channels - first) for first in range(0, channels, shape.outputs)]
            beats = [(count, place == len(row) - 1) for place, count in enumerate(row)]
            if isinstance(record, Product):
                for pixel_row in range(record.height):
                    for first in range(0, record.width, shape.rows):
                        rows = min(shape.rows, record.width - first)
                        yield _Group(record.terms, tuple(beats * rows), not (pixel_row or first))
            else:
                for pixel in range(record.pixels):
                    for place, beat in enumerate(beats):
                        yield _Group(record.window.taps, (beat,), not (pixel or place))

    def _later(self, at: int, taps: int) -> tuple[int, int]:
        """The cycle after so many taps, the first of which stands in cycle ``at``; and how many cycles they waited."""
        end, stolen = at + taps, 0
        while self.busy and self.busy[0] < end:
            if self.busy.popleft() >= at:
                end += 1
                stolen += 1
        return end, stolen

    def _last(self, at: int) -> tuple[int, int]:
        """When the last tap is issued that stands in cycle ``at``, and how many cycles it waited for earlier sums."""
        issued = at
        waited = 0
        while True:
            if issued < self.free:
                waited += 1
            elif not (self.busy and self.busy[0] == issued):
                return issued, waited
            while self.busy and self.busy[0] <= issued:
                self.busy.popleft()
            issued += 1

    def _drain(self, group: _Group, last: int) -> None:
        """Follow the beats of sums whose last tap was issued in cycle ``last``."""
        timing, record = self.timing, self.record
        depth = timing.codes + (timing.between_delay if self._writes_between else 0)
        if self.answers:
            self.answered = last + timing.sums + sum(count for count, _ in group.beats)
            self.left = self.answered + depth - timing.sums + 1
        else:
            beats = len(group.beats) * self.pace
            written = max(depth, timing.codes + 1 + (timing.between_delay if record.between is not None else 0))
            self.left = last + beats + written + 1
            self._note_busy(group, last + 1)
        self.free = self.left if self.serial else last + len(group.beats) * self.pace

    @property
    def _writes_between(self) -> bool:
        """Whether any record does, so that there are stages for what waits to be written there."""
        return any(record.between is not None for record in self.program.records)

    def _note_busy(self, group: _Group, begin: int) -> None:
        """Note when what is on its way out from cycle ``begin`` on needs the memory that taps read."""
        timing, record = self.timing, self.record
        word = self.program.shape.lanes // self.program.shape.outputs
        found = []
        place = 0
        for number, (_, ends_pixel) in enumerate(group.beats):
            beat = begin + number * self.pace
            if self.is_pool:
                if record.residual is not None:
                    found.append(beat + timing.residual)
                if timing.single_port and record.between is not None:
                    found.append(beat + self.pace - 1 + timing.codes + timing.between_delay + 1)
            elif timing.single_port and record.activation is not None:
                place += 1
                if place % word == 0 or ends_pixel:
                    found.append(beat + timing.codes + 1)
                    place = 0
        if found:
            self.busy = deque(sorted({*self.busy, *found}))
