"""Weights get a scale for every block of products along K: the codes that layers store."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...formats import Format
from ...sim import encode, spread_planes
from ..network import grid
from .binary_planes import BinaryPlanes
from .scales import Error, best_scales, error_of_results, share_of_results, squares
from .tensor_formats import Operand, Rows, format_of
from .zero_points import WithZeroPoints

__all__ = ["by_block", "format_of_blocks", "moments_of_blocks", "stored_blocks", "unit", "weight_blocks"]

Array = NDArray[Any]

NARROW = 2.0**-60
"""Formats of scales that reach below this, and above its reciprocal, suit any tensor."""


def unit(largest: float, format: Format, scale_format: Format) -> np.float32:
    """The power of two that brings a tensor of that largest magnitude within reach of the scales; 1 for wide scales."""
    if largest == 0 or float(scale_format.min_subnormal) < NARROW < 1 / NARROW < float(scale_format.max_finite):
        return np.float32(1)
    reach = float(format.reach) * float(scale_format.max_finite)
    return np.float32(2.0 ** np.ceil(np.log2(largest / reach)))


def weight_blocks(
    weight: Array, gram: Array | None, format: Format, scale_format: Format, size: int
) -> tuple[Array, Array]:
    """Codes (k, n) and codes of scales (blocks, n) of weights (k, n), each scale the one of least error of block sums.

    Where the format has a selector, each block has that of least error, in all of its codes.
    ``gram`` is the mean outer product of rows of operands, (k, k). Without it, the error is that of the weights.
    """
    k, n = weight.shape
    count = -(-k // size)
    moments = None if gram is None else moments_of_blocks(gram, size)
    error: Error = squares if moments is None else error_of_results(moments)
    codes, steps = _best_codes(by_block(weight, size), format, scale_format, error)
    by_row = codes.reshape(count, n, size).transpose(0, 2, 1).reshape(count * size, n)
    return by_row[:k], encode(steps.reshape(count, n), scale_format)


def _plane_blocks(weight: Array, operand: BinaryPlanes, scale_format: Format, size: int) -> tuple[Array, Array]:
    """Codes and codes of scales of weights (k, n) that are sums of planes, as ``sim.spread_planes`` gives them."""
    (k, n), planes = weight.shape, operand.width
    found = []
    # a block that is not whole has no zeros behind it, which planes of signs could not be
    for part in np.split(weight, [k // size * size]):
        if len(part):
            codes, scales = operand.fit(by_block(part, min(size, len(part))), scale_format)
            by_row = codes.reshape(planes, -1, n, codes.shape[2]).transpose(0, 1, 3, 2).reshape(planes, -1, n)
            found.append((by_row, encode(scales, scale_format).reshape(planes, -1, n)))
    by_row, stored = (np.concatenate(arrays, axis=1) for arrays in zip(*found, strict=True))
    return spread_planes(by_row, size), spread_planes(stored, 1)


def stored_blocks(
    weight: Array, gram: Array | None, operand: Operand, format: Format, scale_format: Format, size: int
) -> tuple[Array, Array, Array | None]:
    """Codes, codes of scales and zero points of weights (k, n): those of one format, of planes as
    ``sim.spread_planes`` gives them, or with zero points. ``format`` is that of the codes."""
    if isinstance(operand, BinaryPlanes):
        return *_plane_blocks(weight, operand, scale_format, size), None
    if not isinstance(operand, WithZeroPoints):
        return *weight_blocks(weight, gram, format, scale_format, size), None
    k, n = weight.shape
    error = squares if gram is None else error_of_results(moments_of_blocks(gram, size))
    codes, scales, points = operand.fit(by_block(weight, size), scale_format, error)
    by_row = codes.reshape(-1, n, size).transpose(0, 2, 1).reshape(-1, n)
    half = 1 << operand.width - 1  # to subtract it is to invert the top bit
    return by_row[:k] ^ half, encode(scales.reshape(-1, n), scale_format), points.reshape(-1, n) ^ half


def format_of_blocks(
    operand: Operand, weight: Array, grams: Sequence[Array | None], scale_format: Format, size: int
) -> Format:
    """The format of weights (groups, k, n) with scales by blocks; ``grams`` has the moments of each group's operands,
    as ``weight_blocks`` takes them."""
    largest = float(np.abs(weight).max())
    rows = []
    for part, gram in zip(weight, grams, strict=True):
        moments = None if gram is None else moments_of_blocks(gram, size)
        rows.append(
            Rows(
                by_block(part, size),
                scale_format,
                None if moments is None else error_of_results(moments),
                1.0 if moments is None else share_of_results(moments, part.shape[1]),
                lambda format: unit(largest, format, scale_format),
            )
        )
    return format_of(operand, rows)


def by_block(weight: Array, size: int) -> Array:
    """The blocks of weights (k, n), in the order of blocks and then of columns, filled up with zeros: (blocks * n,
    size)."""
    k, n = weight.shape
    count = -(-k // size)
    padded = np.zeros((count * size, n), np.float32)
    padded[:k] = weight
    return padded.reshape(count, size, n).transpose(0, 2, 1).reshape(count * n, size)


def moments_of_blocks(gram: Array, size: int) -> Array:
    """The mean outer products of rows of operands within blocks, filled up with zeros: (blocks, size, size)."""
    k = len(gram)
    moments = np.zeros((-(-k // size), size, size))
    for block, start in enumerate(range(0, k, size)):
        part = gram[start : start + size, start : start + size]
        moments[block, : len(part), : len(part)] = part
    return moments


def _best_codes(blocks: Array, format: Format, scale_format: Format, error: Error) -> tuple[Array, Array]:
    """Codes of blocks (blocks, values), and scales, by the one of the format's choices with the least error."""
    least = np.full(len(blocks), np.inf)
    steps = np.ones(len(blocks), np.float32)
    codes = grid.codes(np.zeros_like(blocks), format)
    for selector, choice in enumerate(format.choices or (format,)):
        tried = best_scales(blocks, choice, scale_format, axis=0, error=error)
        found = grid.codes(blocks / tried[:, None], choice)
        errors = error(blocks - grid.values(found, choice) * tried[:, None])
        better = errors < least
        least, steps = np.where(better, errors, least), np.where(better, tried, steps)
        codes[better] = found[better] | selector << choice.width
    return codes, steps
