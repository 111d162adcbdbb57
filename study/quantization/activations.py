"""Tensors of activations have one scale each, and a format of their own where a scheme asks for that."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...formats import Format
from .calibrate import CalibrationStatistics
from .scales import best_scales
from .tensor_formats import Operand, Rows, format_of

__all__ = ["Activations"]

Array = NDArray[Any]


class Activations:
    """The scales and formats of tensors, each searched once.

    Parameters
    ----------
    statistics: the values that scales and formats are searched with
    factors: what the channels of some tensors are divided by first, by tensor
    scale_format: the format of scales
    """

    def __init__(self, statistics: CalibrationStatistics, factors: dict[str, Array], scale_format: Format):
        self._statistics, self._factors, self._scale_format = statistics, factors, scale_format
        self._scales: dict[tuple[str, Format], Array] = {}
        self._formats: dict[tuple[Operand, tuple[str, ...]], Format] = {}

    def scale(self, tensor: str, format: Format) -> Array:
        """The scale of a tensor in a format: a number."""
        key = (tensor, format)
        if key not in self._scales:
            self._scales[key] = best_scales(self._values(tensor), format, self._scale_format)
        return self._scales[key]

    def format(self, tensors: tuple[str, ...], operand: Operand) -> Format:
        """The format that tensors have together, as the operands of a product of two."""
        key = (operand, tensors)
        if key not in self._formats:
            rows = [Rows(self._values(tensor).reshape(1, -1), self._scale_format) for tensor in tensors]
            self._formats[key] = format_of(operand, rows)
        return self._formats[key]

    def _values(self, tensor: str) -> Array:
        values = self._statistics.values[tensor]
        if tensor in self._factors:
            values = values / self._factors[tensor][self._statistics.channels[tensor]]
        return np.asarray(values)
