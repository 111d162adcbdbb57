"""The sums of a convolution by the golden model, a quicker way: floats hold integers."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ...formats import Arithmetic
from ...sim import as_floats, float_for, largest_integer
from ..network.float_layer import sums_of
from ..network.layer import Convolution
from ..network.patches import bordered
from .depthwise import Depthwise

__all__ = ["FloatConvolution", "are_integers_held", "float_convolution", "longest_sum"]

Array = NDArray[Any]

ROOM = 1 << 18
"""Operands that are gathered at a time, which stay in the processor's cache."""

FAR = 64
"""Lowest bits of such exponents are left to the golden model itself: float32 might not hold what they are worth."""


class FloatConvolution(NamedTuple):
    """A convolution whose sums floats hold, whatever their order.

    Members
    -------
    sums: makes sums (batch, groups * n, ...), whole numbers in units of the arithmetic's lowest bit, of activations'
        values (batch, channels, ...), which are float32 and finite
    bound: a magnitude that no sum is above
    """

    sums: Callable[[Array], Array]
    bound: int


def float_convolution(
    arithmetic: Arithmetic, weights: Array, shape: Convolution, border: float, threads: int = 1
) -> FloatConvolution | None:
    """The sums of a convolution in floats; None where these do not hold all of them.

    Parameters
    ----------
    arithmetic: of weights and activations
    weights: codes, (groups, k, n), where k counts (channel, kernel position)
    border: the value around the activations
    threads: of onnxruntime; 0 for one a core
    """
    if not are_integers_held(arithmetic):
        return None
    integers = as_floats(weights, arithmetic.weight, np.dtype(np.float64))
    if integers is None:
        return None
    most = largest_integer(arithmetic.activation)
    bound = longest_sum(integers, most)
    kind = float_for(bound)
    if kind is None:
        return None
    unit = 2.0**arithmetic.activation.lsb_exponent
    if kind == np.float32:
        return FloatConvolution(_Singles(integers / unit, shape, border, threads), bound)
    sums: _Doubles | Depthwise = _Doubles(integers, shape, unit)
    if integers.shape[1:] == (np.prod(shape.kernel), 1) and float_for(2 * bound) is not None:
        sums = Depthwise(integers.reshape(-1, *shape.kernel), shape, unit, most, threads)
    return FloatConvolution(lambda values: sums(bordered(values, shape, border)), bound)


def are_integers_held(arithmetic: Arithmetic) -> bool:
    """Whether products are exact ones of integers that floats hold, in units that float32 is far from the ends of."""
    formats = (arithmetic.activation, arithmetic.weight)
    held = (float_for(largest_integer(format)) is not None and abs(format.lsb_exponent) < FAR for format in formats)
    return arithmetic.is_exact and all(held)


def longest_sum(integers: Array, most: int) -> int:
    """A magnitude that no sum of weights (groups, k, n) by integers of up to ``most`` is above."""
    return int(np.abs(integers).sum(axis=1).max(initial=0)) * most


class _Singles:
    """Sums that float32 holds, by onnxruntime."""

    def __init__(self, weights: Array, shape: Convolution, border: float, threads: int):
        self._shape, self._border = shape, border
        self._layer = sums_of(weights, shape.unpadded if border else shape, threads)

    def __call__(self, values: Array) -> Array:
        return self._layer([bordered(values, self._shape, self._border) if self._border else values])


class _Doubles:
    """Sums that float64 holds, as products of matrices."""

    def __init__(self, integers: Array, shape: Convolution, unit: float):
        self._weights, self._shape = np.ascontiguousarray(integers.swapaxes(1, 2) / unit), shape

    def __call__(self, tensor: Array) -> Array:
        return _products(_windows(tensor.astype(np.float64), self._shape), self._weights)


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
