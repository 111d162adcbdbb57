"""Which way each weight is rounded, chosen so that a layer's results err least rather than its weights."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..formats import Format
from . import grid

__all__ = ["gptq", "learned"]

Array = NDArray[Any]

DAMPING = 0.01
"""Added to the moments' diagonal, as a share of its mean, so that they can be inverted."""

BLOCK = 64

STEPS, RATE = 1000, 0.01
STRETCH = (-0.1, 1.1)
WARMUP = 0.2
SHARPNESS = (20.0, 2.0)
PULL = 0.01


def gptq(weight: Array, format: Format, gram: Array) -> Array:
    """The codes of weights (k, n), rounded row by row, each row's error made good by those that follow.

    Frantar et al., arXiv 2210.17323. ``gram``: mean outer product of the rows of activations, (k, k); rows are taken in
    the order of their moments, the largest first.
    """
    order = np.argsort(-np.diag(gram), kind="stable")
    moments = _damped(gram)[np.ix_(order, order)]
    # the Cholesky factor of the inverse, upper triangular
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
    """The codes of weights (k, n), each rounded up or down as gradient descent finds best for the layer's results.

    Nagel et al. (AdaRound), arXiv 2004.10568: a share between both neighbours for every weight, pulled to 0 or 1 while
    the squared error of the results falls. That error is a quadratic form of ``gram``, the mean outer product of the
    rows of activations, (k, k), so no data is needed but that. Where the outcome is worse than rounding to nearest,
    column by column, the nearest it is.
    """
    nearest = grid.round_to(weight, format).astype(np.float64)
    lower, upper = _neighbours(weight, format)
    gap = upper - lower
    share = np.where(gap > 0, (weight - lower) / np.where(gap > 0, gap, 1), 0.0)
    span = STRETCH[1] - STRETCH[0]
    level = np.clip((share - STRETCH[0]) / span, 1e-6, 1 - 1e-6)
    logit = np.log(level / (1 - level))
    moments = _damped(gram)
    size = np.maximum(_error(nearest - weight, moments), 1e-30)
    first, second = np.zeros_like(logit), np.zeros_like(logit)
    for step in range(1, STEPS + 1):
        sigmoid = 1 / (1 + np.exp(-logit))
        soft = sigmoid * span + STRETCH[0]
        inside = (soft > 0) & (soft < 1)
        soft = np.clip(soft, 0, 1)
        slope = 2 * (moments @ (lower + soft * gap - weight)) * gap / size
        progress = (step / STEPS - WARMUP) / (1 - WARMUP)
        if progress > 0:
            power = SHARPNESS[1] + (SHARPNESS[0] - SHARPNESS[1]) * (1 - progress)
            away = 2 * soft - 1
            slope -= PULL * power * 2 * np.sign(away) * np.abs(away) ** (power - 1)
        gradient = slope * inside * sigmoid * (1 - sigmoid) * span
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        logit -= RATE * 10 * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-12)
    chosen = np.where(logit > 0, upper, lower)
    better = _error(chosen - weight, moments) < _error(nearest - weight, moments)
    return grid.codes(np.where(better, chosen, nearest), format)


def _damped(gram: Array) -> Array:
    """Moments that can be inverted; a row that is never used counts little."""
    diagonal = np.diag(gram)
    return gram + np.eye(len(gram)) * max(DAMPING * float(diagonal.mean()), 1e-30)


def _error(difference: Array, moments: Array) -> Array:
    """The mean squared error of every column's results."""
    return np.einsum("kn,kn->n", difference, moments @ difference)


def _neighbours(weight: Array, format: Format) -> tuple[Array, Array]:
    """The format's values next to each weight, below and above; both the same beyond the ends."""
    codes = np.arange(1 << format.width)
    values = np.unique(grid.values(codes, format).astype(np.float64))
    values = values[np.isfinite(values)]
    place = np.searchsorted(values, weight, side="right")
    return values[np.clip(place - 1, 0, len(values) - 1)], values[np.clip(place, 0, len(values) - 1)]
