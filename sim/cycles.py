"""How long a matmul engine takes for a product, to the cycle."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import numpy as np

from ..formats import MAX_SIZE, Engine
from .streams import beats

__all__ = ["START", "Cycles", "check_cycle_sizes", "cycle_limits", "engine_cycles"]

START = 2
"""Cycles from ``start`` to the first word that is loaded."""

TAKE = 2
"""Cycles from the last word of a sum to the first of its outputs, beside the array's latency."""

SWAP = 1
"""Cycles from the first word with new weights to the first of the weights that follow."""


@dataclass(frozen=True)
class Cycles:
    """What a product takes, in three parts that follow each other.

    Parameters
    ----------
    fill: cycles before the first word is multiplied: the first panels of A and of W come in
    steady: from the first word that is multiplied to the last one
    drain: after that, to the last output
    products: ``m * k * n``
    peak: products that the words of a cycle make, at most
    interval: cycles from one word to the next, at least
    """

    fill: int
    steady: int
    drain: int
    products: int
    peak: int
    interval: int = 1

    @property
    def total(self) -> int:
        """What the register ``cycles`` counts: the cycles after that of ``start`` up to the one in which the array's
        last output word is handed on."""
        return self.fill + self.steady + self.drain

    @property
    def utilization(self) -> float:
        """Products, of those that could be made in all of the cycles."""
        return self.products * self.interval / (self.peak * self.total)


def engine_cycles(
    engine: Engine, m: int, k: int, n: int, latencies: Mapping[str, int], dropped_digits: int = 0
) -> Cycles:
    """The cycles of ``C[m, n] = A[m, k] @ W[k, n]`` where no stream ever stalls.

    That is: every input stream has a beat whenever one is wanted, its first word from before ``start`` on, and every
    beat of C is taken at once.

    Where loads and drains are hidden behind the array, with words of A and W in their first panels::

        fill   = 1 + max((words of A - 1) * beats + 1, (words of W - 1) * beats + 1)
        steady = ceil(m / rows) * ceil(n / columns) * ceil(k / lanes)        output-stationary
               = m * ceil(n / columns) * ceil(k / (rows * lanes))            weight-stationary
        drain  = array + blocks + requantize + 3 + output words of the last sums * requantize_interval

    and where they are not, steady is about the greatest of ``cycle_limits``. An element that takes several cycles a
    product makes steady so many times as long, less the cycles after the last word. To the cycle it is a recurrence
    over sums: their words are issued one a cycle, or every so many cycles as the element takes, once their panels are
    loaded, the last one only when the sums before have been taken. The panel after next is loaded as soon as one is
    released, a word every so many beats. Sums are taken from ``array + 2`` cycles after their last word on, an output
    word every ``requantize_interval`` cycles or every so many beats. All these times are maxima of sums of earlier
    ones: equal sums, columns and panels soon repeat with a fixed period, and are skipped.

    Parameters
    ----------
    m, k, n: sizes
    latencies: in cycles, as in the JSON beside the engine's Verilog: ``array``, from a word to the sums with it;
        ``requantize``, of the requantizer, and ``requantize_interval``, from an output of it to the next;
        ``output_buffer``, the outputs that wait behind it where the stream takes none; with blocks also ``blocks``, of
        what adds them up, and ``block_distance``, from a block's sum to that of the next block
    dropped_digits: as in ``engine_matmul``: each spares a cycle a word

    Raises ValueError for sizes that the engine refuses.
    """
    m, k, n = check_cycle_sizes(engine, m, k, n, latencies)
    if not 0 <= dropped_digits <= engine.element.droppable:
        raise ValueError(f"dropped_digits must be 0 to {engine.element.droppable}, not {dropped_digits!r}")
    latencies = {**latencies, "array": latencies["array"] - dropped_digits}
    timeline = _Timeline(engine, k, latencies, engine.arithmetic.interval - dropped_digits)
    timeline.product(m, n)
    first, last, end = timeline.array.first, timeline.array.issued, timeline.outputs.sent
    interval = timeline.interval
    return Cycles(first - 1, last + 1 - first, end - last, m * k * n, engine.products, interval)


