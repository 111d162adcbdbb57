"""The golden model of an arithmetic: what each rule of multiplication has to have, and which rules are known."""

from abc import ABC, abstractmethod

from numpy.typing import ArrayLike

from ...formats import Arithmetic
from ..exact import Exact

__all__ = ["ElementModel", "model_of", "register_model"]


class ElementModel(ABC):
    """What elements of one rule compute, to the bit, whatever hardware they are.

    All results are ``Exact`` with the lsb_exponent of the arithmetic. Infinities and NaN follow IEEE 754.
    """

    @abstractmethod
    def multiply(self, weight: ArrayLike, activation: ArrayLike, arithmetic: Arithmetic) -> Exact:
        """The product of every weight and activation code; the two shapes broadcast."""

    @abstractmethod
    def dot(self, weight: ArrayLike, activation: ArrayLike, arithmetic: Arithmetic) -> Exact:
        """The sum of products over the last axis: (..., k) and (..., k) to (...); the leading axes broadcast."""

    @abstractmethod
    def matmul(self, activation: ArrayLike, weight: ArrayLike, arithmetic: Arithmetic) -> Exact:
        """The matrix product ``C[m, n] = A[m, k] @ W[k, n]`` of codes; leading axes broadcast."""


_MODELS: dict[str, ElementModel] = {}


def register_model(rule: str, model: ElementModel) -> None:
    """Say what elements of that rule compute."""
    _MODELS[rule] = model


def model_of(arithmetic: Arithmetic) -> ElementModel:
    """The golden model of an arithmetic. Raises ValueError for a rule that has none."""
    if arithmetic.rule not in _MODELS:
        raise ValueError(f"rule must be one that has a model ({', '.join(_MODELS)}), not {arithmetic.rule!r}")
    return _MODELS[arithmetic.rule]
