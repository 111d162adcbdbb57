"""Weights as a few outliers and indices into a table of means for all others, as GOBO stores them."""

from dataclasses import dataclass
from math import log, pi
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...formats import Format, Integer
from ...formats.kinds.codebook import Codebook
from ..network.grid import floats
from .of_weights import OfWeights

__all__ = ["OUTLIERS", "OutlierWeights", "WithOutliers"]

Array = NDArray[Any]

LEAST_DENSITY = -4.0
"""Weights whose logarithmic density under the Gaussian of all of them is below this are outliers."""

MOST = 127
"""The largest magnitude of a mean is this integer, so that all of the table are as wide as int8s."""

VALUES = Integer(16)
"""The format that holds means and outliers as integers in units of one scale."""

PLACE_BITS = 16
"""Of an outlier's place, stored beside its value."""

STEPS = 1000
"""Most moves of the means, which end by themselves long before."""


@dataclass(frozen=True, eq=False)
class OutlierWeights:
    """The weights of a tensor, divided into a table with indices and outliers.

    Members
    -------
    means: what indices stand for, ascending, as real values
    apart: which weights are outliers, of the tensor's shape
    """

    means: Array
    apart: Array

    @property
    def bits(self) -> int:
        """Bits of all indices, of the table, and of the outliers with their places."""
        width = (len(self.means) - 1).bit_length()
        table = len(self.means) * (1 + MOST.bit_length())
        return self.apart.size * width + table + int(self.apart.sum()) * (VALUES.width + PLACE_BITS)

    def scale(self, scale_format: Format) -> Array:
        """The scale, float32 (), by which the largest mean is an integer of 8 bits."""
        largest = float(np.abs(self.means).max())
        return floats(np.asarray(largest / MOST if largest else 1.0), scale_format)

    def integers(self, values: Array, step: Array) -> Array:
        """What every value is in units of a scale: the nearest mean of the table, or an outlier of 16 bits, int64."""
        table = np.rint(self.means / step)
        nearest = table[_indices(values, self.means)]
        outliers = np.clip(np.rint(values / step), VALUES.min_integer, VALUES.max_integer)
        return np.asarray(np.where(self.apart, outliers, nearest).astype(np.int64))

    def table(self, step: Array) -> Format:
        """The format of indices, in units of a scale."""
        integers = np.rint(self.means / step).astype(int).tolist()
        if len({*integers}) < 2:
            integers[0] -= 1
        return Codebook(tuple(integers))


@dataclass(frozen=True)
class WithOutliers(OfWeights):
    """Stands in a scheme for weights of which outliers are kept apart, and all others are indices of a few means.

    Outliers are the weights whose logarithmic density is below -4 under the Gaussian with the mean and the standard
    deviation of the tensor. The means begin as those of equal shares of the ordered weights; then each moves to the
    mean of the weights that it is nearest to, until the sum of distances grows less no more (GOBO, Zadeh et al., MICRO
    2020, arXiv 2005.03842). All weights of a layer share the table, and there is one scale for it.

    The density is one in units of the weights, so that what is an outlier depends on these: it is beyond 3.5 standard
    deviations where these are 0.05, and beyond 2.5 where they are 1.

    Members
    -------
    name: the name in options and points
    width: bits of an index
    """

    @property
    def format(self) -> Format:
        """The format that holds all values of a layer."""
        return VALUES

    def fit(self, values: Array) -> OutlierWeights:
        """Table and outliers of a tensor of any shape."""
        apart = _outliers(values)
        return OutlierWeights(_means(np.sort(values[~apart], axis=None), 1 << self.width), apart)


def _outliers(values: Array) -> Array:
    deviation = float(values.std(dtype=np.float64))
    if not deviation:
        return np.zeros(values.shape, bool)
    distance = (values.astype(np.float64) - values.mean(dtype=np.float64)) / deviation
    found = -(distance**2) / 2 - log(deviation) - log(2 * pi) / 2 < LEAST_DENSITY
    # of a tensor whose deviation is so large that every density is below that, nothing would be left
    return found if not found.all() else np.zeros(values.shape, bool)


def _means(ordered: Array, count: int) -> Array:
    """The ``count`` means of ascending values, by the least sum of distances."""
    values = ordered.astype(np.float64)
    means = np.array([part.mean() for part in np.array_split(values, count) if part.size])
    best, least = means, np.inf
    for _ in range(STEPS):
        indices = _indices(values, means)
        distance = float(np.abs(values - means[indices]).sum())
        if not distance < least:
            break
        best, least = means, distance
        counts = np.bincount(indices, minlength=len(means))
        sums = np.bincount(indices, weights=values, minlength=len(means))
        means = np.where(counts > 0, sums / np.maximum(counts, 1), means)
    return np.append(best, [best[-1]] * (count - len(best)))


def _indices(values: Array, means: Array) -> Array:
    """Of the nearest mean; of two that are equally near, the lower."""
    return np.searchsorted((means[1:] + means[:-1]) / 2, values)


OUTLIERS = {each.name: each for each in (WithOutliers("gobo3", 3), WithOutliers("gobo4", 4))}
"""All that there are, by name."""
