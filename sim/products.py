"""Products, sums of products and matrix products of codes, in the arithmetic of two formats and a kind of element."""

from numpy.typing import ArrayLike

from ..formats import EXACT, Arithmetic, Element, Format
from .elements.model import model_of
from .exact import Exact

__all__ = ["dot", "matmul", "multiply"]


def multiply(
    weight: ArrayLike,
    activation: ArrayLike,
    weight_format: Format,
    activation_format: Format,
    element: Element = EXACT,
) -> Exact:
    """The product of every weight and activation code; the two shapes broadcast."""
    arithmetic = Arithmetic(weight_format, activation_format, element)
    return model_of(arithmetic).multiply(weight, activation, arithmetic)


def dot(
    weight: ArrayLike,
    activation: ArrayLike,
    weight_format: Format,
    activation_format: Format,
    element: Element = EXACT,
) -> Exact:
    """The sum of products over the last axis: (..., k) and (..., k) to (...); the leading axes broadcast."""
    arithmetic = Arithmetic(weight_format, activation_format, element)
    return model_of(arithmetic).dot(weight, activation, arithmetic)


def matmul(
    activation: ArrayLike,
    weight: ArrayLike,
    activation_format: Format,
    weight_format: Format,
    element: Element = EXACT,
) -> Exact:
    """The matrix product ``C[m, n] = A[m, k] @ W[k, n]`` of codes; leading axes broadcast."""
    arithmetic = Arithmetic(weight_format, activation_format, element)
    return model_of(arithmetic).matmul(activation, weight, arithmetic)
