"""Rules that change every product by itself and add exactly: a model is made of one function of integers."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...formats import Arithmetic
from ..exact import Exact
from .exact import dot, matmul, multiply
from .model import ElementModel

__all__ = ["RuledModel"]

Array = NDArray[Any]


class RuledModel(ElementModel):
    """Products that are a function of the exact ones.

    Parameters
    ----------
    rule: from an array of exact products, as integers in units of the lowest bit of ``weight * activation``, and the
        arithmetic to what the products are instead, in units of ``2**arithmetic.lsb_exponent``
    """

    def __init__(self, rule: Callable[[Array, Arithmetic], Array]):
        self.rule = rule

    def multiply(self, weight: ArrayLike, activation: ArrayLike, arithmetic: Arithmetic) -> Exact:
        exact = multiply(weight, activation, arithmetic.weight, arithmetic.activation)
        return _instead(exact, self.rule(exact.integers, arithmetic), arithmetic)

    def dot(self, weight: ArrayLike, activation: ArrayLike, arithmetic: Arithmetic, lanes: int = 1) -> Exact:
        exact = dot(weight, activation, arithmetic.weight, arithmetic.activation)
        products = self.multiply(weight, activation, arithmetic).integers
        return _instead(exact, np.asarray(products.astype(_kind(exact, products)).sum(axis=-1)), arithmetic)

    def matmul(self, activation: ArrayLike, weight: ArrayLike, arithmetic: Arithmetic, lanes: int = 1) -> Exact:
        exact = matmul(activation, weight, arithmetic.activation, arithmetic.weight)
        a, w = np.asarray(activation), np.asarray(weight)
        total: Array = np.zeros(exact.shape, object if exact.integers.dtype == object else np.int64)
        for k in range(a.shape[-1]):
            products = self.multiply(w[..., k : k + 1, :], a[..., :, k : k + 1], arithmetic).integers
            total = total + products.astype(_kind(exact, products))
        return _instead(exact, total, arithmetic)


def _kind(exact: Exact, products: Array) -> Any:
    """The type of integers that sums as long as the exact ones fit."""
    return object if object in (exact.integers.dtype, products.dtype) else np.int64


def _instead(exact: Exact, integers: Array, arithmetic: Arithmetic) -> Exact:
    """The same with other integers where the value is finite."""
    masks = exact.nan, exact.positive_infinity, exact.negative_infinity
    integers = np.array(integers)
    for mask in masks:
        if mask is not None:
            integers[mask] = 0
    return Exact(integers, arithmetic.lsb_exponent, *masks)
