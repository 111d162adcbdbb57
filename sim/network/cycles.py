"""How long a program takes, cycle by cycle: when each sum's last tap is issued, and when its beats are written.

A record begins with some cycles of its own, and the next one when all that it wrote is written. In between a tap, a
word for each row of the array, is issued in every cycle, but for three reasons to wait. The last tap of a sum waits for
the sums before it to have left the array. A tap waits while the memory that it reads is busy with what was computed
before. And where weights are brought to the array tile by tile, the first tap of a tile waits for them.
"""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from ...formats.network import NetworkTiming, Pool, Product, Program, Record

__all__ = ["RecordCycles", "network_cycles", "network_pause"]

BEGIN = 2
"""The cycle of a record in which its first tile begins."""

COUNT = 2
"""Cycles from the one in which a tile begins, or its weights are there, to that of its first tap."""

FILLED = 2
"""Cycles that weights take besides their reads."""

BIASED = 2
"""Cycles from sums to those with their biases, which the host takes."""


BYTE = 2
"""Cycles that a byte of an image takes, without the one in which a word of it is written."""

COMPLETE = 2
"""Cycles from an image's last word to the first in which it is computed."""


class RecordCycles(NamedTuple):
    """The cycles of a record: from the first one to that in which the next record is chosen, or the last sum taken.

    Members
    -------
    name: of the record
    cycles: all of them
    taps: those in which the array, or a pool, takes words
    weights: those in which taps wait for weights to be brought to the array
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
        """Those in which tiles begin, and at the end, when the last results are on their way."""
        return self.cycles - self.taps - self.weights - self.sums - self.memory


def network_cycles(program: Program, timing: NetworkTiming) -> tuple[RecordCycles, ...]:
    """The cycles of each record, if the host takes every sum at once; together they are the hardware's ``cycles``.

    Parameters
    ----------
    program: what is run
    timing: of the hardware that runs it
    """
    return tuple(_Clock(program, timing, record).run() for record in program.records)


def network_pause(program: Program, timing: NetworkTiming) -> int:
    """Cycles from an image's last sum to the next image's first cycle, if its bytes always wait at the edge.

    The next image is taken in meanwhile, unless it is ``resident``: then it is expected to be there already.
    """
    image, shape = program.image, program.shape
    end = timing.between - timing.array - BIASED + 1
    if image.resident:
        return end + 1
    sizes = [shape.lanes if image.activation is not None else 0, shape.outputs if image.between is not None else 0]
    writes = {
        channel
        for size in filter(None, sizes)
        for channel in (*range(size - 1, image.channels, size), image.channels - 1)
    }
    return end + BYTE * image.size + len(writes) * image.height * image.width + COMPLETE


class _Group(NamedTuple):
    """Sums that are finished at once.

    Members
    -------
    taps: words of each
    beats: for each beat, in order: how many of its sums are channels, and whether it ends a pixel
    begins_tile: whether they are the first ones of a tile
    """

    taps: int
    beats: list[tuple[int, bool]]
    begins_tile: bool


class _Clock:
    """A record's time, which begins with 0 in its first cycle."""

    def __init__(self, program: Program, timing: NetworkTiming, record: Record):
        self.shape, self.timing, self.record = program.shape, timing, record
        self.is_pool = isinstance(record, Pool)
        turns = timing.single_port and record.residual is not None and record.between is not None
        self.pace = 2 if turns or len(record.outputs) == 2 else 1  # cycles of a beat
        self.serial = turns or not record.outputs
        self.busy: deque[int] = deque()  # cycles in which the memory that taps read has something else to do
        self.free = 0  # from when on a last tap may be issued
        self.empty = 0  # from when on nothing is on its way out
        self.answered = 0  # when the host took the last sum

    def run(self) -> RecordCycles:
        taps = weights = sums = memory = 0
        reads = self.timing.pieces * self.record.terms + FILLED if isinstance(self.record, Product) else 0
        fill = reads if self.timing.pieces else 0
        at = last = 0
        for group in self._groups():
            if not taps or (group.begins_tile and self.timing.pieces):
                at = (last + 2 if taps else BEGIN) + fill + COUNT
                weights += fill
            ready, stolen = self._skip(at, group.taps - 1)
            last, waited = self._last(ready)
            taps += group.taps
            sums += waited
            memory += stolen + last - ready - waited
            at = last + 1
            if self.record.outputs:
                self._write(group, last + 1)
            else:
                self._answer(group, last + 1)
        end = max(last + 2, self.empty) if self.record.outputs else self.answered
        return RecordCycles(self.record.name, end + 1, taps, weights, sums, memory)

    def _groups(self) -> Iterator[_Group]:
        shape, record = self.shape, self.record
        for first in range(0, record.channels, shape.columns):
            channels = min(shape.columns, record.channels - first)
            counts = [min(shape.outputs, channels - place) for place in range(0, channels, shape.outputs)]
            pixel = [(count, place == len(counts) - 1) for place, count in enumerate(counts)]
            for y in range(record.height):
                if isinstance(record, Product):
                    for x in range(0, record.width, shape.rows):
                        rows = min(shape.rows, record.width - x)
                        yield _Group(record.terms, pixel * rows, x == y == 0)
                else:
                    for x in range(record.width):
                        for place, beat in enumerate(pixel):
                            yield _Group(record.window.taps, [beat], x == y == place == 0)

    def _skip(self, at: int, taps: int) -> tuple[int, int]:
        """The cycle behind so many taps, the first of which stands in cycle ``at``; and how many they waited."""
        end = at + taps
        while self.busy and self.busy[0] < end:
            end += self.busy.popleft() >= at
        return end, end - at - taps

    def _last(self, at: int) -> tuple[int, int]:
        """When the last tap is issued that stands in cycle ``at``, and how many it waited for sums before it."""
        issued = max(at, self.free)
        waited = issued - at
        while self.busy and self.busy[0] <= issued:
            issued += self.busy.popleft() == issued
        return issued, waited

    def _write(self, group: _Group, begin: int) -> None:
        """Follow the beats from cycle ``begin`` on until they are written."""
        timing, record, single = self.timing, self.record, self.timing.single_port
        beats = [begin + place * self.pace for place in range(len(group.beats))]
        behind = beats[-1] + self.pace
        self.empty = behind + timing.between
        self.free = self.empty if self.serial else behind - 1
        found: list[int] = []
        if self.is_pool and record.residual is not None:
            found += [beat + timing.array for beat in beats]
        if self.is_pool and single and record.between is not None:
            found += [beat + self.pace - 1 + timing.between for beat in beats]
        if not self.is_pool and single and record.activation is not None:
            word, place = self.shape.lanes // self.shape.outputs, 0
            for beat, (_, ends_pixel) in zip(beats, group.beats, strict=True):
                place += 1
                if place == word or ends_pixel:
                    found.append(beat + timing.activation)
                    place = 0
        if found:
            self.busy = deque(sorted({*self.busy, *found}))

    def _answer(self, group: _Group, begin: int) -> None:
        """Follow the beats from cycle ``begin`` on until the host took all of their sums, one a cycle."""
        sums = self.timing.array + BIASED
        self.answered = begin + sums + sum(count for count, _ in group.beats) - 1
        self.empty = self.free = self.answered + self.timing.between - sums + 1
