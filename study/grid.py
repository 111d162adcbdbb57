"""Rounding whole tensors to a format's values, in float32, by the golden model's tables."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..formats import Format
from ..sim import decode, encode

__all__ = ["codes", "floats", "round_to", "values"]

Array = NDArray[Any]


def codes(tensor: Array, format: Format) -> Array:
    """The codes of the nearest values, ties to even, at most the largest; NaN becomes 0 where the format has none."""
    if not format.has_nan and tensor.size and np.isnan(tensor.max()):
        tensor = np.nan_to_num(tensor, nan=0.0, posinf=np.inf, neginf=-np.inf)
    return encode(tensor, format)


def values(tensor: Array, format: Format) -> NDArray[np.float32]:
    """The values of codes. Exact: formats of the study have far fewer bits than float32."""
    return np.asarray(_table(format)[tensor])


def round_to(tensor: Array, format: Format) -> NDArray[np.float32]:
    """The nearest values of a format."""
    return values(codes(tensor, format), format)


def floats(numbers: Array, format: Format) -> NDArray[np.float32]:
    """Scales as a format of scales can hold them, of up to 32 bits, as float32."""
    return decode(encode(numbers, format), format).astype(np.float32)


@lru_cache(maxsize=256)
def _table(format: Format) -> NDArray[np.float32]:
    return decode(np.arange(1 << format.width), format).astype(np.float32)
