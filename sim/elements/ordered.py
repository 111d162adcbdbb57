"""Rules by which a sum becomes another one after every word, so that the order of the words matters."""

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...formats import Arithmetic, product_range
from ..codes import check_codes
from ..exact import Exact
from .model import ElementModel

__all__ = ["OrderedModel"]

Array = NDArray[Any]


class OrderedModel(ElementModel):
    """Products, words of them added exactly, sums of words that are settled by a rule."""

    def products(self, exact: Array, arithmetic: Arithmetic) -> Array:
        """What exact products become, in units of ``2**arithmetic.lsb_exponent``."""
        return exact

    @abstractmethod
    def settle(self, sums: Array, arithmetic: Arithmetic) -> Array:
        """What exact sums of running ones and words become."""

    def multiply(self, weight: ArrayLike, activation: ArrayLike, arithmetic: Arithmetic) -> Exact:
        w, a = _integers(weight, activation, arithmetic)
        return Exact(self.products(w * a, arithmetic), arithmetic.lsb_exponent)

    def word(self, weight: ArrayLike, activation: ArrayLike, arithmetic: Arithmetic) -> Exact:
        w, a = _integers(weight, activation, arithmetic, np.shape(weight)[-1])
        return Exact(np.asarray(self.products(w * a, arithmetic).sum(axis=-1)), arithmetic.lsb_exponent)

    def dot(self, weight: ArrayLike, activation: ArrayLike, arithmetic: Arithmetic, lanes: int = 1) -> Exact:
        w, a = check_codes(weight, arithmetic.weight), check_codes(activation, arithmetic.activation)
        found = self.matmul(a[..., None, :], w[..., :, None], arithmetic, lanes)
        return Exact(found.integers[..., 0, 0], found.lsb_exponent)

    def matmul(self, activation: ArrayLike, weight: ArrayLike, arithmetic: Arithmetic, lanes: int = 1) -> Exact:
        w, a = _integers(weight, activation, arithmetic, np.shape(activation)[-1])
        shape = (*np.broadcast_shapes(a.shape[:-2], w.shape[:-2]), a.shape[-2], w.shape[-1])
        total: Array = np.zeros(shape, w.dtype)
        for k in range(0, a.shape[-1], lanes):
            word = self.products(w[..., None, k : k + lanes, :] * a[..., :, k : k + lanes, None], arithmetic)
            total = self.settle(total + word.sum(axis=-2), arithmetic)
        return Exact(total, arithmetic.lsb_exponent)

    def running(self, words: Exact, adds: Array, starts: Array, arithmetic: Arithmetic) -> Exact:
        total, sums = 0, []
        for word, add, start in zip(words.integers.tolist(), adds.tolist(), starts.tolist(), strict=True):
            total = 0 if start else total
            total = int(self.settle(np.array(total + word, dtype=object), arithmetic)) if add else total
            sums.append(total)
        return Exact(np.array(sums, words.integers.dtype), words.lsb_exponent)


def _integers(weight: ArrayLike, activation: ArrayLike, arithmetic: Arithmetic, count: int = 1) -> tuple[Array, Array]:
    """The integers of the codes, in a type that holds sums of so many products, and what rounding adds to these."""
    most = max(map(abs, product_range(arithmetic.weight, arithmetic.activation)))
    kind = np.int64 if most * count < 1 << 61 else object
    codes = zip((weight, activation), (arithmetic.weight, arithmetic.activation), strict=True)
    w, a = (np.array(format.integers, dtype=kind)[check_codes(each, format)] for each, format in codes)
    return w, a
