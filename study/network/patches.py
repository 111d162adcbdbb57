"""A convolution becomes a matrix product, whose rows are the patches that the kernel sees."""

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from .layer import Convolution

__all__ = ["bordered", "image", "patches"]

Array = NDArray[Any]


def bordered(tensor: Array, shape: Convolution, value: Any) -> Array:
    """A tensor (batch, channels, ...) with the border around it that the convolution has, filled with ``value``."""
    pads = shape.pads_of(tensor.shape[2:])
    if not any(map(any, pads)):
        return tensor
    sizes = [*zip(tensor.shape[2:], pads, strict=True)]
    found = np.full((*tensor.shape[:2], *(size + sum(pad) for size, pad in sizes)), value, tensor.dtype)
    found[:, :, *(slice(before, before + size) for size, (before, _) in sizes)] = tensor
    return found


def patches(tensor: Array, shape: Convolution, zero: Any = 0) -> Array:
    """The patches of a tensor (batch, channels, ...) as rows: (groups, batch * positions, k).

    k counts (channel, kernel position), as it does for weights. The border is filled with ``zero``.
    """
    batch, channels = tensor.shape[:2]
    tensor = bordered(tensor, shape, zero)
    axes = tuple(range(2, tensor.ndim))
    reach = [(size - 1) * dilation + 1 for size, dilation in zip(shape.kernel, shape.dilations, strict=True)]
    windows = sliding_window_view(tensor, reach, axis=axes)
    steps = [slice(None, None, stride) for stride in shape.strides]
    inner = [slice(None, None, dilation) for dilation in shape.dilations]
    windows = windows[(slice(None), slice(None), *steps, *inner)]
    count = len(axes)
    by_group = windows.reshape(batch, shape.groups, channels // shape.groups, *windows.shape[2:])
    places, kernel = range(3, 3 + count), range(3 + count, 3 + 2 * count)
    moved = by_group.transpose(1, 0, *places, 2, *kernel)
    terms = channels // shape.groups * int(np.prod(shape.kernel))
    return np.ascontiguousarray(moved).reshape(shape.groups, -1, terms)


def image(rows: Array, shape: Convolution, sizes: tuple[int, ...], batch: int) -> Array:
    """Turn rows (groups, batch * positions, n) into a tensor (batch, groups * n, ...), for an input of these sizes."""
    places = []
    pads = shape.pads_of(sizes)
    for size, pad, kernel, stride, dilation in zip(
        sizes, pads, shape.kernel, shape.strides, shape.dilations, strict=True
    ):
        places.append((size + sum(pad) - (kernel - 1) * dilation - 1) // stride + 1)
    groups, _, n = rows.shape
    moved = rows.reshape(groups, batch, *places, n)
    moved = np.moveaxis(np.moveaxis(moved, 0, 1), -1, 2)
    return np.ascontiguousarray(moved).reshape(batch, groups * n, *places)
