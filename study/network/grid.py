"""Rounding whole tensors to a format's values, in float32, by the golden model's tables."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...formats import Format
from ...sim import decode, encode

__all__ = ["codes", "floats", "round_to", "values"]

Array = NDArray[Any]

CHUNK = 1 << 15
"""Codes that are looked up at a time: NumPy makes 64-bit indices of them, which stay in the processor's cache."""


def codes(tensor: Array, format: Format) -> Array:
    """The codes of the nearest values, ties to even, at most the largest; NaN becomes 0 where the format has none."""
    if not format.has_nan and tensor.size and np.isnan(tensor.max()):
        tensor = np.nan_to_num(tensor, nan=0.0, posinf=np.inf, neginf=-np.inf)
    return encode(tensor, format)


def values(tensor: Array, format: Format) -> NDArray[np.float32]:
    """The values of codes. Exact: formats of the study have far fewer bits than float32."""
    flat, found = tensor.reshape(-1), np.empty(tensor.shape, np.float32)
    table, whole = _table(format), found.reshape(-1)
    for start in range(0, flat.size, CHUNK):
        part = slice(start, start + CHUNK)
        table.take(flat[part], out=whole[part], mode="wrap")  # which needs no pass to check the range
    return found


def round_to(tensor: Array, format: Format) -> NDArray[np.float32]:
    """The nearest values of a format."""
    return values(codes(tensor, format), format)


def floats(numbers: Array, format: Format) -> NDArray[np.float32]:
    """Scales as a format of scales can hold them, of up to 32 bits, as float32."""
    return decode(encode(numbers, format), format).astype(np.float32)


@lru_cache(maxsize=256)
def _table(format: Format) -> NDArray[np.float32]:
    return decode(np.arange(1 << format.width), format).astype(np.float32)
