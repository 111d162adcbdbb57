"""The sums of a convolution by the golden model, a quicker way: floats hold integers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ...formats import Arithmetic
from ...sim import as_floats, float_for, largest_integer
from ..network.layer import Convolution

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
        if integers.shape[1] == len(self.weights) and self.weights.shape[1] == 1:
            return _by_channel(integers, self.weights.reshape(-1, *self.shape.kernel), self.shape)
        return _products(_windows(integers, self.shape), self.weights)

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


def _by_channel(tensor: Array, weights: Array, shape: Convolution) -> Array:
    """The sums of a depthwise convolution of a tensor with its border by weights (channels, kernel ...).

    A position of the kernel multiplies a channel from an offset on, in one piece, so what lies between rows is computed
    in vain. With strides, the channel is parted first into what positions apart by them read.
    """
    reach = [(size - 1) * dilation for size, dilation in zip(shape.kernel, shape.dilations, strict=True)]
    strides = shape.strides
    places = [(size - far - 1) // step + 1 for size, far, step in zip(tensor.shape[2:], reach, strides, strict=True)]
    sizes = [place + far // step for place, far, step in zip(places, reach, strides, strict=True)]
    apart = [int(np.prod(sizes[axis + 1 :])) for axis in range(len(sizes))]
    length = 1 + sum((place - 1) * each for place, each in zip(places, apart, strict=True))
    positions: dict[tuple[int, ...], list[tuple[int, tuple[int, ...]]]] = {}
    for position in np.ndindex(*shape.kernel):
        at = [index * dilation for index, dilation in zip(position, shape.dilations, strict=True)]
        phase = tuple(index % step for index, step in zip(at, strides, strict=True))
        offset = sum(index // step * each for index, step, each in zip(at, strides, apart, strict=True))
        positions.setdefault(phase, []).append((offset, position))
    found = np.empty((*tensor.shape[:2], *places), tensor.dtype)
    together = max(1, ROOM // 4 // (places[0] * apart[0]))
    sums, product = np.empty((2, together, length), tensor.dtype)
    padded = np.zeros((together, places[0] * apart[0]), tensor.dtype)
    inside = (slice(None), *map(slice, places))
    for image, whole in zip(tensor, found, strict=True):
        for start in range(0, len(weights), together):
            part = image[start : start + together]
            factors = weights[start : start + together, ..., None]
            total, each = sums[: len(part)], product[: len(part)]
            total[...] = 0
            for phase, reads in positions.items():
                row = _phase(part, phase, strides, sizes)
                for offset, position in reads:
                    np.multiply(row[:, offset : offset + length], factors[:, *position], out=each)
                    total += each
            padded[: len(part), :length] = total
            whole[start : start + together] = padded[: len(part)].reshape(-1, places[0], *sizes[1:])[inside]
    return found


def _phase(part: Array, phase: tuple[int, ...], strides: tuple[int, ...], sizes: list[int]) -> Array:
    """Of channels, what is read from a place on in steps of the strides, in so many places: (channels, values)."""
    steps = (slice(start, None, step) for start, step in zip(phase, strides, strict=True))
    read = part[:, *steps][:, *map(slice, sizes)]
    if read.shape[1:] != tuple(sizes):
        whole = np.zeros((len(part), *sizes), part.dtype)
        whole[:, *map(slice, read.shape[1:])] = read
        read = whole
    return np.ascontiguousarray(read).reshape(len(part), -1)
