"""The sums of a depthwise convolution in float64, which holds integers that may be added in any order."""

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...sim import SINGLE
from ..network.float_layer import FloatLayer, sums_of
from ..network.layer import Convolution

__all__ = ["Depthwise"]

Array = NDArray[Any]

ROOM = 1 << 18
"""Bytes of the sums that are made at a time, which stay in the processor's cache."""

NARROW = 12
"""Rows of so many times the kernel's width are multiplied by digits, longer ones by one weight at a time."""


class Depthwise:
    """A convolution in which every channel makes one of its own.

    Parameters
    ----------
    weights: integers, float64 (channels, kernel ...), such that float64 holds twice the largest sum
    shape: of the convolution. The border is around the operands already
    unit: what the operands are whole numbers of, a power of two
    most: a magnitude that none of these is above
    threads: of onnxruntime; 0 for one a core
    """

    def __init__(self, weights: Array, shape: Convolution, unit: float, most: int, threads: int):
        self._weights, self._shape, self._unit, self._most, self._threads = weights, shape, unit, most, threads
        self._scaled = weights / unit
        self._reach = [(size - 1) * step for size, step in zip(shape.kernel, shape.dilations, strict=True)]

    def __call__(self, tensor: Array) -> Array:
        """The sums for operands, float32 (batch, channels, ...): whole numbers, float64 (batch, channels, ...)."""
        if tensor.shape[-1] < NARROW * self._shape.kernel[-1]:
            return self._by_digits(tensor)
        tensor = tensor.astype(np.float64)
        sizes = zip(tensor.shape[2:], self._reach, self._shape.strides, strict=True)
        places = [(size - reach - 1) // stride + 1 for size, reach, stride in sizes]
        found = np.empty((*tensor.shape[:2], *places))
        for image, sums in zip(tensor, found, strict=True):
            self._add_weights(image, sums)
        return found

    def _by_digits(self, tensor: Array) -> Array:
        """Every sum is one of some that float32 holds: of digits of the weights by digits of the operands."""
        count = self._count(self._most)
        operands = np.concatenate([*_digits(tensor, count, self._bits, self._unit)])
        first, *others = (part for layer in self._layers for part in np.split(layer([operands]), count))
        found = first.astype(np.float64)
        for part in others:
            found += part
        return found

    @property
    def _bits(self) -> int:
        """Of a digit: float32 holds the sums of all products of two digits."""
        return ((SINGLE // int(np.prod(self._shape.kernel))).bit_length() - 1) // 2

    def _count(self, largest: int) -> int:
        """Digits of integers up to a magnitude."""
        return max(1, -(-largest.bit_length() // self._bits))

    @cached_property
    def _layers(self) -> list[FloatLayer]:
        """For every digit of the weights, lowest first, the sums in whole numbers of what operands are."""
        count = self._count(int(np.abs(self._weights).max(initial=0)))
        weights = self._weights.reshape(len(self._weights), -1, 1)
        return [
            sums_of(digit / self._unit, self._shape.unpadded, self._threads)
            for digit in _digits(weights, count, self._bits, 1.0)
        ]

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
            part, weights = image[start : start + together], self._scaled[start : start + together, ..., None]
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


def _digits(numbers: Array, count: int, bits: int, unit: float) -> Iterator[Array]:
    """Whole numbers of units as sums of so many, lowest first: each is whole numbers of ``bits`` bits and a sign of a
    unit that is larger by as many bits, and the last one has what is left."""
    for _ in range(count - 1):
        unit *= 1 << bits
        rest = np.rint(numbers / unit) * unit
        yield numbers - rest
        numbers = rest
    yield numbers
