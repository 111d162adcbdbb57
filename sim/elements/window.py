"""Narrow accumulators: products are cut, and the sum saturates after every word."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...formats import Arithmetic, product_range
from ...formats.elements.window import WindowSum
from ..codes import check_codes
from ..exact import Exact
from .model import ElementModel, register_model

__all__ = ["WindowModel"]

Array = NDArray[Any]


class WindowModel(ElementModel):
    """Cut products, words of them added exactly, saturating sums of words."""

    def multiply(self, weight: ArrayLike, activation: ArrayLike, arithmetic: Arithmetic) -> Exact:
        return Exact(_products(*_integers(weight, activation, arithmetic), arithmetic), arithmetic.lsb_exponent)

    def word(self, weight: ArrayLike, activation: ArrayLike, arithmetic: Arithmetic) -> Exact:
        products = self.multiply(weight, activation, arithmetic).integers
        return Exact(np.asarray(products.sum(axis=-1)), arithmetic.lsb_exponent)

    def dot(self, weight: ArrayLike, activation: ArrayLike, arithmetic: Arithmetic, lanes: int = 1) -> Exact:
        w, a = check_codes(weight, arithmetic.weight), check_codes(activation, arithmetic.activation)
        found = self.matmul(a[..., None, :], w[..., :, None], arithmetic, lanes)
        return Exact(found.integers[..., 0, 0], found.lsb_exponent)

    def matmul(self, activation: ArrayLike, weight: ArrayLike, arithmetic: Arithmetic, lanes: int = 1) -> Exact:
        w, a = _integers(weight, activation, arithmetic)
        limits = _window(arithmetic).limits(arithmetic.weight, arithmetic.activation)
        shape = (*np.broadcast_shapes(a.shape[:-2], w.shape[:-2]), a.shape[-2], w.shape[-1])
        total: Array = np.zeros(shape, np.int64)
        for k in range(0, a.shape[-1], lanes):
            word = _products(w[..., None, k : k + lanes, :], a[..., :, k : k + lanes, None], arithmetic)
            total = np.clip(total + word.sum(axis=-2), *limits)
        return Exact(total, arithmetic.lsb_exponent)

    def running(self, words: Exact, adds: Array, starts: Array, arithmetic: Arithmetic) -> Exact:
        least, most = _window(arithmetic).limits(arithmetic.weight, arithmetic.activation)
        total, sums = 0, []
        for word, add, start in zip(words.integers.tolist(), adds.tolist(), starts.tolist(), strict=True):
            total = 0 if start else total
            total = min(max(total + word, least), most) if add else total
            sums.append(total)
        return Exact(np.array(sums, words.integers.dtype), words.lsb_exponent)


def _integers(weight: ArrayLike, activation: ArrayLike, arithmetic: Arithmetic) -> tuple[Array, Array]:
    """The integers of the codes, in a type that holds their products."""
    kind = np.int64 if max(map(abs, product_range(arithmetic.weight, arithmetic.activation))) < 1 << 62 else object
    codes = zip((weight, activation), (arithmetic.weight, arithmetic.activation), strict=True)
    w, a = (np.array(format.integers, dtype=kind)[check_codes(each, format)] for each, format in codes)
    return w, a


def _products(weight: Array, activation: Array, arithmetic: Arithmetic) -> Array:
    """The cut products of these integers."""
    drop = _window(arithmetic).drop
    products = weight * activation
    return np.asarray(np.where(products < 0, -(-products >> drop), products >> drop) if drop else products)


def _window(arithmetic: Arithmetic) -> WindowSum:
    assert isinstance(arithmetic.element, WindowSum)
    return arithmetic.element


register_model(WindowSum.rule, WindowModel())
