"""Buffers get their addresses: two that must stay at the same time do not overlap, and memories are small."""

from collections.abc import Sequence

import numpy as np

from .slots import TensorBuffer

__all__ = ["place"]

TRIES = 300


def place(buffers: Sequence[TensorBuffer], codes: int, seed: int = 0) -> int:
    """Set the address of every buffer of a memory whose words hold so many codes; returns the words that it needs.

    That is the most that is needed at any time where a few hundred orders, of which each buffer takes the lowest
    address that is free, have one that reaches it; else the least of theirs.
    """
    sizes = [buffer.size(codes) for buffer in buffers]
    needed = _needed(buffers, sizes)
    random = np.random.default_rng(seed)
    orders = [
        sorted(range(len(buffers)), key=lambda each: -sizes[each]),
        sorted(range(len(buffers)), key=lambda each: buffers[each].first),
    ]
    best, bases = 0, [0] * len(buffers)
    for attempt in range(TRIES):
        order = orders[attempt] if attempt < len(orders) else random.permutation(len(buffers)).tolist()
        found = _placed(buffers, sizes, order)
        top = max((base + size for base, size in zip(found, sizes, strict=True)), default=0)
        if not attempt or top < best:
            best, bases = top, found
        if best == needed:
            break
    for buffer, base in zip(buffers, bases, strict=True):
        buffer.base = base
    return max(best, 1)


def _needed(buffers: Sequence[TensorBuffer], sizes: Sequence[int]) -> int:
    """Words that are needed at the same time, at most."""
    times = {buffer.first for buffer in buffers}
    return max(
        (
            sum(size for buffer, size in zip(buffers, sizes, strict=True) if buffer.first <= time <= buffer.last)
            for time in times
        ),
        default=0,
    )


def _placed(buffers: Sequence[TensorBuffer], sizes: Sequence[int], order: Sequence[int]) -> list[int]:
    """The lowest address for each that no earlier one of the order has at the same time."""
    bases = [0] * len(buffers)
    done: list[int] = []
    for each in order:
        own = buffers[each]
        taken = sorted(
            (bases[other], bases[other] + sizes[other])
            for other in done
            if buffers[other].first <= own.last and own.first <= buffers[other].last
        )
        base = 0
        for start, end in taken:
            if base + sizes[each] <= start:
                break
            base = max(base, end)
        bases[each] = base
        done.append(each)
    return bases
