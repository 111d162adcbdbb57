"""The sums of a depthwise convolution in floats that hold integers, which may be added in any order."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..network.layer import Convolution

__all__ = ["Depthwise"]

Array = NDArray[Any]

ROOM = 1 << 18
"""Bytes of the sums that are made at a time, which stay in the processor's cache."""

NARROW = 12
"""Rows of so many times the kernel's width are multiplied by bands of weights, longer ones by one weight at a time."""


class Depthwise:
    """A convolution in which every channel makes one of its own.

    Parameters
    ----------
    weights: integers, (channels, kernel ...)
    shape: of the convolution. The border is around the operands already
    """

    def __init__(self, weights: Array, shape: Convolution):
        self._weights, self._shape = weights, shape
        self._reach = [(size - 1) * step for size, step in zip(shape.kernel, shape.dilations, strict=True)]
        self._bands: dict[int, Array] = {}

    def __call__(self, tensor: Array) -> Array:
        """The sums for operands (batch, channels, ...), of the weights' type: (batch, channels, ...)."""
        sizes = zip(tensor.shape[2:], self._reach, self._shape.strides, strict=True)
        places = [(size - reach - 1) // stride + 1 for size, reach, stride in sizes]
        found = np.empty((*tensor.shape[:2], *places), tensor.dtype)
        narrow = len(places) == 2 and tensor.shape[3] < NARROW * self._shape.kernel[1]
        for image, sums in zip(tensor, found, strict=True):
            if narrow:
                self._add_rows(image, sums)
            else:
                self._add_weights(image, sums)
        return found

    def _add_rows(self, image: Array, sums: Array) -> None:
        """A row of the kernel after the other: a product of matrices for each channel."""
        (stride, _), (dilation, _) = self._shape.strides, self._shape.dilations
        _, height, width = sums.shape
        bands = self._banded(image.shape[2], width)
        product = np.empty_like(sums)
        for row in range(self._shape.kernel[0]):
            first = row * dilation
            read = image[:, first : first + (height - 1) * stride + 1 : stride]
            np.matmul(read, bands[:, row], out=product if row else sums)
            if row:
                sums += product

    def _banded(self, width: int, places: int) -> Array:
        """Rows of the kernel as matrices, which multiply rows of operands: (channels, rows, width, places)."""
        if width not in self._bands:
            (_, stride), (_, dilation) = self._shape.strides, self._shape.dilations
            bands = np.zeros((*self._weights.shape[:2], width, places), self._weights.dtype)
            place = np.arange(places)
            for column in range(self._shape.kernel[1]):
                bands[:, :, place * stride + column * dilation, place] = self._weights[:, :, column, None]
            self._bands[width] = bands
        return self._bands[width]

    def _add_weights(self, image: Array, sums: Array) -> None:
        """One weight after the other, which multiplies its channel from an offset on, in one piece.

        What lies between rows is computed in vain. With strides, the channel is parted first into what positions apart
        by them read.
        """
        channels, *places = sums.shape
        strides = self._shape.strides
        sizes = [place + far // step for place, far, step in zip(places, self._reach, strides, strict=True)]
        apart = [int(np.prod(sizes[axis + 1 :])) for axis in range(len(sizes))]
        length = 1 + sum((place - 1) * each for place, each in zip(places, apart, strict=True))
        positions = self._positions(apart)
        together = max(1, ROOM // (places[0] * apart[0] * image.itemsize))
        total, product = np.empty((2, together, length), image.dtype)
        whole = np.zeros((together, places[0] * apart[0]), image.dtype)
        inside = (slice(None), *map(slice, places))
        for start in range(0, channels, together):
            part, weights = image[start : start + together], self._weights[start : start + together, ..., None]
            count = len(part)
            total[:count] = 0
            for phase, reads in positions.items():
                values = _phase(part, phase, strides, sizes)
                for offset, place in reads:
                    read = values[:, offset : offset + length]
                    np.multiply(read, weights[place], out=product[:count])
                    total[:count] += product[:count]
            whole[:count, :length] = total[:count]
            sums[start : start + together] = whole[:count].reshape(-1, places[0], *sizes[1:])[inside]

    def _positions(self, apart: list[int]) -> dict[tuple[int, ...], list[tuple[int, Any]]]:
        """For each phase, the offset in it that a weight reads from, and the weight's place in all channels.

        ``apart``: values between neighbours in a phase, by axis.
        """
        found: dict[tuple[int, ...], list[tuple[int, Any]]] = {}
        for position in np.ndindex(*self._shape.kernel):
            at = [index * dilation for index, dilation in zip(position, self._shape.dilations, strict=True)]
            phase = tuple(index % step for index, step in zip(at, self._shape.strides, strict=True))
            steps = zip(at, self._shape.strides, apart, strict=True)
            offset = sum(index // step * each for index, step, each in steps)
            found.setdefault(phase, []).append((offset, (slice(None), *position)))
        return found


def _phase(part: Array, phase: tuple[int, ...], strides: tuple[int, ...], sizes: list[int]) -> Array:
    """Of channels, what is read from a place on in steps of the strides, in so many places: (channels, values)."""
    steps = (slice(start, None, step) for start, step in zip(phase, strides, strict=True))
    read = part[:, *steps][:, *map(slice, sizes)]
    if read.shape[1:] != tuple(sizes):
        whole = np.zeros((len(part), *sizes), part.dtype)
        whole[:, *map(slice, read.shape[1:])] = read
        read = whole
    return np.ascontiguousarray(read).reshape(len(part), -1)
