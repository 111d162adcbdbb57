"""Weights without their lowest Booth digits: the exact model of other weights."""

from functools import lru_cache

from numpy.typing import ArrayLike

from ...formats import Arithmetic, Format, Table
from ...formats.elements.serial import BoothRounded, rounded
from ..codes import check_codes
from ..exact import Exact
from .exact import dot, matmul, multiply
from .model import ElementModel, register_model

__all__ = ["RoundedWeights"]


@lru_cache(maxsize=64)
def _rounded_format(format: Format, drop: int) -> Format:
    """The format that the weights' codes have after rounding."""
    integers = [rounded(format.integer(code) if code in format.codes else 0, drop) for code in range(1 << format.width)]
    return Table(f"{format.name} without {drop} digits", tuple(integers), format.lsb_exponent + 2 * drop)


class RoundedWeights(ElementModel):
    """Exact products of rounded weights."""

    def multiply(self, weight: ArrayLike, activation: ArrayLike, arithmetic: Arithmetic) -> Exact:
        return multiply(*self._weights(weight, arithmetic, activation))

    def dot(self, weight: ArrayLike, activation: ArrayLike, arithmetic: Arithmetic, lanes: int = 1) -> Exact:
        return dot(*self._weights(weight, arithmetic, activation))

    def matmul(self, activation: ArrayLike, weight: ArrayLike, arithmetic: Arithmetic, lanes: int = 1) -> Exact:
        codes, _, format, of_activation = self._weights(weight, arithmetic, activation)
        return matmul(activation, codes, of_activation, format)

    def _weights(self, weight: ArrayLike, arithmetic: Arithmetic, activation: ArrayLike):  # type: ignore[no-untyped-def]
        """Weights, activations and the formats by which they are read."""
        element = arithmetic.element
        assert isinstance(element, BoothRounded)
        codes = check_codes(weight, arithmetic.weight)
        return codes, activation, _rounded_format(arithmetic.weight, element.drop), arithmetic.activation


register_model(BoothRounded.rule, RoundedWeights())
