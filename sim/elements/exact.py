"""Exact arithmetic on codes: products, sums of products and matrix products, of any two formats.

All of it is integer arithmetic. Floating point serves as a fast integer unit only: operands are cut into digits so
short that every partial sum is an integer below 2**53 (or 2**24), which float64 (or float32) holds exactly in any
order of summation.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...formats import EXACT, Arithmetic, Format
from ..codes import all_finite, check_codes, decode, digit, largest_integer
from ..exact import Exact
from ..floats import DOUBLE, SINGLE
from .model import ElementModel, register_model

__all__ = ["ExactModel", "dot", "matmul", "multiply"]

Array = NDArray[Any]
Product = Callable[[Array, Array], Array]
Cut = Callable[[int], Iterator[tuple[Array, Array]]]


def multiply(weight: ArrayLike, activation: ArrayLike, weight_format: Format, activation_format: Format) -> Exact:
    """The exact product of every weight and activation code; the two shapes broadcast."""
    x, y = check_codes(weight, weight_format), check_codes(activation, activation_format)

    def cut(terms: int) -> Iterator[tuple[Array, Array]]:
        yield x, y

    shape = np.broadcast_shapes(x.shape, y.shape)
    return _contract(np.multiply, cut, shape, weight_format, activation_format, terms=1, sums=False)


def dot(weight: ArrayLike, activation: ArrayLike, weight_format: Format, activation_format: Format) -> Exact:
    """The exact sum of products over the last axis: (..., k) and (..., k) to (...); the leading axes broadcast."""
    x, y = check_codes(weight, weight_format), check_codes(activation, activation_format)
    if not x.ndim or not y.ndim or x.shape[-1] != y.shape[-1]:
        raise ValueError(f"the last axes must be of one length, not those of shapes {x.shape} and {y.shape}")
    terms = x.shape[-1]

    def cut(most: int) -> Iterator[tuple[Array, Array]]:
        for start in range(0, terms, most):
            yield x[..., start : start + most], y[..., start : start + most]

    def product(left: Array, right: Array) -> Array:
        return np.asarray((left * right).sum(axis=-1))

    shape = np.broadcast_shapes(x.shape[:-1], y.shape[:-1])
    return _contract(product, cut, shape, weight_format, activation_format, terms)


def matmul(activation: ArrayLike, weight: ArrayLike, activation_format: Format, weight_format: Format) -> Exact:
    """The exact matrix product ``C[m, n] = A[m, k] @ W[k, n]`` of codes; leading axes broadcast."""
    x, y = check_codes(activation, activation_format), check_codes(weight, weight_format)
    if x.ndim < 2 or y.ndim < 2 or x.shape[-1] != y.shape[-2]:
        raise ValueError(f"shapes must be (..., m, k) and (..., k, n), not {x.shape} and {y.shape}")
    terms = x.shape[-1]

    def cut(most: int) -> Iterator[tuple[Array, Array]]:
        for start in range(0, terms, most):
            yield x[..., start : start + most], y[..., start : start + most, :]

    shape = (*np.broadcast_shapes(x.shape[:-2], y.shape[:-2]), x.shape[-2], y.shape[-1])
    return _contract(np.matmul, cut, shape, activation_format, weight_format, terms)


class ExactModel(ElementModel):
    """Products and sums as they are."""

    def multiply(self, weight: ArrayLike, activation: ArrayLike, arithmetic: Arithmetic) -> Exact:
        return multiply(weight, activation, arithmetic.weight, arithmetic.activation)

    def dot(self, weight: ArrayLike, activation: ArrayLike, arithmetic: Arithmetic, lanes: int = 1) -> Exact:
        return dot(weight, activation, arithmetic.weight, arithmetic.activation)

    def matmul(self, activation: ArrayLike, weight: ArrayLike, arithmetic: Arithmetic, lanes: int = 1) -> Exact:
        return matmul(activation, weight, arithmetic.activation, arithmetic.weight)


register_model(EXACT.rule, ExactModel())


def _contract(
    product: Product,
    cut: Cut,
    shape: tuple[int, ...],
    x_format: Format,
    y_format: Format,
    terms: int,
    sums: bool = True,
) -> Exact:
    terms = max(terms, 1)
    lsb_exponent = x_format.lsb_exponent + y_format.lsb_exponent
    plan = _plan(largest_integer(x_format), largest_integer(y_format), terms)
    fits = terms * largest_integer(x_format) * largest_integer(y_format) < 1 << 63
    total: Array | None = None
    for i in range(plan.x_digits):
        for j in range(plan.y_digits):
            part: Array | None = None
            for x, y in cut(plan.terms):
                left = digit(x, x_format, i * plan.x_width, plan.x_width, plan.dtype)
                right = digit(y, y_format, j * plan.y_width, plan.y_width, plan.dtype)
                if plan.whole or (left.any() and right.any()):
                    addend = product(left, right).astype(np.int64)
                    part = addend if part is None else part + addend
            if part is None:
                continue
            shift = i * plan.x_width + j * plan.y_width
            addend = part if fits else part.astype(object)
            addend = addend << shift if shift else addend
            total = addend if total is None else total + addend
    # Where nothing was added (no terms, or all digits 0) there is no array yet, and NumPy makes scalars of 0-d results.
    kind = np.int64 if fits else object
    integers = np.zeros(shape, dtype=kind) if total is None else np.asarray(total, dtype=kind)
    masks = _special_masks(product, cut, shape, x_format, y_format, terms, sums)
    for mask in masks:
        if mask is not None:
            integers[mask] = 0
    return Exact(integers, lsb_exponent, *masks)


class _Plan(NamedTuple):
    """How operands are cut: digits and their bits for each, and the terms that one floating-point sum takes."""

    x_digits: int
    x_width: int
    y_digits: int
    y_width: int
    terms: int
    dtype: np.dtype[Any]

    @property
    def whole(self) -> bool:
        return self.x_digits == self.y_digits == 1


@lru_cache(maxsize=1024)
def _plan(x_largest: int, y_largest: int, terms: int) -> _Plan:
    """The cheapest cut whose sums stay exact: at most 2**53 within one product, below 2**63 over all of them."""
    best: tuple[float, _Plan] | None = None
    x_bits, y_bits = max(x_largest.bit_length(), 1), max(y_largest.bit_length(), 1)
    for chunk in {terms, *(1 << exponent for exponent in range(20) if 1 << exponent < terms)}:
        for x_digits in range(1, x_bits + 1):
            x_width = -(-x_bits // x_digits)
            x_digit = x_largest if x_digits == 1 else (1 << x_width) - 1
            room = min(DOUBLE // chunk, ((1 << 63) - 1) // terms) // max(x_digit, 1)
            y_width = y_bits if y_largest <= room and y_bits <= 53 else (room + 1).bit_length() - 1
            if not y_width or x_width > 53:
                continue
            y_digits = -(-y_bits // y_width)
            y_digit = y_largest if y_digits == 1 else (1 << y_width) - 1
            short = x_digit * y_digit * chunk <= SINGLE
            # A call costs about as much as 64 terms: converting its result to integers and adding it up.
            cost = x_digits * y_digits * (1 + 64 / chunk) * (0.5 if short else 1)
            if best is None or cost < best[0]:
                best = (
                    cost,
                    _Plan(x_digits, x_width, y_digits, y_width, chunk, np.dtype(np.float32 if short else np.float64)),
                )
    assert best is not None  # one-bit digits of both always fit
    return best[1]


def _signs(format: Format) -> tuple[bool, bool, bool, bool]:
    """Whether the format has positive and negative values, and positive and negative infinities."""
    return (
        format.max_integer > 0 or format.has_infinity,
        format.min_integer < 0 or format.has_negative_infinity,
        format.has_infinity,
        format.has_negative_infinity,
    )


def _special_masks(
    product: Product, cut: Cut, shape: tuple[int, ...], x_format: Format, y_format: Format, terms: int, sums: bool
) -> tuple[NDArray[np.bool_] | None, NDArray[np.bool_] | None, NDArray[np.bool_] | None]:
    """NaN, positive and negative infinity of every result by IEEE 754's rules; None where no result can be that."""
    x_positive, x_negative, x_up, x_down = _signs(x_format)
    y_positive, y_negative, y_up, y_down = _signs(y_format)
    can_rise = (x_up and y_positive) or (x_down and y_negative) or (y_up and x_positive) or (y_down and x_negative)
    can_fall = (x_up and y_negative) or (x_down and y_positive) or (y_up and x_negative) or (y_down and x_positive)
    can_be_nan = (
        x_format.has_nan
        or y_format.has_nan
        or (x_format.has_infinity and y_format.has_zero)
        or (y_format.has_infinity and x_format.has_zero)
        or (sums and can_rise and can_fall)
    )
    if not (can_rise or can_fall or can_be_nan):
        return None, None, None
    positive, negative, nan = (np.zeros(shape, dtype=bool) for _ in range(3))
    for x_codes, y_codes in cut(terms):
        if all_finite(x_codes, x_format) and all_finite(y_codes, y_format):
            continue
        x, y = decode(x_codes, x_format), decode(y_codes, y_format)

        def some(left: Array, right: Array) -> NDArray[np.bool_]:
            """Whether any term of a result has its left operand in one set and its right one in another."""
            return np.asarray(product(left.astype(np.float32), right.astype(np.float32)) > 0)

        up, down = np.inf, -np.inf
        positive |= some(x == up, y > 0) | some(x == down, y < 0) | some(x > 0, y == up) | some(x < 0, y == down)
        negative |= some(x == up, y < 0) | some(x == down, y > 0) | some(x < 0, y == up) | some(x > 0, y == down)
        nan |= some(np.isnan(x), np.ones_like(y)) | some(np.ones_like(x), np.isnan(y))
        nan |= some(np.isinf(x), y == 0) | some(x == 0, np.isinf(y))
    nan |= positive & negative
    return (
        nan if can_be_nan else None,
        np.asarray(positive & ~nan) if can_rise else None,
        np.asarray(negative & ~nan) if can_fall else None,
    )
