"""Scales of what crosses between layers, and of what functions are looked up of."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...formats import Format
from ..network import grid
from ..quantization.scales import best_scales
from .functions import Function
from .slots import TensorScale

__all__ = ["Searched", "integers_of", "table_of"]

Array = NDArray[Any]

COARSE, FINE = 4, 4
LEAST, MOST = -4, 1
"""Scales of what a function is looked up of are tried in so many octaves from that of the largest magnitude, so many in
an octave, and so many times as many around the best."""


def integers_of(format: Format) -> NDArray[np.int64]:
    """The integers of all codes."""
    return np.array([integer or 0 for integer in format.integers], np.int64)


class Searched:
    """Scales by the tensors' values, each searched once.

    Parameters
    ----------
    values: of tensors by their names
    format: in which they cross
    scale_format: of scales
    """

    def __init__(self, values: dict[str, Array], format: Format, scale_format: Format):
        self._values, self._format, self._scale_format = values, format, scale_format
        self._units: dict[str, Array] = {}
        self._functions: dict[tuple[str, Any, float], Array] = {}

    def unit(self, tensor: str) -> Array:
        """By the least squared error of the tensor's values."""
        if tensor not in self._units:
            self._units[tensor] = best_scales(self._values[tensor], self._format, self._scale_format)
        return self._units[tensor]

    def before(self, tensor: str, function: Function, added: float) -> Array:
        """Of the values with a number added: by the least squared error of a function of the values without it."""
        key = (tensor, function.key, added)
        if key not in self._functions:
            values = self._values[tensor] + np.float32(added)
            self._functions[key] = self._search(values, lambda numbers: function(numbers - np.float32(added)))
        return self._functions[key]

    def _search(self, values: Array, function: Callable[[Array], Array]) -> Array:
        largest = float(np.abs(values).max(initial=0))
        if not largest:
            return np.asarray(np.float32(1))
        top = float(max(self._format.max_finite, -self._format.min_finite))
        exact = function(values).astype(np.float64)
        best, found = np.inf, np.float32(1)

        def attempt(scale: float) -> None:
            nonlocal best, found
            unit = grid.floats(np.array([scale]), self._scale_format)[0]
            if not unit > 0 or not np.isfinite(unit):
                return
            entries = function(grid.values(np.arange(1 << self._format.width), self._format) * unit)
            error = float(np.sum((entries[grid.codes(values / unit, self._format)] - exact) ** 2))
            if error < best:
                best, found = error, unit

        for step in range(LEAST * COARSE, MOST * COARSE + 1):
            attempt(largest / top * 2.0 ** (step / COARSE))
        center = float(found)
        for step in range(1 - FINE, FINE):
            attempt(center * 2.0 ** (step / (COARSE * FINE)))
        return np.asarray(found)


def table_of(
    function: Function, added: float, format: Format, unit: Array, output: Format, scale: TensorScale
) -> bytes:
    """The codes of a function of each code's value, which is ``integer * lsb * unit - added``."""
    values = grid.values(np.arange(1 << format.width), format) * np.float32(unit) - np.float32(added)
    return scale.codes(function(values), scale.unit, output).astype(np.uint8).tobytes()
