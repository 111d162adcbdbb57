"""Integers of any length as arrays, without loss: NumPy makes float64 of a list that fits none of its integer types."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["as_integers"]


def as_integers(values: ArrayLike) -> NDArray[Any] | None:
    """``values`` as an array of integers, or None where one of them is no integer.

    The array is of NumPy's type where it came as such, else of int64 or uint64 where either holds all of them, else of
    Python integers (dtype object). An empty one counts as integers whatever its type, since ``[]`` is float64.
    """
    array = np.asarray(values)
    if array.dtype.kind in "iu":
        return array
    if not array.size:
        return array.astype(np.int64)
    if array.dtype.kind == "f" and isinstance(values, (list, tuple)):
        array = np.array(values, dtype=object)
    if array.dtype.kind != "O" or not all(isinstance(value, (int, np.integer)) for value in array.flat):
        return None
    integers = [int(value) for value in array.flat]
    least, most = min(integers), max(integers)
    if least >= -(1 << 63) and most < 1 << 63:
        return array.astype(np.int64)
    if least >= 0 and most < 1 << 64:
        return array.astype(np.uint64)
    exact = np.empty(len(integers), dtype=object)
    exact[:] = integers
    return exact.reshape(array.shape)
