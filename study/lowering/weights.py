"""The weights of a layer in the order of their use."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .steps import ProductStep

__all__ = ["PackedWeights", "by_tap", "packed"]

Array = NDArray[Any]


class PackedWeights(NamedTuple):
    """``codes``: in the order of tiles, taps, words, columns, lanes. The others as a ``Product`` has them."""

    codes: bytes
    words: int
    tile_step: int
    tiles_a_step: int


def by_tap(step: ProductStep, codes: Array) -> Array:
    """Codes (groups, k, n) as (groups, n, taps, channels of a group)."""
    groups, k, n = codes.shape
    sizes = {"y": step.window.kernel_y, "x": step.window.kernel_x}
    sizes["c"] = k // step.window.taps
    order = [letter for letter in step.order if sizes[letter] > 1]
    order += [letter for letter in "cyx" if letter not in order]
    parted = codes.reshape(groups, *(sizes[letter] for letter in order), n)
    axes = [1 + order.index(letter) for letter in "yxc"]
    return parted.transpose(0, 4, *axes).reshape(groups, n, step.window.taps, sizes["c"])


def packed(weights: Array, source: Array, results: Array, columns: int, lanes: int, zero: int) -> PackedWeights:
    """The memory's words of a layer.

    Parameters
    ----------
    weights: codes, (groups, n, taps, channels of a group)
    source, results: for each code of a pixel the channel, or -1
    zero: the code of weights where there are none
    """
    groups, n, taps, inner = weights.shape
    tiles, words = -(-len(results) // columns), -(-len(source) // lanes)
    whole = np.full((tiles * columns, taps, words * lanes), zero, np.uint8)
    read, made = _places(source, groups * inner), _places(results, groups * n)
    for group in range(groups):
        rows, lines = made[group * n : (group + 1) * n], read[group * inner : (group + 1) * inner]
        whole[np.ix_(rows, np.arange(taps), lines)] = weights[group]
    spans = [_span(results[tile * columns : (tile + 1) * columns], read, n, inner, lanes) for tile in range(tiles)]
    own, step, many = _window(np.array(spans), words)
    parted = whole.reshape(tiles, columns, taps, words, lanes)
    starts = [tile // many * step for tile in range(tiles)]
    found = np.stack([parted[tile, :, :, start : start + own] for tile, start in enumerate(starts)])
    return PackedWeights(np.ascontiguousarray(found.transpose(0, 2, 3, 1, 4)).tobytes(), own, step, many)


def _places(channels: Array, count: int) -> Array:
    """For each channel its place."""
    found = np.empty(count, np.int64)
    known = np.flatnonzero(channels >= 0)
    found[channels[known]] = known
    return found


def _span(results: Array, read: Array, n: int, inner: int, lanes: int) -> tuple[int, int]:
    """The words from the first to behind the last that the results of a tile need; (large, 0) for none."""
    groups = {int(channel) // n for channel in results if channel >= 0}
    places = [read[group * inner : (group + 1) * inner] // lanes for group in groups]
    if not places:
        return 1 << 30, 0
    return int(min(part.min() for part in places)), int(max(part.max() for part in places)) + 1


def _window(spans: Array, words: int) -> tuple[int, int, int]:
    """The fewest words of a tap that reach all that is needed, the step, and the tiles of a step."""
    best = (words, 0, 1)
    for many in range(1, len(spans)):
        firsts = np.minimum.reduceat(spans[:, 0], np.arange(0, len(spans), many))
        ends = np.maximum.reduceat(spans[:, 1], np.arange(0, len(spans), many))
        numbers = np.arange(len(firsts))
        for step in range(int((firsts[1:] // numbers[1:]).min()), 0, -1):
            own = int((ends - numbers * step).max())
            if own < best[0] and numbers[-1] * step + own <= words:
                best = (own, step, many)
    return best
