"""Inputs of a network that were bytes once, as bytes again: which byte stands for which number."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...formats.network import Image, NetworkShape
from ..network import grid
from .plan import Entry
from .slots import ACTIVATION, BETWEEN

__all__ = ["ByteScale", "byte_scale", "image_of", "numbers_of", "shortest"]

Array = NDArray[Any]

NEARLY = 2.0**-10
"""By how much of a step a number may differ from a byte's."""


class ByteScale(NamedTuple):
    """``number = byte * scale + offset``, with a scale and an offset for each channel: (channels,), float64."""

    scale: Array
    offset: Array

    @property
    def values(self) -> NDArray[np.float32]:
        """The number of every byte: (channels, 256)."""
        return (np.arange(256) * self.scale[:, None] + self.offset[:, None]).astype(np.float32)


def byte_scale(images: Sequence[Array]) -> ByteScale | None:
    """The scale by which all these images are bytes; None where there is none.

    ``images``: arrays (samples, height, width, channels). Of a channel, the least number is taken for the byte 0 and
    the greatest for 255 if that suits all numbers between; else the least difference is taken for a step.
    """
    if all(image.dtype == np.uint8 for image in images):
        channels = images[0].shape[-1]
        return ByteScale(np.ones(channels), np.zeros(channels))
    scales, offsets = [], []
    for channel in range(images[0].shape[-1]):
        numbers = np.unique(np.concatenate([np.unique(image[..., channel]) for image in images])).astype(np.float64)
        found = _one(numbers) if 1 < len(numbers) <= 256 else None
        if len(numbers) == 1:
            found = (abs(float(numbers[0])) or 1.0, 0.0) if numbers[0] >= 0 else (1.0, float(numbers[0]))
        if found is None:
            return None
        scales.append(found[0])
        offsets.append(found[1])
    return ByteScale(np.array(scales), np.array(offsets))


def numbers_of(images: Array, scales: Array, offsets: Array) -> Array:
    """What stands for every value of (samples, height, width, channels), float64."""
    return np.asarray((images.astype(np.float64) - offsets) / scales)


def _one(numbers: Array) -> tuple[float, float] | None:
    """Scale and offset of one channel, from its ascending numbers."""
    span = float(numbers[-1] - numbers[0])
    # float32 has rounded each of them
    rounding = float(np.abs(numbers).max()) * 2.0**-23
    for scale in (span / 255, float(np.diff(numbers).min())):
        steps = (numbers - numbers[0]) / scale
        whole = np.rint(steps)
        if whole[-1] <= 255 and np.all(np.abs(steps - whole) <= NEARLY + rounding / scale):
            return span / float(whole[-1]), float(numbers[0])
    return None


def image_of(entry: Entry, shape: NetworkShape, bytes_in: ByteScale | None) -> Image:
    """The input as a program has it, with a table of codes for each channel if it is bytes."""
    line = entry.line
    size = (line.step.height, line.step.width, len(entry.channels))
    views, codes = {}, {}
    for slot in entry.slots:
        read = slot.memory == ACTIVATION
        views[slot.memory] = slot.place.view(shape.lanes if read else shape.outputs)
        if bytes_in is not None:
            values = bytes_in.values * line.gain[:, None] + line.offset[:, None]
            unit = np.broadcast_to(slot.place.scale.unit, (size[2],)).astype(np.float32)
            scaled = slot.function(values.reshape(-1)).reshape(values.shape) / unit[:, None]
            format = shape.activation if read else shape.between
            found = grid.codes(scaled + np.float32(slot.place.scale.zero), format)
            codes[slot.memory] = found.astype(np.uint8).tobytes()
    if bytes_in is not None:
        scales, offsets = bytes_in
    else:
        scale = entry.slots[0].place.scale
        scales = np.broadcast_to(scale.unit, line.gain.shape) / line.gain
        offsets = -line.offset / line.gain - scale.zero * scales
    return Image(
        *size,
        views.get(ACTIVATION),
        views.get(BETWEEN),
        codes.get(ACTIVATION, b""),
        codes.get(BETWEEN, b""),
        scales=shortest(scales),
        offsets=shortest(offsets),
    )


def shortest(numbers: Array) -> tuple[float, ...]:
    """A number for each channel, or one if all are the same."""
    return tuple(float(number) for number in (numbers if np.ptp(numbers) else numbers[:1]))
