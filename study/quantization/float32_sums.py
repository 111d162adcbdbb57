"""Where float32 computes a layer as hardware does: it holds every sum, so it rounds once, when the sum is scaled."""

import numpy as np

from ...formats import Format
from ...sim import as_floats, float_for, largest_integer
from .quantize import QuantizedLayer

__all__ = ["float32_terms"]

FAR, LARGEST = 64, 2.0**127
"""Lowest bits of operands have exponents nearer to 0, and sums and results are smaller, so float32 has them all."""


def float32_terms(layer: QuantizedLayer) -> float:
    """So many products, with the bias, are summed in float32 exactly, in whatever order, and scaled with one rounding:
    infinitely many or none where the weights are known, since these tell how long sums are."""
    arithmetic, scale = layer.arithmetic, layer.scale
    formats = (arithmetic.activation, arithmetic.weight)
    if not arithmetic.is_exact or not all(map(_is_plain, formats)) or not (scale > 0).all():
        return 0
    most = largest_integer(arithmetic.activation) + abs(layer.zero_point)
    if layer.codes is None:
        terms = _HELD // (most * largest_integer(arithmetic.weight))
        return terms if _within_range(_HELD, layer) else 0
    integers = as_floats(layer.codes, arithmetic.weight, np.dtype(np.float64))
    if integers is None:
        return 0
    bias = 0 if layer.bias is None else int(np.abs(layer.bias + layer.offset).max(initial=0))
    longest = int(np.abs(integers).sum(axis=1).max(initial=0)) * most + bias
    return np.inf if float_for(longest) == np.float32 and _within_range(longest, layer) else 0


_HELD = 1 << 24
"""Float32 holds every integer up to this one."""


def _within_range(longest: int, layer: QuantizedLayer) -> bool:
    """Whether sums of up to so many lowest bits, and what they are scaled to, are far from float32's infinity."""
    largest = longest * 2.0**layer.lsb_exponent
    return max(largest, largest * float(layer.scale.max(initial=0))) < LARGEST


def _is_plain(format: Format) -> bool:
    exact = float_for(largest_integer(format))
    return format.finite and exact is not None and abs(format.lsb_exponent) < FAR
