"""Scales are searched that give the least mean squared error, of a tensor or of what a layer makes of its weights."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...formats import Format
from ..network.grid import floats, round_to

__all__ = ["Error", "best_scales", "error_of_results", "share_of_results", "squares"]

Array = NDArray[Any]
Error = Callable[[Array], Array]
"""Of the differences that rounding makes, (scales, values), the error for each scale."""

OCTAVES, OCTAVES_OF_WEIGHTS = (-6, 1), (-3, 1)
"""Scales are tried so many octaves from the one that maps the largest magnitude to the format's. For narrow formats it
pays to clip the tail, which is longer for activations than for weights. An octave higher lie the other scales by which
a minifloat, whose values double from binade to binade, loses nothing but the end of its range."""
TOP = 2.0**16
"""The largest magnitude is mapped to this in formats that reach further. They have range to spare below, and products
stay far within the range of float32."""
COARSE, FINE = 8, 4
"""How many scales are tried in an octave, and how many times as many around the best of them."""
DAMPING = 0.01
"""The share of their mean that is added to the diagonal of moments, so that a weight whose operand is always zero in
the calibration is rounded well too."""


def best_scales(
    tensor: Array, format: Format, scale_format: Format, axis: int | None = None, error: Error | None = None
) -> NDArray[np.float32]:
    """The scale, or one for each index of ``axis``, by which rounding has the least error.

    ``tensor`` has real values. Rounded, it is ``scale * round_to(tensor / scale, format)``. The result is float32, of
    shape () or (length of the axis,), and its values are values of ``scale_format``. If all values are zero, or too
    small for any scale, the scale is 1. ``error`` is the sum of squared differences unless given, for weights.
    """
    rows = tensor.reshape(1, -1) if axis is None else np.moveaxis(tensor, axis, 0).reshape(tensor.shape[axis], -1)
    rows = rows.astype(np.float32, copy=False)
    largest = np.abs(rows).max(axis=1, initial=0).astype(np.float64)
    top = min(float(max(format.max_finite, -format.min_finite)), TOP)
    start = np.where(largest > 0, largest / top, 1.0)
    lowest, highest = OCTAVES if error is None else OCTAVES_OF_WEIGHTS
    coarse = np.arange(lowest * COARSE, highest * COARSE + 1) / COARSE
    search = _Search(rows, format, scale_format, error or squares)
    best = search.best(start, coarse, np.full(len(rows), np.inf), start)
    fine = np.arange(1 - FINE, FINE) / (COARSE * FINE)
    scale, _ = search.best(best[0], fine, best[1], best[0])
    scale = floats(np.where((largest > 0) & np.isfinite(best[1]), scale, 1.0), scale_format)
    return scale if axis is not None else scale.reshape(())


def error_of_results(gram: Array, level: Array | None = None, terms: int | None = None) -> Error:
    """The mean squared error of a layer's results, for weights (groups * n, k) that are rounded.

    The errors of a column's weights are the same in every sum, and operands have means that are not zero. So errors add
    up or cancel, which the squared error of the weights alone does not see: by that error, a scale wins by which the
    few largest weights lie on the grid, though the many small ones may then all err towards zero.

    Parameters
    ----------
    gram: the mean outer product of rows of operands, (groups, k, k)
    level: what each column of the weights was divided by, (groups * n,), if it was
    terms: values of a block of which only k are there: the mean, of which a share is added to the diagonal, is that of
        so many; k unless given
    """
    size = gram.shape[-1]
    sizes = np.trace(gram, axis1=1, axis2=2)[:, None, None] / (terms or size)
    usable = np.isfinite(sizes) & (sizes > 0)
    unit = sizes[usable].mean() if usable.any() else 1.0
    damping = DAMPING * np.where(usable, sizes / unit, 1)
    moments = (np.where(usable, gram / unit, 0) + damping * np.eye(size)).astype(np.float32)

    def error(difference: Array) -> Array:
        columns = difference.reshape(len(moments), -1, size)
        errors = np.einsum("gnk,gnk->gn", columns @ moments, columns).astype(np.float64)
        if level is not None:
            errors = errors * level.reshape(errors.shape).astype(np.float64) ** 2
        return np.asarray(errors.reshape(len(difference), -1).sum(axis=1))

    return error


def share_of_results(gram: Array, columns: int, level: Array | None = None) -> Array:
    """How much the square of a weight's own difference is of the error of results: (groups * columns, k).

    It is the mean square of the weight's operand, times the square of what its column was divided by, if it was.
    """
    share = np.repeat(np.diagonal(gram, axis1=1, axis2=2), columns, axis=0)
    return share if level is None else np.asarray(share * level[:, None].astype(np.float64) ** 2)


def squares(difference: Array) -> Array:
    """The squared error of what is rounded itself."""
    wide = difference.astype(np.float64)
    return np.asarray(np.einsum("ij,ij->i", wide, wide))


class _Search:
    """Scales of rows (scales, values) are tried. Errors are in units of the row's range, so that none is too small."""

    def __init__(self, rows: Array, format: Format, scale_format: Format, error: Error):
        self._rows, self._format, self._scale_format, self._error = rows, format, scale_format, error
        largest = np.abs(rows).max(axis=1, keepdims=True, initial=0)
        self._units = np.ldexp(np.float32(1), np.frexp(largest)[1])

    def best(self, center: Array, exponents: Array, errors: Array, scales: Array) -> tuple[Array, Array]:
        """The best of ``center * 2**exponents`` and of the scales so far for each row, with its error."""
        for exponent in exponents:
            tried = floats(center * 2.0**exponent, self._scale_format)
            usable = (tried > 0) & np.isfinite(tried)
            step = np.where(usable, tried, np.float32(1))[:, None]
            difference = self._rows - round_to(self._rows / step, self._format) * step
            error = np.where(usable, self._error(difference / self._units), np.inf)
            better = error < errors
            errors, scales = np.where(better, error, errors), np.where(better, tried, scales)
        return scales, errors
