"""Narrow accumulators: products are cut, and the sum saturates after every word."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...formats import Arithmetic
from ...formats.elements.window import WindowSum
from .model import register_model
from .ordered import OrderedModel

__all__ = ["WindowModel"]

Array = NDArray[Any]


class WindowModel(OrderedModel):
    """Cut products, words of them added exactly, saturating sums of words."""

    def products(self, exact: Array, arithmetic: Arithmetic) -> Array:
        drop = _window(arithmetic).drop
        return np.asarray(np.where(exact < 0, -(-exact >> drop), exact >> drop) if drop else exact)

    def settle(self, sums: Array, arithmetic: Arithmetic) -> Array:
        return np.asarray(np.clip(sums, *_window(arithmetic).limits(arithmetic.weight, arithmetic.activation)))


def _window(arithmetic: Arithmetic) -> WindowSum:
    assert isinstance(arithmetic.element, WindowSum)
    return arithmetic.element


register_model(WindowSum.rule, WindowModel())
