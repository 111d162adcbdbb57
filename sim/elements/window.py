"""Narrow accumulators: products are cut, and the sum saturates after every word."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...formats import Arithmetic
from ...formats.elements.window import Window
from ..codes import check_codes
from ..exact import Exact
from .exact import multiply
from .model import ElementModel, register_model

__all__ = ["WindowModel"]

Array = NDArray[Any]


class WindowModel(ElementModel):
    """Cut products, words of them added exactly, saturating sums of words."""

    def multiply(self, weight: ArrayLike, activation: ArrayLike, arithmetic: Arithmetic) -> Exact:
        element = _window(arithmetic)
        products = multiply(weight, activation, arithmetic.weight, arithmetic.activation).integers
        return Exact(
            np.where(products < 0, -(-products >> element.drop), products >> element.drop), arithmetic.lsb_exponent
        )

    def word(self, weight: ArrayLike, activation: ArrayLike, arithmetic: Arithmetic) -> Exact:
        products = self.multiply(weight, activation, arithmetic).integers
        return Exact(np.asarray(products.sum(axis=-1)), arithmetic.lsb_exponent)

    def dot(self, weight: ArrayLike, activation: ArrayLike, arithmetic: Arithmetic, lanes: int = 1) -> Exact:
        w, a = check_codes(weight, arithmetic.weight), check_codes(activation, arithmetic.activation)
        found = self.matmul(a[..., None, :], w[..., :, None], arithmetic, lanes)
        return Exact(found.integers[..., 0, 0], found.lsb_exponent)

    def matmul(self, activation: ArrayLike, weight: ArrayLike, arithmetic: Arithmetic, lanes: int = 1) -> Exact:
        w, a = check_codes(weight, arithmetic.weight), check_codes(activation, arithmetic.activation)
        limits = _window(arithmetic).limits(arithmetic.weight, arithmetic.activation)
        shape = (*np.broadcast_shapes(a.shape[:-2], w.shape[:-2]), a.shape[-2], w.shape[-1])
        total: Array = np.zeros(shape, np.int64)
        for k in range(0, a.shape[-1], lanes):
            word = w[..., None, k : k + lanes, :], a[..., :, k : k + lanes, None]
            products = self.multiply(*word, arithmetic).integers
            total = np.clip(total + products.sum(axis=-2), *limits)
        return Exact(total, arithmetic.lsb_exponent)

    def running(self, words: Exact, adds: Array, starts: Array, arithmetic: Arithmetic) -> Exact:
        least, most = _window(arithmetic).limits(arithmetic.weight, arithmetic.activation)
        total, sums = 0, []
        for word, add, start in zip(words.integers.tolist(), adds.tolist(), starts.tolist(), strict=True):
            total = 0 if start else total
            total = min(max(total + word, least), most) if add else total
            sums.append(total)
        return Exact(np.array(sums, words.integers.dtype), words.lsb_exponent)


def _window(arithmetic: Arithmetic) -> Window:
    assert isinstance(arithmetic.element, Window)
    return arithmetic.element


register_model(Window.rule, WindowModel())
