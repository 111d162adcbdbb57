"""Scales are searched that give the least mean squared error."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...formats import Format
from ..network.grid import floats, round_to

__all__ = ["best_scales"]

Array = NDArray[Any]

OCTAVES = (-6, 1)
"""Scales are tried so many octaves from the one that maps the largest magnitude to the format's. For narrow formats it
pays to clip the tail, and the steps of a minifloat may suit the values better up to an octave higher."""
TOP = 2.0**16
"""The largest magnitude is mapped to this in formats that reach further. They have range to spare below, and products
stay far within the range of float32."""
COARSE, FINE = 8, 4
"""How many scales are tried in an octave, and how many times as many around the best of them."""


def best_scales(tensor: Array, format: Format, scale_format: Format, axis: int | None = None) -> NDArray[np.float32]:
    """The scale, or one for each index of ``axis``, by which rounding has the least mean squared error.

    ``tensor`` has real values. Rounded, it is ``scale * round_to(tensor / scale, format)``. The result is float32, of
    shape () or (length of the axis,), and its values are values of ``scale_format``. If all values are zero, or too
    small for any scale, the scale is 1.
    """
    rows = tensor.reshape(1, -1) if axis is None else np.moveaxis(tensor, axis, 0).reshape(tensor.shape[axis], -1)
    rows = rows.astype(np.float32, copy=False)
    largest = np.abs(rows).max(axis=1, initial=0).astype(np.float64)
    top = min(float(max(format.max_finite, -format.min_finite)), TOP)
    start = np.where(largest > 0, largest / top, 1.0)
    coarse = np.arange(OCTAVES[0] * COARSE, OCTAVES[1] * COARSE + 1) / COARSE
    best = _least(rows, format, scale_format, start, coarse, np.full(len(rows), np.inf), start)
    fine = np.arange(1 - FINE, FINE) / (COARSE * FINE)
    scale, _ = _least(rows, format, scale_format, best[0], fine, best[1], best[0])
    scale = floats(np.where((largest > 0) & np.isfinite(best[1]), scale, 1.0), scale_format)
    return scale if axis is not None else scale.reshape(())


def _least(
    rows: Array, format: Format, scale_format: Format, center: Array, exponents: Array, errors: Array, scales: Array
) -> tuple[Array, Array]:
    """The best of ``center * 2**exponents`` and of the scales so far for each row, with its error."""
    for exponent in exponents:
        tried = floats(center * 2.0**exponent, scale_format)
        usable = (tried > 0) & np.isfinite(tried)
        step = np.where(usable, tried, np.float32(1))[:, None]
        difference = (rows - round_to(rows / step, format) * step).astype(np.float64)
        error = np.where(usable, np.einsum("ij,ij->i", difference, difference), np.inf)
        better = error < errors
        errors, scales = np.where(better, error, errors), np.where(better, tried, scales)
    return scales, errors
