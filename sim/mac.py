"""The MAC unit, cycle by cycle."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..formats import EXACT, Arithmetic, Element, Format
from .codes import check_codes, largest_integer
from .elements.model import model_of
from .exact import Exact

__all__ = ["mac"]

Array = NDArray[Any]


def mac(
    weight: ArrayLike,
    activation: ArrayLike,
    weight_format: Format,
    activation_format: Format,
    valid: ArrayLike | None = None,
    first: ArrayLike | None = None,
    rst: ArrayLike | None = None,
    element: Element = EXACT,
) -> Exact:
    """The accumulator right after every rising edge, at latency 1: entry ``i`` has the operands of cycle ``i`` in it.

    In a cycle with ``rst`` the sum becomes 0, whatever else is up. Otherwise, in a cycle with ``valid`` the sum
    starts anew with this product if ``first`` is up too and grows by it if not; without ``valid`` it holds, ``first``
    or not. It begins at 0. NaN and infinities stick until the next start or reset, and the integer is 0 while one is
    marked. The accumulator is
    as wide as it needs to be: no sum wraps.

    Parameters
    ----------
    weight, activation: codes of shape (cycles,), or (cycles, lanes) for a unit that adds several products a cycle
    valid, first, rst: shape (cycles,), true or false; None is always valid, never first, never reset
    element: what multiplies
    """
    w, a = check_codes(weight, weight_format), check_codes(activation, activation_format)
    if w.shape != a.shape or w.ndim not in (1, 2):
        raise ValueError(
            f"weight and activation must both be (cycles,) or (cycles, lanes), not {w.shape} and {a.shape}"
        )
    cycles = len(w)
    reset = _flags("rst", rst, False, cycles)
    adds = _flags("valid", valid, True, cycles) & ~reset
    starts = _flags("first", first, False, cycles) & adds
    arithmetic = Arithmetic(weight_format, activation_format, element)
    model = model_of(arithmetic)
    product = (model.multiply if w.ndim == 1 else model.word)(w, a, arithmetic)

    # A sum as long as all cycles must fit the integers that it is made of.
    largest = largest_integer(weight_format) * largest_integer(activation_format)
    most = w.size * max(largest, *map(abs, arithmetic.product_range))
    words = replace(product, integers=product.integers.astype(np.int64 if most < 1 << 63 else object))
    return model.running(words, adds, starts | reset, arithmetic)


def _flags(name: str, values: ArrayLike | None, default: bool, cycles: int) -> NDArray[np.bool_]:
    if values is None:
        return np.full(cycles, default)
    flags = np.asarray(values)
    if flags.shape != (cycles,):
        raise ValueError(f"{name} must have one entry for each of {cycles} cycles, not shape {flags.shape}")
    return flags.astype(bool)
