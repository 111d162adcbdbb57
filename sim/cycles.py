"""How long a matmul engine takes for a product, to the cycle."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..formats import MAX_SIZE, Engine
from .streams import beats
from .timeline import TAKE, Timeline, sums_over

__all__ = ["Cycles", "check_cycle_sizes", "cycle_limits", "engine_cycles"]


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
    product makes steady so many times as long, less the cycles after the last word; one with a ``recovery`` makes it so
    much longer for every sum but the last; one that takes several cycles for a
    word of weights that stay takes W as if its words had so many beats. To the cycle it is a recurrence
    over sums: their words are issued one a cycle, or every so many cycles as the element takes, once their panels are
    loaded, the last one only when the sums before have been taken. The panel after next is loaded as soon as one is
    released, a word every so many beats. Sums are taken from ``array + 2`` cycles after their last word on, an output
    word every ``requantize_interval`` cycles or every so many beats. All these times are maxima of sums of earlier
    ones: equal sums, columns and panels soon repeat with a fixed period, and are skipped.

    Parameters
    ----------
    m, k, n: sizes
    latencies: in cycles, as in the JSON beside the engine's Verilog: ``load``, from a word of several beats at a loader
        to when it can be read, 1 where it is not given; ``array``, from a word to the sums with it;
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
    timeline = Timeline(engine, k, latencies, engine.arithmetic.interval - dropped_digits)
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
    words = sum(length * count for length, count in sums_over(engine, k))
    if engine.output_stationary:
        issues, loads, drains = rows * words, panels * columns * words, rows * columns * sums
    else:
        issues, loads, drains = m * words, panels * columns * words * engine.rows, panels * columns
    limits = {
        "array": issues * columns * engine.arithmetic.interval + drains * engine.arithmetic.recovery,
        "drain": outputs * sums + drains * (latencies["array"] + TAKE),
        "requantize": outputs * latencies["requantize_interval"],
        "a": issues * engine.beats("a"),
        "w": loads * max(engine.beats("w"), engine.arithmetic.load_interval),
    }
    if "p" in engine.stream_bits:
        limits["p"] = panels * n * engine.beats("p")
    if engine.blocks is not None:
        limits["a_scales"] = rows * sums * engine.beats("a_scales")
        limits["w_scales"] = panels * columns * sums * engine.beats("w_scales")
    return limits | {"c": outputs * engine.beats("c")}
