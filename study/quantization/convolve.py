"""The sums of a convolution by the golden model, a quicker way: floats hold integers."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ...formats import Arithmetic
from ...sim import as_floats, float_for, largest_integer
from ..network.layer import Convolution
from .depthwise import Depthwise

__all__ = ["FloatConvolution", "float_convolution"]

Array = NDArray[Any]

ROOM = 1 << 18
"""Operands that are gathered at a time, which stay in the processor's cache."""


def float_convolution(
    arithmetic: Arithmetic, weights: Array, shape: Convolution, border: float
) -> "FloatConvolution | None":
    """A convolution whose sums floats hold, whatever their order; None where they do not.

    Parameters
    ----------
    arithmetic: of weights and activations
    weights: codes, (groups, k, n), where k counts (channel, kernel position)
    border: the value around the activations
    """
    most = largest_integer(arithmetic.activation)
    if not arithmetic.is_exact or float_for(max(most, largest_integer(arithmetic.weight))) is None:
        return None
    integers = as_floats(weights, arithmetic.weight, np.dtype(np.float64))
    if integers is None:
        return None
    largest = np.abs(integers).sum(axis=1).max(initial=0)
    bound = int(largest) * most
    kind = float_for(bound)
    if kind is None:
        return None
    unit = kind.type(2.0**-arithmetic.activation.lsb_exponent)
    return FloatConvolution(
        np.ascontiguousarray(integers.swapaxes(1, 2), kind), shape, unit, kind.type(border) * unit, bound
    )


@dataclass(frozen=True, eq=False)
class FloatConvolution:
    """The sums of a convolution in floats that hold integers.

    Members
    -------
    weights: their integers, (groups, n, k)
    shape: of the convolution
    unit: what activations are multiplied by to be integers
    border: the integer around the activations
    bound: a magnitude that no sum is above
    """

    weights: Array
    shape: Convolution
    unit: Any
    border: Any
    bound: int

    def __call__(self, values: Array) -> Array:
        """The sums for values of activations, finite ones, (batch, channels, ...): (batch, groups * n, ...), whole
        numbers in units of the arithmetic's lowest bit."""
        integers = self._integers(values)
        if self._depthwise is not None:
            return self._depthwise(integers)
        return _products(_windows(integers, self.shape), self.weights)

    @cached_property
    def _depthwise(self) -> Depthwise | None:
        groups, n, terms = self.weights.shape
        if n > 1 or terms != np.prod(self.shape.kernel):
            return None
        return Depthwise(self.weights.reshape(groups, *self.shape.kernel), self.shape)

    def _integers(self, values: Array) -> Array:
        """The activations' integers, with the border around them."""
        pads = self.shape.pads_of(values.shape[2:])
        sizes = [before + size + after for size, (before, after) in zip(values.shape[2:], pads, strict=True)]
        inside = tuple(slice(before, before + size) for size, (before, _) in zip(values.shape[2:], pads, strict=True))
        found = np.empty((*values.shape[:2], *sizes), self.weights.dtype)
        if any(map(any, pads)):
            found[...] = self.border
        np.multiply(values, self.unit, out=found[(slice(None), slice(None), *inside)])
        return found


def _windows(tensor: Array, shape: Convolution) -> Array:
    """What every position reads, without a copy: (batch, channels, kernel ..., positions ...)."""
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
    batch = len(windows)
    places = windows.shape[2 + count :]
    found = np.empty((batch, groups * n, *places), weights.dtype)
    positions = int(np.prod(places))
    together = max(1, ROOM // max(1, groups * terms * positions))
    for start in range(0, batch, together):
        part = windows[start : start + together]
        columns = np.ascontiguousarray(part).reshape(len(part), groups, terms, positions)
        np.matmul(weights, columns, out=found[start : start + together].reshape(len(part), groups, n, positions))
    return found
