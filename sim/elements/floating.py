"""Floating-point accumulators: the sum is rounded after every word."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...formats import Arithmetic
from ...formats.elements.floating import FloatingSum
from .model import register_model
from .ordered import OrderedModel

__all__ = ["FloatingModel"]

Array = NDArray[Any]


class FloatingModel(OrderedModel):
    """Exact products, words of them added exactly, rounded sums of words."""

    def settle(self, sums: Array, arithmetic: Arithmetic) -> Array:
        element = arithmetic.element
        assert isinstance(element, FloatingSum)
        # What is twice the greatest number becomes that number anyway, and NumPy's integers hold it.
        beyond = 2 * element.largest
        magnitude = np.abs(np.asarray(np.clip(sums, -beyond, beyond), np.int64))
        # By powers of two, for a logarithm of a long integer is not exact.
        rest, bits = magnitude.copy(), (magnitude > 0).astype(np.int64)
        for step in (32, 16, 8, 4, 2, 1):
            large = rest >> step > 0
            bits, rest = bits + step * large, np.where(large, rest >> step, rest)
        shift = np.maximum(element.drop, bits - element.fraction_bits - 1)
        kept, half = magnitude >> shift, (1 << shift) >> 1
        past = magnitude - (kept << shift)
        up = (past > half) | ((past == half) & (shift > 0) & (kept & 1 == 1))
        rounded = np.minimum(kept + up << shift, element.largest)
        return np.asarray(np.where(sums < 0, -rounded, rounded))


register_model(FloatingSum.rule, FloatingModel())
