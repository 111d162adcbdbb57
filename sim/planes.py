"""Weights that are sums of binary planes with a scale each, as operands of block-scaled sums."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..formats import Format
from .codes import check_codes

__all__ = ["spread_activations", "spread_planes"]

Array = NDArray[Any]


def spread_planes(planes: ArrayLike, size: int) -> Array:
    """The codes of planes, (planes, k, n), or of their scales with ``size`` 1, as one matrix: (k', n).

    A block of ``size`` weights along k is followed by the same block in the next plane, and the last block is filled up
    with codes of 0: k' is the number of planes times k, rounded up to whole blocks. With the activations of
    ``spread_activations``, ``block_matmul``, ``block_dot`` and an engine with blocks of that size then give the sum
    over planes of ``scale * (sum of activation * plane)``, a plane after another. Planes may be of any one format: with
    a second plane of ones, whose scales are the offsets of blocks, ``uint4`` is what llama.cpp's Q4_1 stores.
    """
    array = np.asarray(planes)
    if array.ndim != 3:
        raise ValueError(f"planes must be of shape (planes, k, n), not {array.shape}")
    count, k, n = array.shape
    filled = np.pad(array, ((0, 0), (0, -k % size), (0, 0)))
    return filled.reshape(count, -1, size, n).swapaxes(0, 1).reshape(-1, n)


def spread_activations(activation: ArrayLike, format: Format, planes: int, size: int) -> Array:
    """The codes of activations, (m, k), or of their scales with ``size`` 1, once for every plane: (m, k').

    What fills up the last block is zero, which the format has to have where that is needed. Raises ValueError.
    """
    array = check_codes(activation, format)
    if array.ndim != 2:
        raise ValueError(f"activation must be of shape (m, k), not {array.shape}")
    m, k = array.shape
    missing = -k % size
    if missing and format.zero_code is None:
        raise ValueError(f"activation must be of a format with a zero to fill up a block, not {format}")
    filled = np.pad(array, ((0, 0), (0, missing)), constant_values=format.filler if missing else 0)
    return np.repeat(filled.reshape(m, -1, 1, size), planes, axis=2).reshape(m, -1)
