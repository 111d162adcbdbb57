"""Layers are computed whose operands have a scale for every block of products along K, as OCP MX and NVFP4 have."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...formats import Arithmetic, Blocks, Format
from ...sim import block_matmul, decode, encode, spread_activations
from ..network import grid
from ..network.layer import Layer
from ..network.patches import image
from .calibrate import rows_of

__all__ = ["BlockLayer", "block_scales"]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class BlockLayer:
    """A layer as hardware computes it: exact within a block, the blocks added one after another in float32.

    Scales of few exponent bits, as NVFP4's, do not reach far enough for every tensor, so each operand has a power of
    two of its own beside them.

    Members
    -------
    layer: the layer that is quantized
    weight_format, activation_format: the formats of the right and of the left operand
    codes: the codes of the weights, (groups, k, n); None for the product of two activations
    scales: the codes of the weights' scales, (groups, blocks, n), or None
    blocks: the size of blocks, and the formats of their scales
    units: powers of two, float32, by which the left and the right operand are divided first. The result is multiplied
        by them
    factor: what each channel of the left operand is divided by first, float32, or None
    after: what is added to the result, float32, (groups * n,), or None
    planes: how many planes the weights are sums of. With more than one, ``codes`` and ``scales`` are as
        ``sim.spread_planes`` gives them
    points: the codes of the zero points of blocks of weights, (groups, blocks, n), or None
    """

    layer: Layer
    weight_format: Format
    activation_format: Format
    codes: Array | None
    scales: Array | None
    blocks: Blocks
    units: tuple[np.float32, np.float32]
    factor: Array | None
    after: Array | None
    planes: int = 1
    points: Array | None = None

    bias = None

    @property
    def arithmetic(self) -> Arithmetic:
        """The arithmetic of the sum of a block."""
        return Arithmetic(self.weight_format, self.activation_format)

    @property
    def weight_bits(self) -> int:
        """Bits of all codes of the weights, and of the scales of their blocks, with a selector beside each if there is
        one."""
        if self.codes is None or self.scales is None:
            return 0
        assert self.layer.weight is not None
        selector = self.weight_format.selector_bits
        beside = self.scales.size * (self.blocks.weight_bits(self.weight_format) + selector)
        return self.layer.weight.size * self.planes * (self.weight_format.width - selector) + beside

    @property
    def weights(self) -> Array | None:
        """The values of the weights in units of ``units[1]``, as float32: (groups, k, n)."""
        if self.codes is None or self.scales is None:
            return None
        assert self.layer.weight is not None
        k = self.layer.weight.shape[1]
        return np.stack([self._dense(*part, k) for part in self._stored])

    @property
    def _stored(self) -> list[tuple[Array, Array, Array | None]]:
        """Codes, scales and zero points of the weights of each group."""
        assert self.codes is not None and self.scales is not None
        points = [None] * len(self.codes) if self.points is None else [*self.points]
        return [*zip(self.codes, self.scales, points, strict=True)]

    def exact(self, operands: list[Array]) -> Array:
        """The result by the golden model."""
        return self._result(operands, self._exact)

    def fast(self, operands: list[Array]) -> Array:
        """The result with all sums in float32."""
        return self._result(operands, self._fast)

    def _result(self, operands: list[Array], multiply: Any) -> Array:
        layer = self.layer
        if self.codes is None:
            many = np.broadcast_shapes(*(operand.shape[:-2] for operand in operands))
            left, right = (np.broadcast_to(each, (*many, *each.shape[-2:])) for each in operands)
            pairs = ((left[place], right[place]) for place in np.ndindex(*many))
            found = [multiply(*self._left(a), *self._right(b)) for a, b in pairs]
            shape = (*many, operands[0].shape[-2], operands[1].shape[-1])
            return np.stack(found).reshape(shape) * (self.units[0] * self.units[1])
        assert self.scales is not None
        left = operands[0] if self.factor is None else operands[0] / layer.by_channel(self.factor)
        rows = rows_of(layer, left)
        found = [multiply(*self._left(part), *weights) for part, weights in zip(rows, self._stored, strict=True)]
        result = np.stack(found) * (self.units[0] * self.units[1])
        if self.after is not None:
            result = result + self.after.reshape(len(result), 1, -1)
        if layer.convolution is not None:
            return image(result, layer.convolution, operands[0].shape[2:], len(operands[0]))
        return result.reshape(*operands[0].shape[:-1], -1)

    def _left(self, rows: Array) -> tuple[Array, Array]:
        """Codes and scales of (m, k), by blocks along k."""
        return _quantized(rows / self.units[0], self.activation_format, self.blocks.activation_scale, self.blocks.size)

    def _right(self, columns: Array) -> tuple[Array, Array]:
        """Codes and scales of (k, n), by blocks along k."""
        format, scale_format = self.weight_format, self.blocks.weight_scale
        codes, scales = _quantized(columns.T / self.units[1], format, scale_format, self.blocks.size)
        return codes.T, scales.T

    def _exact(
        self, left: Array, left_scales: Array, right: Array, right_scales: Array, points: Array | None = None
    ) -> Array:
        formats = (self.activation_format, self.weight_format)
        if self.planes > 1:
            left = spread_activations(left, self.activation_format, self.planes, self.blocks.size)
            left_scales = spread_activations(left_scales, self.blocks.activation_scale, self.planes, 1)
        found = block_matmul(left, right, left_scales, right_scales, *formats, self.blocks, weight_zero_point=points)
        assert isinstance(found, np.ndarray)
        return found.view(np.float32)

    def _fast(
        self, left: Array, left_scales: Array, right: Array, right_scales: Array, points: Array | None = None
    ) -> Array:
        size, k = self.blocks.size, left.shape[1]
        a = grid.values(left, self.activation_format) * _stretched(
            left_scales, self.blocks.activation_scale, size, k, 1
        )
        return np.asarray(a @ self._dense(right, right_scales, points, k))

    def _dense(self, codes: Array, scales: Array, points: Array | None, k: int) -> Array:
        """The values of weights (k, n): those of their codes, or the sums of their planes."""
        size, format = self.blocks.size, self.blocks.weight_scale
        integers = grid.values(codes, self.weight_format)
        if points is not None:
            integers -= np.repeat(grid.values(points, self.weight_format), size, axis=0)[: len(codes)]
        found = integers * _stretched(scales, format, size, len(codes), 0)
        if self.planes > 1:
            found = found.reshape(-1, self.planes, size, codes.shape[1]).sum(axis=1).reshape(-1, codes.shape[1])
        return found[:k]


def block_scales(rows: Array, format: Format, scale_format: Format, size: int) -> Array:
    """The codes of the scales that hardware gives blocks of rows (m, k) as they come: (m, blocks).

    Scales that are powers of two follow the OCP Microscaling specification 1.0 (section 6.3): the power of two of the
    largest magnitude is divided by that of the format's largest value. Other scales are the largest magnitude divided
    by the format's largest value, and rounded. A block of zeros has the scale 1.
    """
    m, k = rows.shape
    count = -(-k // size)
    padded = np.zeros((m, count * size), np.float32)
    padded[:, :k] = np.abs(rows)
    largest = padded.reshape(m, count, size).max(axis=2).astype(np.float64)
    if scale_format.powers_of_two:
        exponent = np.frexp(largest)[1] - np.frexp(float(format.reach))[1]
        wanted = np.ldexp(1.0, exponent)
    else:
        wanted = largest / float(format.reach)
    smallest = float(scale_format.min_subnormal)
    return encode(np.where(largest > 0, np.maximum(wanted, smallest), 1.0), scale_format)


def _quantized(rows: Array, format: Format, scale_format: Format, size: int) -> tuple[Array, Array]:
    scales = block_scales(rows, format, scale_format, size)
    return grid.codes(rows / _stretched(scales, scale_format, size, rows.shape[1], 1), format), scales


def _stretched(scales: Array, format: Format, size: int, k: int, axis: int) -> Array:
    """The values of scales, each repeated for the length of its block."""
    values = np.repeat(decode(scales, format).astype(np.float32), size, axis=axis)
    return values[:, :k] if axis == 1 else values[:k]
