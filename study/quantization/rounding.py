"""Weights are rounded up or down so that the results of a layer, rather than its weights, have the least error."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...formats import Format
from ..network import grid

__all__ = ["gptq", "learned"]

Array = NDArray[Any]

DAMPING = 0.01
"""This share of its mean is added to the diagonal of the moments, so that they can be inverted."""

BLOCK = 64

STEPS, RATE, SWEEPS = 100, 0.3, 5
STRETCH = (-0.1, 1.1)
WARMUP = 0.2
SHARPNESS = (20.0, 2.0)
PULL = 0.01


def gptq(weight: Array, format: Format, gram: Array) -> Array:
    """The codes of weights (k, n), rounded row by row. The rows that follow make up for the error of each row.

    Source: Frantar et al., arXiv 2210.17323. ``gram`` is the mean outer product of the rows of activations, (k, k).
    Rows are taken in the order of their moments, the largest first.
    """
    order = np.argsort(-np.diag(gram), kind="stable")
    moments = _damped(gram)[np.ix_(order, order)]
    # this is the Cholesky factor of the inverse, upper triangular
    inverse = np.linalg.cholesky(np.linalg.inv(moments)).T
    rest = weight[order].astype(np.float64)
    codes = np.empty(weight.shape, dtype=grid.codes(np.zeros(1), format).dtype)
    size = len(rest)
    for start in range(0, size, BLOCK):
        stop = min(start + BLOCK, size)
        errors = np.empty((stop - start, rest.shape[1]))
        for row in range(start, stop):
            codes[row] = grid.codes(rest[row], format)
            errors[row - start] = (rest[row] - grid.values(codes[row], format)) / inverse[row, row]
            rest[row + 1 : stop] -= np.outer(inverse[row, row + 1 : stop], errors[row - start])
        rest[stop:] -= inverse[start:stop, stop:].T @ errors
    found = np.empty_like(codes)
    found[order] = codes
    return found


def learned(weight: Array, format: Format, gram: Array) -> Array:
    """The codes of weights (..., k, n), each rounded up or down as gradient descent finds best for the layer's results.

    Source: Nagel et al. (AdaRound), arXiv 2004.10568. Every weight has a share between both of its neighbours, which is
    pulled to 0 or 1 while the squared error of the results falls. That error is a quadratic form of ``gram``, the mean
    outer product of the rows of activations, (..., k, k), so no other data is needed. A column that becomes worse than
    by rounding to nearest is rounded to nearest. At last, a weight goes to its other neighbour if that alone lowers the
    error, until no weight does. With this last step, a tenth of the paper's descent gives a smaller error than all of
    it without.
    """
    nearest = grid.round_to(weight, format).astype(np.float64)
    lower, upper = _neighbours(weight, format)
    moments = _damped(gram)
    chosen = np.where(_descend(weight, lower, upper, moments, nearest), upper, lower)
    better = _error(chosen - weight, moments) < _error(nearest - weight, moments)
    found = np.where(better[..., None, :], chosen, nearest)
    return grid.codes(_polished(found, weight, lower, upper, moments), format)


def _descend(weight: Array, lower: Array, upper: Array, moments: Array, nearest: Array) -> Array:
    """Which weights gradient descent (Adam) rounds up. It computes in float32, except for what is constant."""
    gap = upper - lower
    share = np.where(gap > 0, (weight - lower) / np.where(gap > 0, gap, 1), 0.0)
    span = np.float32(STRETCH[1] - STRETCH[0])
    level = np.clip((share - STRETCH[0]) / span, 1e-6, 1 - 1e-6)
    logit = np.log(level / (1 - level)).astype(np.float32)
    size = np.maximum(_error(nearest - weight, moments), 1e-30)[..., None, :]
    constant = (2 * (moments @ (lower - weight)) * gap / size).astype(np.float32)
    factor, step_of, curve = ((2 * gap / size).astype(np.float32), gap.astype(np.float32), moments.astype(np.float32))
    first, second = np.zeros_like(logit), np.zeros_like(logit)
    for step in range(1, STEPS + 1):
        sigmoid = 1 / (1 + np.exp(-logit))
        soft = sigmoid * span + np.float32(STRETCH[0])
        inside = (soft > 0) & (soft < 1)
        soft = np.clip(soft, 0, 1)
        slope = constant + curve @ (soft * step_of) * factor
        progress = (step / STEPS - WARMUP) / (1 - WARMUP)
        if progress > 0:
            power = SHARPNESS[1] + (SHARPNESS[0] - SHARPNESS[1]) * (1 - progress)
            away = 2 * soft - 1
            slope -= np.float32(PULL * power * 2) * np.sign(away) * np.abs(away) ** np.float32(power - 1)
        gradient = slope * inside * sigmoid * (1 - sigmoid) * span
        first = np.float32(0.9) * first + np.float32(0.1) * gradient
        second = np.float32(0.999) * second + np.float32(0.001) * gradient**2
        spread = np.sqrt(second / np.float32(1 - 0.999**step)) + np.float32(1e-12)
        logit -= np.float32(RATE / (1 - 0.9**step)) * first / spread
    return np.asarray(logit > 0)


def _polished(values: Array, weight: Array, lower: Array, upper: Array, moments: Array) -> Array:
    """``values``, in which weights were taken to their other neighbour, row by row, if that alone lowers the error.

    All rows are gone through at most ``SWEEPS`` times. Weights beyond the ends of the format do not change.
    """
    values, gap = values.copy(), upper - lower
    pull = moments @ (values - weight)
    for _ in range(SWEEPS):
        changed = False
        for row in range(values.shape[-2]):
            change = np.where(values[..., row, :] == upper[..., row, :], -gap[..., row, :], gap[..., row, :])
            rise = change * (2 * pull[..., row, :] + change * moments[..., row, row, None])
            change = np.where(rise < 0, change, 0.0)
            columns = np.flatnonzero(change.any(axis=tuple(range(change.ndim - 1))))
            if len(columns):
                changed = True
                values[..., row, :] += change
                pull[..., columns] += moments[..., :, row, None] * change[..., None, columns]
        if not changed:
            break
    return values


def _damped(gram: Array) -> Array:
    """The moments, changed so that they can be inverted. A row that is never used counts little."""
    diagonal = np.diagonal(gram, axis1=-2, axis2=-1)
    damping = np.maximum(DAMPING * diagonal.mean(axis=-1), 1e-30)
    return np.asarray(gram + np.eye(gram.shape[-1]) * damping[..., None, None])


def _error(difference: Array, moments: Array) -> Array:
    """The mean squared error of every column's results."""
    return np.asarray(np.einsum("...kn,...kn->...n", difference, moments @ difference))


def _neighbours(weight: Array, format: Format) -> tuple[Array, Array]:
    """The format's values next to each weight, below and above it. Beyond the ends, both are the same."""
    codes = np.arange(1 << format.width)
    values = np.unique(grid.values(codes, format).astype(np.float64))
    values = values[np.isfinite(values)]
    place = np.searchsorted(values, weight, side="right")
    return values[np.clip(place - 1, 0, len(values) - 1)], values[np.clip(place, 0, len(values) - 1)]
