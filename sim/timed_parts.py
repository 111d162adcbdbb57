"""What a matmul engine is made of, as times: each part remembers when it did something last."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ..formats import Engine

__all__ = ["START", "ArrayTimes", "Loader", "Outputs", "Pipe", "Timed", "repeat"]

START = 2
"""Cycles from ``start`` to the first word that is loaded."""


class Timed(Protocol):
    """What remembers times."""

    def since(self, now: int) -> tuple[int, ...]:
        """The times relative to ``now``, or 0 for any that are too long ago to matter."""

    def skip(self, cycles: int) -> None:
        """Put all times off."""


def repeat(times: int, step: Callable[[], object], parts: Sequence[Timed], now: Callable[[], int]) -> None:
    """Take a step so many times: one by one until it is seen to repeat itself, then the others at once.

    Parameters
    ----------
    parts: all that the step depends on, and all that it changes
    now: what the times are to be compared with
    """
    seen: dict[tuple[tuple[int, ...], ...], tuple[int, int]] = {}
    done = 0
    while done < times:
        state = tuple(part.since(now()) for part in parts)
        if state in seen:
            before, then = seen.pop(state)
            period = done - before
            turns = (times - done) // period
            passed = turns * (now() - then)
            for part in parts:
                part.skip(passed)
            done += turns * period
            seen.clear()
            if done == times:
                return
        seen[state] = done, now()
        step()
        done += 1


@dataclass
class Loader:
    """A stream that fills the halves of a memory by turns.

    Parameters
    ----------
    beats: of a word
    free: the next word's cycle
    released: when the half was released that is not the next one to be filled
    late: cycles from a word to when it can be read
    """

    beats: int
    free: int = START
    released: int = 0
    late: int = 1

    def since(self, now: int) -> tuple[int, ...]:
        return self.free - now, max(self.released + 1 - self.free, 0)

    def skip(self, cycles: int) -> None:
        self.free += cycles
        self.released += cycles

    def load(self, words: int) -> int:
        """Fill a half; gives back from when it can be read."""
        last = self.free + (words - 1) * self.beats
        self.free = last + self.beats
        return last + self.late

    def release(self, time: int) -> None:
        self.free = max(self.free, self.released + 1)
        self.released = time


@dataclass
class Pipe:
    """A pipeline that stands still as a whole while what is in its last stage cannot leave.

    Parameters
    ----------
    latency: cycles from entry to last stage
    stalls: beginnings and ends of those that what enters next can meet
    """

    latency: int
    stalls: list[tuple[int, int]] = field(default_factory=list)

    def since(self, now: int) -> tuple[int, ...]:
        return tuple(time - now for stall in self.stalls for time in stall)

    def skip(self, cycles: int) -> None:
        self.stalls = [(start + cycles, end + cycles) for start, end in self.stalls]

    def ready(self, time: int) -> int:
        """The first cycle from ``time`` on in which it moves."""
        return next((end for start, end in self.stalls if start <= time < end), time)

    def enter(self, time: int) -> int:
        """Enter in a cycle in which it moves; gives back when that has got to the last stage."""
        self.stalls = [(start, end) for start, end in self.stalls if end > time]
        return self.after(time, self.latency)

    def after(self, time: int, stages: int) -> int:
        """When what entered last is in the stage of that number, the first being 1."""
        time += stages
        for start, end in self.stalls:
            if start < time:
                time += end - start
        return time

    def leave(self, arrived: int, time: int) -> None:
        if time > arrived:
            self.stalls.append((arrived, time))


class Outputs:
    """What becomes of sums: read at their place, chosen, added up over blocks where there are any, requantized, sent.

    Attributes
    ----------
    taken, read, left, chosen, sent: the last cycle of the last output word at its place, as one that is read, as one
        that is chosen, as one that waits besides where it can, and in the requantizer
    rest: when blocks that follow can be taken
    """

    def __init__(self, engine: Engine, latencies: Mapping[str, int]):
        self.beats = engine.beats("c")
        self.requantize = Pipe(latencies["requantize"])
        self.interval = latencies["requantize_interval"]
        self.buffered = bool(latencies["output_buffer"])
        self.blocks = None if engine.blocks is None else Pipe(latencies["blocks"])
        self.block_distance = latencies.get("block_distance", 0)
        self.pipes = [pipe for pipe in (self.blocks, self.requantize) if pipe is not None]
        self.taken = self.read = self.left = self.chosen = self.sent = self.rest = 0

    def since(self, now: int) -> tuple[int, ...]:
        times = (self.taken, self.read, self.left, self.chosen + 1, self.sent + self.beats, self.rest)
        return *(max(time - now, 0) for time in times), *(time for pipe in self.pipes for time in pipe.since(now))

    def skip(self, cycles: int) -> None:
        self.taken += cycles
        self.read += cycles
        self.left += cycles
        self.chosen += cycles
        self.sent += cycles
        self.rest += cycles
        for pipe in self.pipes:
            pipe.skip(cycles)

    def take(self, time: int, words: int, ends: bool) -> None:
        """Take words from ``time`` on, as soon as nothing stands in the way.

        ends: whether they are complete; else blocks are still to be added
        """
        stalls = [] if self.blocks is None else self.blocks.stalls
        self._take(max(time, self.rest), ends)
        begun = self.taken + 1
        if self.beats > 1 or self.interval > 1:
            repeat(words - 1, lambda: self._take(self.read, ends), [self], lambda: self.taken)
        else:
            self.skip(words - 1)
        if self.blocks is not None:
            # What was met before the last of the words entered counts, too.
            met = Pipe(0, [(max(start, begun), end) for start, end in stalls if end > begun])
            self.rest = 0 if ends else met.after(begun, self.block_distance + 1)

    def _take(self, time: int, ends: bool) -> None:
        if time <= self.read:
            time = self.read
        elif time <= self.left:
            time = self.left
        self.taken = time
        self.read = max(time + 1, self.left)
        begun = max(self.read, self.chosen) + 1
        free = self.chosen + 1 if self.left < self.chosen else 0
        self.chosen = self.pipes[0].ready(begun + (self.interval - 1 if self.blocks is None else 0))
        self.left = max(self.read + 1, free) if self.buffered else self.chosen
        arrived = self.pipes[0].enter(self.chosen)
        if not ends:
            return
        if self.blocks is not None:
            left = self.requantize.ready(arrived + self.interval - 1)
            self.blocks.leave(arrived, left)
            arrived = self.requantize.enter(left)
        before, self.sent = self.sent, self._send(arrived)
        self.requantize.leave(arrived, max(arrived, before + 1) if self.buffered else self.sent)

    def _send(self, arrived: int) -> int:
        """When a word that has arrived is taken."""
        return max(arrived, self.sent + self.beats)


class ArrayTimes:
    """What the array is given.

    Attributes
    ----------
    first, issued: when the first word was read for it, and the last one so far
    present, columns_present: from when the operands at hand can be read, and what comes with their columns
    """

    def __init__(self) -> None:
        self.first = self.issued = self.present = self.columns_present = 0

    def since(self, now: int) -> tuple[int, ...]:
        return max(self.present - now, 0), max(self.columns_present - now, 0)

    def skip(self, cycles: int) -> None:
        self.issued += cycles
        self.present += cycles
        self.columns_present += cycles
