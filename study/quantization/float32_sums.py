"""Where float32 computes a layer as hardware does: it holds every sum, so it rounds once, when the sum is scaled."""

import numpy as np

from ...sim import SINGLE, as_floats, largest_integer
from .convolve import are_integers_held, longest_sum
from .quantize import QuantizedLayer

__all__ = ["float32_terms"]

LARGEST = 2.0**127
"""Sums and results are smaller, so that none is an infinity of float32."""


def float32_terms(layer: QuantizedLayer) -> float:
    """So many products, with the bias, are summed in float32 exactly, in whatever order, and scaled with one rounding:
    infinitely many or none where the weights are known, since these tell how long sums are."""
    arithmetic, scale = layer.arithmetic, layer.scale
    finite = arithmetic.activation.finite and arithmetic.weight.finite
    if not finite or not are_integers_held(arithmetic) or not (scale > 0).all():
        return 0
    most = largest_integer(arithmetic.activation) + abs(layer.zero_point)
    if layer.codes is None:
        terms = SINGLE // (most * largest_integer(arithmetic.weight))
        return terms if _within_range(SINGLE, layer) else 0
    integers = as_floats(layer.codes, arithmetic.weight, np.dtype(np.float64))
    if integers is None:
        return 0
    bias = 0 if layer.bias is None else int(np.abs(layer.bias + layer.offset).max(initial=0))
    longest = longest_sum(integers, most) + bias
    return np.inf if longest <= SINGLE and _within_range(longest, layer) else 0


def _within_range(longest: int, layer: QuantizedLayer) -> bool:
    """Whether sums of up to so many lowest bits, and what they are scaled to, are far from float32's infinity."""
    largest = longest * 2.0**layer.lsb_exponent
    return max(largest, largest * float(layer.scale.max(initial=0))) < LARGEST
