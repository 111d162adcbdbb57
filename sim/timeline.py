"""The recurrence of a product in a matmul engine: the times of its sums, each from those before."""

from collections.abc import Callable, Mapping
from functools import partial

from ..formats import Engine
from .timed_parts import ArrayTimes, Loader, Outputs, Timed, repeat

__all__ = ["TAKE", "Timeline", "sums_over"]

TAKE = 2
"""Cycles from the last word of a sum to the first of its outputs, beside the array's latency."""

SWAP = 1
"""Cycles from the first word with new weights to the first of the weights that follow."""


def sums_over(engine: Engine, k: int) -> list[tuple[int, int]]:
    """Words of each sum over k, or over a block of it, and how many sums there are that are so long."""
    if engine.blocks is None:
        return [(-(-k // engine.k_step), 1)]
    whole, rest = divmod(k, engine.blocks.size)
    lengths = [(engine.blocks.size // engine.lanes, whole), (-(-rest // engine.lanes), 1)]
    return [(words, count) for words, count in lengths if words and count]


def steps_through(size: int, step: int) -> list[tuple[int, int]]:
    """Steps through a size: how far each goes, and how many that are alike follow each other."""
    whole, rest = divmod(size, step)
    return [(far, count) for far, count in ((step, whole), (rest, 1)) if far and count]


class Timeline:
    """The recurrence.

    Members
    -------
    array, outputs, loaders: what happened last to each part of the engine
    """

    def __init__(self, engine: Engine, k: int, latencies: Mapping[str, int], interval: int):
        self.engine = engine
        self.interval = interval
        self.recovery = engine.arithmetic.recovery
        self.sums = sums_over(engine, k)
        self.words = sum(words * count for words, count in self.sums)
        self.blocks = 0 if engine.blocks is None else sum(count for _, count in self.sums)
        self.take = latencies["array"] + TAKE
        self.array = ArrayTimes()
        self.outputs = Outputs(engine, latencies)
        self.loaders: Mapping[str, Loader] = {
            name: Loader(engine.beats(name), late=latencies.get("load", 1) if engine.beats(name) > 1 else 1)
            for name in engine.stream_bits
            if name != "c"
        }
        if not engine.output_stationary:
            # Weights go into the array itself.
            filling = engine.arithmetic.load_interval
            self.loaders = {**self.loaders, "w": Loader(max(engine.beats("w"), filling), late=filling)}

    def product(self, m: int, n: int) -> None:
        for rows, count in steps_through(m, self.engine.tile_m):
            self._repeat(count, partial(self._panel, rows, n), *self.loaders)

    def _panel(self, rows: int, n: int) -> None:
        """Some rows of A with all columns of W."""
        engine = self.engine
        groups = -(-rows // engine.rows) if engine.output_stationary else rows
        self._load("a", groups * self.words, groups * self.blocks)
        for columns, count in steps_through(n, engine.columns):
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
            for group, count in steps_through(rows, engine.rows):
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
        begin = max(array.issued + (self.interval + self.recovery if array.first else 1), array.present)
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
        parts: list[Timed] = [self.array, self.outputs, *(self.loaders[name] for name in loaders)]
        repeat(times, step, parts, lambda: self.array.issued)
