"""From real scales to codes: to dyadic ones, or to those of any other format."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..formats import Dyadic, Format
from .codes import code_dtype
from .encode import as_numbers, encode

__all__ = ["dyadic_codes", "scale_codes"]


def scale_codes(values: ArrayLike, format: Format) -> NDArray[Any]:
    """The codes nearest to these scales, by ``dyadic_codes`` where the format is dyadic and by ``encode`` elsewhere."""
    return dyadic_codes(values, format) if isinstance(format, Dyadic) else encode(values, format)


def dyadic_codes(values: ArrayLike, format: Dyadic) -> NDArray[Any]:
    """The codes of the dyadic scales nearest to ``values``, in their shape; ties go to the even multiplier.

    Of several codes of one value it is that with the largest shift: its multiplier has the top bit set wherever the
    shift can go that far, which leaves the smallest error. What rounds to zero becomes code 0, and what lies beyond the
    largest value becomes that. Raises ValueError where a value is negative or not finite.
    """
    if not isinstance(format, Dyadic):
        raise ValueError(f"format must be a dyadic one, as parse('dyadic16s5') gives, not {format!r}")
    real = as_numbers(values)
    if real.dtype == object:
        # Beyond the largest value, whatever float64 makes of them.
        real = np.minimum(real, 1 << 64)
    real = np.asarray(real, dtype=np.float64)
    if not (np.isfinite(real) & (real >= 0)).all():
        raise ValueError("values must be finite and 0 or more to be dyadic scales")
    bits, most = format.multiplier_bits, (1 << format.multiplier_bits) - 1
    shift = np.clip(bits - np.frexp(real)[1].astype(np.int64), 0, format.max_shift)
    multiplier = np.rint(np.ldexp(np.minimum(real, most), shift)).astype(np.int64)
    # Rounded up to a power of two, the multiplier is one bit too long.
    long = multiplier > most
    multiplier = np.where(long, np.where(shift > 0, (most + 1) >> 1, most), multiplier)
    shift = np.where(multiplier > 0, np.maximum(shift - long, 0), 0)
    return np.asarray(multiplier | shift << bits, dtype=code_dtype(format))
