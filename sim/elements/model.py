"""The golden model of an arithmetic: what each rule of multiplication has to have, and which rules are known."""

from abc import ABC, abstractmethod
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...formats import Arithmetic
from ..exact import Exact

__all__ = ["ElementModel", "model_of", "register_model"]

Array = NDArray[Any]


class ElementModel(ABC):
    """What elements of one rule compute, to the bit, whatever hardware they are.

    All results are ``Exact`` with the lsb_exponent of the arithmetic. Infinities and NaN follow IEEE 754.
    """

    @abstractmethod
    def multiply(self, weight: ArrayLike, activation: ArrayLike, arithmetic: Arithmetic) -> Exact:
        """The product of every weight and activation code; the two shapes broadcast."""

    @abstractmethod
    def dot(self, weight: ArrayLike, activation: ArrayLike, arithmetic: Arithmetic, lanes: int = 1) -> Exact:
        """The sum of products over the last axis: (..., k) and (..., k) to (...); the leading axes broadcast.

        Products are added ``lanes`` at a time, which is for rules to know whose sums depend on their order.
        """

    @abstractmethod
    def matmul(self, activation: ArrayLike, weight: ArrayLike, arithmetic: Arithmetic, lanes: int = 1) -> Exact:
        """The matrix product ``C[m, n] = A[m, k] @ W[k, n]`` of codes; leading axes broadcast. ``lanes`` as in
        ``dot``."""

    def word(self, weight: ArrayLike, activation: ArrayLike, arithmetic: Arithmetic) -> Exact:
        """The sum of the products of a word, over the last axis, before it goes into a longer sum."""
        return self.dot(weight, activation, arithmetic)

    def running(
        self, words: Exact, adds: NDArray[np.bool_], starts: NDArray[np.bool_], arithmetic: Arithmetic
    ) -> Exact:
        """The sum after every cycle, (cycles,), of words that are products or sums of some: it begins at 0.

        In a cycle with ``starts`` it becomes 0 first; then, in one with ``adds``, the word is added.
        """
        cycles = len(adds)
        origin = np.maximum.accumulate(np.where(starts, np.arange(cycles), 0))

        def since(terms: Array) -> Array:
            total = np.add.accumulate(np.where(adds, terms, 0))
            return np.asarray(total - (total - np.where(adds, terms, 0))[origin])

        integers = since(words.integers)
        nan, positive, negative = (
            None if mask is None else since(mask.astype(np.int64)) > 0
            for mask in (words.nan, words.positive_infinity, words.negative_infinity)
        )
        if positive is not None and negative is not None:
            # Infinities of both signs make a NaN of the sum, whether or not a single product can.
            nan = positive & negative if nan is None else nan | (positive & negative)
        if nan is not None:
            positive = None if positive is None else positive & ~nan
            negative = None if negative is None else negative & ~nan
        for mask in (nan, positive, negative):
            if mask is not None:
                integers[mask] = 0
        return Exact(integers, words.lsb_exponent, nan, positive, negative)


_MODELS: dict[str, ElementModel] = {}


def register_model(rule: str, model: ElementModel) -> None:
    """Say what elements of that rule compute."""
    _MODELS[rule] = model


def model_of(arithmetic: Arithmetic) -> ElementModel:
    """The golden model of an arithmetic. Raises ValueError for a rule that has none."""
    if arithmetic.rule not in _MODELS:
        _import_models()
    if arithmetic.rule not in _MODELS:
        raise ValueError(f"rule must be one that has a model ({', '.join(_MODELS)}), not {arithmetic.rule!r}")
    return _MODELS[arithmetic.rule]


@cache
def _import_models() -> None:
    """Import every file of this folder: each rule's model registers itself."""
    for file in sorted(Path(__file__).parent.glob("[!_]*.py")):
        import_module(f".{file.stem}", __package__)
