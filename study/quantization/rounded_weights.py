"""Weights as float32 values that are rounded to a format, with scales by channels or by blocks."""

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...formats import Format
from ..network.grid import round_to
from .binary_planes import BinaryPlanes
from .outliers import WithOutliers
from .scales import error_of_results, share_of_results, squares
from .scheme import SCALE_FORMAT
from .tensor_formats import Operand, Rows, format_of, stored_bits
from .weight_blocks import by_block, moments_of_blocks
from .zero_points import WithZeroPoints

__all__ = ["BlocksOfWeights"]

Array = NDArray[Any]


class BlocksOfWeights:
    """The weights of a layer, of which so many along K share a scale in bfloat16.

    Scales are those of least error of the layer's results, as the layers of a study have them, and so is the selector
    of a format that has one. All groups of a convolution are searched at once.

    Parameters
    ----------
    weight: (groups, k, n), float32
    gram: the mean outer products of rows of operands, (groups, k, k); None for the squared error of weights
    size: weights that share a scale; None for all of an output channel
    """

    def __init__(self, weight: Array, gram: Array | None, size: int | None):
        self._weight, self._gram = weight, gram
        groups, k, n = weight.shape
        self._terms = k if size is None else size
        self._size = min(self._terms, k)
        self._scales = groups * n * -(-k // self._size)

    def rounded(self, operand: Operand) -> tuple[Array, int]:
        """The values of the rounded weights, (groups, k, n), float32, and the bits that are stored for them.

        Weights with outliers apart have one table and one scale for the whole layer.
        """
        if isinstance(operand, WithOutliers):
            held = operand.fit(self._weight)
            step = held.scale(SCALE_FORMAT)
            return held.integers(self._weight, step).astype(np.float32) * step, held.bits + SCALE_FORMAT.width
        of_weight, of_scale = stored_bits(operand, SCALE_FORMAT.width)
        return self._values(operand), self._weight.size * of_weight + self._scales * of_scale

    def _values(self, operand: Operand) -> Array:
        if isinstance(operand, BinaryPlanes):
            return self._of_planes(operand)
        rows = self._rows
        if isinstance(operand, WithZeroPoints):
            return self._placed(operand.values(*operand.fit(rows.values, SCALE_FORMAT, rows.error)))
        return self._placed(_nearest(rows, format_of(operand, [rows])))

    @cached_property
    def _rows(self) -> Rows:
        """All blocks, in the order of groups, of blocks, and then of columns, filled up with zeros."""
        rows = np.concatenate([by_block(part, self._size) for part in self._weight])
        if self._gram is None:
            return Rows(rows, SCALE_FORMAT)
        moments = np.concatenate([moments_of_blocks(part, self._size) for part in self._gram])
        share = share_of_results(moments, self._weight.shape[2])
        return Rows(rows, SCALE_FORMAT, error_of_results(moments, terms=self._terms), share)

    def _placed(self, rows: Array) -> Array:
        """Blocks, as ``_rows`` has them, as weights."""
        groups, k, n = self._weight.shape
        by_row = rows.reshape(groups, -1, n, rows.shape[1]).transpose(0, 1, 3, 2)
        return by_row.reshape(groups, -1, n)[:, :k]

    def _of_planes(self, operand: BinaryPlanes) -> Array:
        """A block that is not whole has no zeros behind it, which planes of signs could not be."""
        groups, k, n = self._weight.shape
        found = []
        for part in np.split(self._weight, [k // self._size * self._size], axis=1):
            if part.size:
                size = min(self._size, part.shape[1])
                rows = np.concatenate([by_block(each, size) for each in part])
                values = operand.values(*operand.fit(rows, SCALE_FORMAT))
                found.append(values.reshape(groups, -1, n, size).transpose(0, 1, 3, 2).reshape(groups, -1, n))
        return np.concatenate(found, axis=1)


def _nearest(rows: Rows, format: Format) -> Array:
    """The nearest values of a format in units of the best scales, by the selector of least error for each row."""
    error = rows.error or squares
    least, best = np.full(len(rows.values), np.inf), np.zeros_like(rows.values)
    for choice in format.choices or (format,):
        steps = rows.quantized(choice)[0][:, None]
        found = round_to(rows.values / steps, choice) * steps
        if not format.choices:
            return found
        errors = error(rows.values - found)
        better = errors < least
        least = np.where(better, errors, least)
        best[better] = found[better]
    return best
