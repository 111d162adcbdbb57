"""The sums of a convolution by the golden model, a quicker way: floats hold integers, each decoded once."""

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ...formats import Arithmetic
from ...sim import Exact, as_floats, float_of_sums
from ..network.layer import Convolution

__all__ = ["convolve"]

Array = NDArray[Any]

ROOM = 1 << 18
"""Operands that are gathered at a time, which stay in the processor's cache."""


def convolve(codes: Array, weights: Array, arithmetic: Arithmetic, shape: Convolution, border: Array) -> Exact | None:
    """The sums of a convolution, (batch, groups * n, ...); None where floats do not hold all of them.

    Parameters
    ----------
    codes: of activations, (batch, channels, ...)
    weights: codes, (groups, k, n), where k counts (channel, kernel position)
    border: the code around the activations, a number
    """
    kind = float_of_sums(arithmetic, weights.shape[1])
    if kind is None:
        return None
    left = as_floats(codes, arithmetic.activation, kind)
    right = as_floats(weights, arithmetic.weight, kind)
    around = as_floats(border, arithmetic.activation, kind)
    if left is None or right is None or around is None:
        return None
    sums = _products(_windows(left, shape, around), np.ascontiguousarray(right.swapaxes(1, 2)))
    return Exact(sums.astype(np.int64), arithmetic.lsb_exponent)


def _windows(tensor: Array, shape: Convolution, border: Array) -> Array:
    """What every position reads, without a copy: (batch, channels, kernel ..., positions ...)."""
    pads = shape.pads_of(tensor.shape[2:])
    if any(map(any, pads)):
        tensor = np.pad(tensor, ((0, 0), (0, 0), *pads), constant_values=border)
    count = len(shape.kernel)
    reach = [(size - 1) * dilation + 1 for size, dilation in zip(shape.kernel, shape.dilations, strict=True)]
    windows = sliding_window_view(tensor, reach, axis=tuple(range(2, tensor.ndim)))
    steps = [slice(None, None, step) for step in (*shape.strides, *shape.dilations)]
    windows = windows[(slice(None), slice(None), *steps)]
    return windows.transpose(0, 1, *range(2 + count, 2 + 2 * count), *range(2, 2 + count))


def _products(windows: Array, weights: Array) -> Array:
    """The sums of windows by weights (groups, n, k): (batch, groups * n, positions ...)."""
    groups, n, terms = weights.shape
    count = (windows.ndim - 2) // 2
    batch, channels = windows.shape[:2]
    kernel, places = windows.shape[2 : 2 + count], windows.shape[2 + count :]
    found = np.empty((batch, groups * n, *places), weights.dtype)
    if channels == groups and n == 1:
        _add_positions(windows, weights.reshape(channels, *kernel), found)
        return found
    positions = int(np.prod(places))
    together = max(1, ROOM // max(1, groups * terms * positions))
    for start in range(0, batch, together):
        part = windows[start : start + together]
        columns = np.ascontiguousarray(part).reshape(len(part), groups, terms, positions)
        np.matmul(weights, columns, out=found[start : start + together].reshape(len(part), groups, n, positions))
    return found


def _add_positions(windows: Array, weights: Array, sums: Array) -> None:
    """A depthwise convolution, one position of the kernel after the other."""
    factors = weights.reshape(*weights.shape, *[1] * (sums.ndim - 2))
    positions = list(np.ndindex(*weights.shape[1:]))
    together = max(1, ROOM // 8 // max(1, int(np.prod(sums.shape[2:]))))
    for image, whole in zip(windows, sums, strict=True):
        for start in range(0, len(weights), together):
            part = slice(start, start + together)
            total, product = whole[part], np.empty_like(whole[part])
            np.multiply(image[(part, *positions[0])], factors[(part, *positions[0])], out=total)
            for place in positions[1:]:
                np.multiply(image[(part, *place)], factors[(part, *place)], out=product)
                total += product
