"""Weights as unsigned integers with a scale and a zero point for every block, as AWQ and GPTQ store them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...formats import Format, Integer
from ..network.grid import floats
from .of_weights import OfWeights
from .scales import Error, squares

__all__ = ["ZERO_POINTS", "WithZeroPoints"]

Array = NDArray[Any]

SHARES = np.arange(50, 19, -1) / 40
"""Of the whole range at both ends, those that are tried, from 1.25 down to a half. A wider one may have the many small
weights nearer to its grid."""


@dataclass(frozen=True)
class WithZeroPoints(OfWeights):
    """Stands in a scheme for weights ``scale * (code - zero_point)``, with both for every block.

    The range from the least to the largest weight of a block, zero among them, is mapped to all codes; of ranges that
    are wider or narrower at both ends, that is taken which has the least error.

    Members
    -------
    name: the name in options and points
    width: bits of a code, and of a zero point
    """

    @property
    def format(self) -> Format:
        """The format of codes and zero points in a layer: half of all codes is subtracted from both.

        That changes no difference, and an array of signed weights is cheaper.
        """
        return Integer(self.width)

    def fit(self, rows: Array, scale_format: Format, error: Error | None = None) -> tuple[Array, Array, Array]:
        """The codes of rows (rows, values), from 0 on, their scales, float32 (rows,), and their zero points, (rows,).

        Scales are values of ``scale_format``; ``error`` is as of ``best_scales``.
        """
        most = (1 << self.width) - 1
        low, high = np.minimum(rows.min(axis=1), 0), np.maximum(rows.max(axis=1), 0)
        least = np.full(len(rows), np.inf)
        best: tuple[Array, Array, Array]
        best = np.zeros(rows.shape, np.int64), np.ones(len(rows), np.float32), np.zeros(len(rows), np.int64)
        for share in SHARES:
            tried = floats((high - low) * (share / most), scale_format)
            usable = (tried > 0) & np.isfinite(tried)
            scales = np.where(usable, tried, np.float32(1))
            points = np.clip(np.rint(-low * share / scales), 0, most).astype(np.int64)
            codes = np.clip(np.rint(rows / scales[:, None]) + points[:, None], 0, most).astype(np.int64)
            errors = (error or squares)(rows - self.values(codes, scales, points))
            better = usable & (errors < least)
            least = np.where(better, errors, least)
            for kept, new in zip(best, (codes, scales, points), strict=True):
                kept[better] = new[better]
        return best

    def values(self, codes: Array, scales: Array, points: Array) -> Array:
        """What the codes stand for: (rows, values), float32."""
        return np.asarray((codes - points[:, None]) * scales[:, None], dtype=np.float32)


ZERO_POINTS = {each.name: each for each in (WithZeroPoints(f"uint{bits}z", bits) for bits in range(2, 9))}
"""All that there are, by name."""
