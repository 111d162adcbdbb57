"""Tables of values by k-means: the few values that many are nearest to."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...formats.kinds.codebook import Codebook

__all__ = ["codebook", "means"]

Array = NDArray[Any]

MOST = 127
"""The largest magnitude in a table is this integer, so that all are as wide as int8s."""

BINS = 512
"""Values are counted in so many bins of equal width, of which the best division is found. On the grid of 8 bits, values
in one bin are nearly equal."""

STEPS = 200
"""Most steps of Lloyd's algorithm behind that, which mostly ends by itself long before."""


def codebook(values: Array, weights: Array, width: int) -> Codebook:
    """The table of ``2**width`` integers of 8 bits that values, in units of some scale, are nearest to.

    Integers ascend with their codes. There is an even number of values at least: one is repeated where there are fewer.

    Parameters
    ----------
    values, weights: as for ``means``
    """
    found = means(values, weights, 1 << width)
    largest = np.abs(found).max()
    integers = [round(MOST * each / largest) for each in found.tolist()] if largest > 0 else [0]
    if len({*integers}) < 2:
        integers = [integers[0], 0 if integers[0] else 1]
    integers += [max(integers)] * ((1 << width) - len(integers))
    return Codebook(tuple(sorted(integers[: 1 << width])))


def means(values: Array, weights: Array, count: int) -> Array:
    """At most ``count`` numbers, ascending, by which the weighted sum of squared distances to the nearest is least.

    It is the least of all where there are at most ``BINS`` different values. Where there are more, the best division of
    bins is taken, and every number becomes the mean of the values that it is nearest to, until none moves any more
    (Lloyd, 1982).

    Parameters
    ----------
    values: finite numbers, at least one
    weights: of the square of the distance from each, 0 or more
    """
    order = np.argsort(values, kind="stable")
    ordered, shares = values[order].astype(np.float64), weights[order].astype(np.float64)
    # a value without weight is not quite without: it keeps a group of such values from having no mean
    shares = shares + max(shares.mean(), np.finfo(np.float64).tiny) * 1e-9
    summed, moments = _running(shares), _running(shares * ordered)
    starts = np.unique(ordered, return_index=True)[1]
    if len(starts) > BINS:
        edges = np.linspace(ordered[0], ordered[-1], BINS + 1)[:-1]
        starts = np.unique(np.searchsorted(ordered, edges))
    whole = np.append(starts, len(ordered))
    ends = whole[_best_division(summed[whole], moments[whole], _running(shares * ordered**2)[whole], count)]
    for _ in range(STEPS):
        found = np.diff(moments[ends]) / np.diff(summed[ends])
        inner = np.searchsorted(ordered, (found[1:] + found[:-1]) / 2)
        moved = np.unique(np.concatenate([[0], inner, [len(ordered)]]))
        if np.array_equal(moved, ends):
            break
        ends = moved
    return np.asarray(found)


def _running(numbers: Array) -> Array:
    """The sums of the first numbers, of none to all."""
    return np.concatenate([[0.0], np.cumsum(numbers)])


def _best_division(summed: Array, moments: Array, squares: Array, count: int) -> Array:
    """Where at most ``count`` groups of neighbours begin, and where the last one ends, by which squared distances from
    the groups' means are least. The sums of weights, values and squares are those before each place."""
    size = len(summed) - 1
    later = np.arange(size + 1)[:, None] < np.arange(size + 1)
    weight, moment, square = (sums - sums[:, None] for sums in (summed, moments, squares))
    apart = np.where(later, square - moment**2 / np.where(later, weight, 1), np.inf)
    least, chosen = apart[0], []
    for _ in range(min(count, size) - 1):
        whole = least[:, None] + apart
        chosen.append(whole.argmin(axis=0))
        least = whole.min(axis=0)
    ends = [size]
    for before in reversed(chosen):
        ends.append(int(before[ends[-1]]))
    return np.array([0, *reversed(ends)])
