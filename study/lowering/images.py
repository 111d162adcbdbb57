"""Inputs of a network that were bytes once, as bytes again: which byte stands for which number."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...formats.network import Image, NetworkShape
from .plan import RecordEntry
from .slots import ACTIVATION, BETWEEN

__all__ = ["ByteScale", "byte_scale", "image_of", "numbers_of", "shortest"]

Array = NDArray[Any]

NEARLY = 2.0**-10
"""By how much of a step a number may differ from a byte's."""


class ByteScale(NamedTuple):
    """``number = byte * scale + offset``, with a scale and an offset for each channel: (channels,), float64.

    ``values``: the number of every byte, (channels, 256), float32, as it was seen or else as it follows.
    """

    scale: Array
    offset: Array
    values: Array


def byte_scale(images: Sequence[Array]) -> ByteScale | None:
    """The scale by which all these images are bytes; None where there is none.

    ``images``: arrays (samples, height, width, channels). Of a channel, the least number is taken for the byte 0 and
    the greatest for 255 if that suits all numbers between; else the least difference is taken for a step.
    """
    if all(image.dtype == np.uint8 for image in images):
        channels = images[0].shape[-1]
        values = np.tile(np.arange(256, dtype=np.float32), (channels, 1))
        return ByteScale(np.ones(channels), np.zeros(channels), values)
    scales, offsets, known = [], [], []
    for channel in range(images[0].shape[-1]):
        numbers = np.unique(np.concatenate([np.unique(image[..., channel]) for image in images])).astype(np.float64)
        scale = _step(numbers) if len(numbers) <= 256 else None
        if scale is None:
            return None
        scales.append(scale)
        offsets.append(float(numbers[0]))
        known.append((np.arange(256) * scale + numbers[0]).astype(np.float32))
        known[-1][np.rint((numbers - numbers[0]) / scale).astype(int)] = numbers
    return ByteScale(np.array(scales), np.array(offsets), np.array(known))


def numbers_of(images: Array, scales: Array, offsets: Array) -> Array:
    """What stands for every value of (samples, height, width, channels), float64."""
    return np.asarray((images.astype(np.float64) - offsets) / scales)


def _step(numbers: Array) -> float | None:
    """The difference of a byte, of ascending numbers; None where they are no bytes."""
    span = float(numbers[-1] - numbers[0])
    if not span:
        return 1.0
    # float32 has rounded each of them
    rounding = float(np.abs(numbers).max()) * 2.0**-23
    for guess in (span / 255, float(np.diff(numbers).min())):
        count = np.rint(span / guess)
        steps = (numbers - numbers[0]) * count / span
        if count <= 255 and np.all(np.abs(steps - np.rint(steps)) <= NEARLY + rounding * count / span):
            return span / float(count)
    return None


def image_of(entry: RecordEntry, shape: NetworkShape, bytes_in: ByteScale | None) -> Image:
    """The input as a program has it, with a table of codes for each channel if it is bytes."""
    line = entry.line
    size = (line.step.height, line.step.width, len(entry.channels))
    views, codes = {}, {}
    for slot in entry.slots:
        read = slot.memory == ACTIVATION
        views[slot.memory] = slot.place.view(shape.lanes if read else shape.outputs)
        if bytes_in is not None:
            values = bytes_in.values * line.gain[:, None] + line.offset[:, None]
            unit = np.broadcast_to(slot.place.scale.unit, (size[2],))[:, None]
            numbers = slot.function(values.reshape(-1)).reshape(values.shape)
            found = slot.place.scale.codes(numbers, unit, shape.activation if read else shape.between)
            codes[slot.memory] = found.astype(np.uint8).tobytes()
    if bytes_in is not None:
        scales, offsets = bytes_in.scale, bytes_in.offset
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