def check_cycle_sizes(engine: Engine, m: int, k: int, n: int, latencies: Mapping[str, int]) -> tuple[int, int, int]:
    """The sizes as integers. Raises ValueError where the engine refuses them, or a latency is missing."""
    for name, size, most in (("m", m, MAX_SIZE), ("k", k, engine.max_k), ("n", n, MAX_SIZE)):
        if not isinstance(size, (int, np.integer)) or not 1 <= size <= most:
            raise ValueError(f"{name} must be 1 to {most}, not {size!r}")
    needed = (
        "array",
        "requantize",
        "requantize_interval",
        *(("blocks", "block_distance") if engine.blocks is not None else ()),
    )
    if not set(needed) <= latencies.keys():
        raise ValueError(f"latencies must have {' and '.join(needed)}, not {sorted(latencies)}")
    return int(m), int(k), int(n)


def cycle_limits(engine: Engine, m: int, k: int, n: int, latencies: Mapping[str, int]) -> dict[str, int]:
    """Cycles for which the parts of an engine are busy with a product, which takes longer than any of them.

    array: words are multiplied
    drain: sums are waited for and taken
    requantize: sums are requantized
    a, w, p, a_scales, w_scales, c: beats of that stream
    """
    rows, columns, panels = -(-m // engine.rows), -(-n // engine.columns), -(-m // engine.tile_m)
    sums = -(-k // engine.blocks.size) if engine.blocks is not None else 1
    outputs = beats(engine, m, n)
    words = sum(length * count for length, count in _sums(engine, k))
    if engine.output_stationary:
        issues, loads, drains = rows * words, panels * columns * words, rows * columns * sums
    else:
        issues, loads, drains = m * words, panels * columns * words * engine.rows, panels * columns
    limits = {
        "array": issues * columns * engine.arithmetic.interval,
        "drain": outputs * sums + drains * (latencies["array"] + TAKE),
        "requantize": outputs * latencies["requantize_interval"],
        "a": issues * engine.beats("a"),
        "w": loads * engine.beats("w"),
    }
    if "p" in engine.stream_bits:
        limits["p"] = panels * n * engine.beats("p")
    if engine.blocks is not None:
        limits["a_scales"] = rows * sums * engine.beats("a_scales")
        limits["w_scales"] = panels * columns * sums * engine.beats("w_scales")
    return limits | {"c": outputs * engine.beats("c")}


def _sums(engine: Engine, k: int) -> list[tuple[int, int]]:
    """Words of each sum over k, or over a block of it, and how many sums there are that are so long."""
    if engine.blocks is None:
        return [(-(-k // engine.k_step), 1)]
    whole, rest = divmod(k, engine.blocks.size)
    lengths = [(engine.blocks.size // engine.lanes, whole), (-(-rest // engine.lanes), 1)]
    return [(words, count) for words, count in lengths if words and count]


def _split(size: int, step: int) -> list[tuple[int, int]]:
    """Steps through a size: how far each goes, and how many that are alike follow each other."""
    whole, rest = divmod(size, step)
    return [(far, count) for far, count in ((step, whole), (rest, 1)) if far and count]


class _Part(Protocol):
    """What remembers times."""

    def since(self, now: int) -> tuple[int, ...]:
        """The times relative to ``now``, or 0 for any that are too long ago to matter."""

    def skip(self, cycles: int) -> None:
        """Put all times off."""


def _repeat(times: int, step: Callable[[], object], parts: Sequence[_Part], now: Callable[[], int]) -> None:
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
class _Loader:
    """A stream that fills the halves of a memory by turns.

    Parameters
    ----------
    beats: of a word
    free: the next word's cycle
    released: when the half was released that is not the next one to be filled
    """

    beats: int
    free: int = START
    released: int = 0

    def since(self, now: int) -> tuple[int, ...]:
        return self.free - now, max(self.released + 1 - self.free, 0)

    def skip(self, cycles: int) -> None:
        self.free += cycles
        self.released += cycles

    def load(self, words: int) -> int:
        """Fill a half; gives back from when it can be read."""
        last = self.free + (words - 1) * self.beats
        self.free = last + self.beats
        return last + 1

    def release(self, time: int) -> None:
        self.free = max(self.free, self.released + 1)
        self.released = time


@dataclass
class _Pipe:
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


class _Outputs:
    """What becomes of sums: read at their place, chosen, added up over blocks where there are any, requantized, sent.

    Attributes
    ----------
    taken, read, left, chosen, sent: the last cycle of the last output word at its place, as one that is read, as one
        that is chosen, as one that waits besides where it can, and in the requantizer
    rest: when blocks that follow can be taken
    """

    def __init__(self, engine: Engine, latencies: Mapping[str, int]):
        self.beats = engine.beats("c")
        self.requantize = _Pipe(latencies["requantize"])
        self.interval = latencies["requantize_interval"]
        self.buffered = bool(latencies["output_buffer"])
        self.blocks = None if engine.blocks is None else _Pipe(latencies["blocks"])
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
        self._take(max(time, self.rest), ends)
        first = self.taken
        if self.beats > 1 or self.interval > 1:
            _repeat(words - 1, lambda: self._take(self.read, ends), [self], lambda: self.taken)
        else:
            self.skip(words - 1)
        if self.blocks is not None:
            self.rest = 0 if ends else self.blocks.after(first + 1, self.block_distance + 1)

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


class _Array:
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


class _Timeline:
    """The recurrence.

    Members
    -------
    array, outputs, loaders: what happened last to each part of the engine
    """

    def __init__(self, engine: Engine, k: int, latencies: Mapping[str, int], interval: int):
        self.engine = engine
        self.interval = interval
        self.sums = _sums(engine, k)
        self.words = sum(words * count for words, count in self.sums)
        self.blocks = 0 if engine.blocks is None else sum(count for _, count in self.sums)
        self.take = latencies["array"] + TAKE
        self.array = _Array()
        self.outputs = _Outputs(engine, latencies)
        self.loaders: Mapping[str, _Loader] = {
            name: _Loader(engine.beats(name)) for name in engine.stream_bits if name != "c"
        }

    def product(self, m: int, n: int) -> None:
        for rows, count in _split(m, self.engine.tile_m):
            self._repeat(count, partial(self._panel, rows, n), *self.loaders)

    def _panel(self, rows: int, n: int) -> None:
        """Some rows of A with all columns of W."""
        engine = self.engine
        groups = -(-rows // engine.rows) if engine.output_stationary else rows
        self._load("a", groups * self.words, groups * self.blocks)
        for columns, count in _split(n, engine.columns):
            self._repeat(count, partial(self._columns, rows, columns), *(self.loaders.keys() - {"a", "a_scales"}))
        self._release("a")

    def _columns(self, rows: int, columns: int) -> None:
        """Some rows of A with some columns of W."""
        engine = self.engine
        chunks = -(-columns // engine.outputs)
        if "p" in self.loaders:
            self.array.columns_present = self.loaders["p"].load(columns)
        if engine.output_stationary:
            self._load("w", self.words, self.blocks)
            for group, count in _split(rows, engine.rows):
                self._repeat(count, partial(self._group, group * chunks))
            self._release("w")
        else:
            self._repeat(self.words - 1, partial(self._tile, rows), "w")
            self._tile(rows, rows * chunks)
        if "p" in self.loaders:
            self.loaders["p"].release(self.outputs.taken)

    def _group(self, outputs: int) -> None:
        """Sums as many as elements."""
        *others, (last, count) = self.sums
        for words, times in (*others, (last, count - 1)):
            self._repeat(times, partial(self._issue, words, outputs, ends=False))
        self._issue(last, outputs)

    def _tile(self, rows: int, outputs: int = 0) -> None:
        """Some rows of A with as many weights as the array holds."""
        weights = self.loaders["w"]
        self.array.present = max(self.array.present, weights.load(self.engine.rows))
        weights.free = max(weights.free, self._issue(rows, outputs) + SWAP)

    def _issue(self, words: int, outputs: int, ends: bool = True) -> int:
        """Words for the array, which complete sums where there are outputs; gives back when the first was read."""
        array = self.array
        begin = max(array.issued + (self.interval if array.first else 1), array.present)
        array.issued = begin + (words - 1) * self.interval
        if outputs:
            array.issued = max(array.issued, self.outputs.taken + 1)
            self.outputs.take(max(array.issued + self.take, array.columns_present), outputs, ends)
        begin = begin if words > 1 else array.issued
        array.first = array.first or begin
        return begin

    def _load(self, name: str, words: int, scales: int) -> None:
        self.array.present = max(self.array.present, self.loaders[name].load(words))
        if self.blocks:
            self.array.present = max(self.array.present, self.loaders[f"{name}_scales"].load(scales))

    def _release(self, name: str) -> None:
        for each in (name, f"{name}_scales"):
            if each in self.loaders:
                self.loaders[each].release(self.array.issued)

    def _repeat(self, times: int, step: Callable[[], object], *loaders: str) -> None:
        """Take a step so many times that changes, beside array and outputs, those loaders."""
        parts: list[_Part] = [self.array, self.outputs, *(self.loaders[name] for name in loaders)]
        _repeat(times, step, parts, lambda: self.array.issued)
