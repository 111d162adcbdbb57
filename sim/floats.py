"""Integers in floats: where float32 or float64 holds every sum of products, any order of summation is exact."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..formats import Format
from .codes import all_finite, digit, largest_integer

__all__ = ["DOUBLE", "SINGLE", "as_floats", "float_for"]

SINGLE, DOUBLE = 1 << 24, 1 << 53
"""Up to which float32 and float64 hold every integer."""


def float_for(bound: int) -> np.dtype[Any] | None:
    """The quickest float that holds every integer up to a magnitude; None where there is none."""
    if bound > DOUBLE:
        return None
    return np.dtype(np.float32 if bound <= SINGLE else np.float64)


def as_floats(codes: NDArray[Any], format: Format, kind: np.dtype[Any]) -> NDArray[Any] | None:
    """The integer of every code, as floats that hold it; None where a code is not finite."""
    if not all_finite(codes, format):
        return None
    return digit(codes, format, 0, largest_integer(format).bit_length(), kind)
