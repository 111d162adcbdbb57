"""Ternary codes in bytes and back, as the units that unpack them do it."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..formats.packed_trits import PACKINGS
from .integers import as_integers

__all__ = ["pack_trits", "unpack_trits"]


def unpack_trits(data: ArrayLike, packing: str) -> NDArray[Any]:
    """The ternary codes in words of bytes: from (..., bytes) to (..., bytes * values a byte).

    A field of all ones, which packing never makes, gives the code that ``ternary`` leaves out.

    Parameters
    ----------
    data: bytes
    packing: ``trits`` or ``fields``, see ``formats.packed_trits``

    Raises ValueError for an unknown packing, and for what is no array of bytes.
    """
    places, found = np.arange(_values(packing))[:, None], as_integers(data)
    if found is None or not found.ndim or not ((found >= 0) & (found < 256)).all():
        raise ValueError("data must be an array of bytes, 0 to 255")
    found = found.astype(np.int64)
    if packing == "trits":
        digits = (found[..., None, :] * 3**places % 256) * 3 >> 8
    else:
        digits = found[..., None, :] >> 2 * places & 3
    return np.asarray(digits - 1 & 3).reshape(*found.shape[:-1], -1)


def pack_trits(codes: ArrayLike, packing: str) -> NDArray[Any]:
    """Words of bytes with these ternary codes: from (..., bytes * values a byte) to (..., bytes).

    Raises ValueError for an unknown packing, and for codes that are no ternary ones or do not fill up a byte.
    """
    values, found = _values(packing), as_integers(codes)
    if found is None or not np.isin(found, (0, 1, 3)).all():
        raise ValueError("codes must be 0, 1 or 3, those of ternary")
    if not found.ndim or found.shape[-1] % values:
        raise ValueError(f"codes must be a multiple of {values} along the last axis, not of shape {found.shape}")
    digits = (found.astype(np.int64) + 1 & 3).reshape(*found.shape[:-1], values, -1)
    places = np.arange(values)[:, None]
    if packing == "trits":
        return np.asarray(-(-(digits * 3 ** (values - 1 - places)).sum(axis=-2) * 256 // 3**values))
    return np.asarray((digits << 2 * places).sum(axis=-2))


def _values(packing: str) -> int:
    if packing not in PACKINGS:
        raise ValueError(f"packing must be {' or '.join(PACKINGS)}, not {packing!r}")
    return PACKINGS[packing].values
