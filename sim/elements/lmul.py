"""L-Mul: products from a table of all pairs of codes, added exactly."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...formats import Arithmetic
from ...formats.elements.lmul import LMul
from ..codes import check_codes
from ..exact import Exact
from .model import ElementModel, register_model

__all__ = ["LMulModel"]


@lru_cache(maxsize=32)
def _products(arithmetic: Arithmetic) -> NDArray[Any]:
    """The integer of the product of every weight and activation, by their codes."""
    format, element = arithmetic.weight, arithmetic.element
    assert isinstance(element, LMul)
    has_sign = format.has_sign_bit
    fields = np.arange(1 << format.width - has_sign).tolist()
    table = np.array([[element.magnitude(format, x, y) for y in fields] for x in fields], dtype=object)
    if has_sign:
        table = np.block([[table, -table], [-table, table]])
    return table


class LMulModel(ElementModel):
    """Products by the sum of two fields."""

    def multiply(self, weight: ArrayLike, activation: ArrayLike, arithmetic: Arithmetic) -> Exact:
        w, a = check_codes(weight, arithmetic.weight), check_codes(activation, arithmetic.activation)
        return Exact(_fitting(_products(arithmetic), 1)[w, a], arithmetic.lsb_exponent)

    def dot(self, weight: ArrayLike, activation: ArrayLike, arithmetic: Arithmetic, lanes: int = 1) -> Exact:
        w, a = check_codes(weight, arithmetic.weight), check_codes(activation, arithmetic.activation)
        products = _fitting(_products(arithmetic), w.shape[-1])[w, a]
        return Exact(np.asarray(products.sum(axis=-1)), arithmetic.lsb_exponent)

    def matmul(self, activation: ArrayLike, weight: ArrayLike, arithmetic: Arithmetic, lanes: int = 1) -> Exact:
        w, a = check_codes(weight, arithmetic.weight), check_codes(activation, arithmetic.activation)
        table = _fitting(_products(arithmetic), a.shape[-1])
        shape = (*np.broadcast_shapes(a.shape[:-2], w.shape[:-2]), a.shape[-2], w.shape[-1])
        total: NDArray[Any] = np.zeros(shape, table.dtype)
        for k in range(a.shape[-1]):
            total = total + table[w[..., k : k + 1, :], a[..., :, k : k + 1]]
        return Exact(total, arithmetic.lsb_exponent)


def _fitting(table: NDArray[Any], terms: int) -> NDArray[Any]:
    """The table as int64 where sums of so many of its entries fit."""
    most = int(np.abs(table).max()) * max(terms, 1)
    return table.astype(np.int64) if most < 1 << 63 else table


register_model(LMul.rule, LMulModel())
