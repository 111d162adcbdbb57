"""Inputs of a network that were bytes once, as bytes again: which byte stands for which number."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...formats.network import Image, NetworkShape
from .plan import RecordEntry
from .slots import ACTIVATION, BETWEEN

__all__ = ["ByteScale", "byte_scale", "image_of", "shortest"]

Array = NDArray[Any]

NEARLY = 2.0**-10
"""By how much of a step a number may differ from a byte's."""


PLAIN = {
    "b / 255": (1 / 255, 0.0),
    "b / 256": (1 / 256, 0.0),
    "b / 127.5 - 1": (2 / 255, -1.0),
    "b / 128 - 1": (1 / 128, -1.0),
    "b": (1.0, 0.0),
    "b - 128": (1.0, -128.0),
}
"""What networks commonly take for a byte b: the scale and the offset of each. The first that suits all is taken."""

ENOUGH = 16
"""So many different numbers do not suit a scale by chance."""


class ByteScale(NamedTuple):
    """``number = byte * scale + offset``, with a scale and an offset for each channel: (channels,), float64.

    Members
    -------
    values: the number of every byte, (channels, 256), float32, as it was seen or else as it follows
    note: what is assumed, in words, where few numbers were seen; empty where nothing is
    unknown: why nobody can tell which bytes the numbers were, in words; empty where they are known
    """

    scale: Array
    offset: Array
    values: Array
    note: str = ""
    unknown: str = ""


class _ByteChannel(NamedTuple):
    """The scale and the offset of a channel, and ``note`` and ``unknown`` as ``ByteScale`` has them."""

    scale: float
    offset: float
    note: str = ""
    unknown: str = ""


def byte_scale(images: Sequence[Array]) -> ByteScale | None:
    """The scale by which all these images are bytes; None where there is none.

    Bytes themselves stay as they are. Other numbers are looked for among the ``PLAIN`` ones. Of numbers that are none
    of these, for each channel, the least is taken for the byte 0 and the greatest for 255 if that suits all between;
    else the least difference is taken for a step, which is counted from 0 if that suits all.

    ``images``: arrays (samples, height, width, channels).
    """
    channels = images[0].shape[-1]
    if all(image.dtype == np.uint8 for image in images):
        values = np.tile(np.arange(256, dtype=np.float32), (channels, 1))
        return ByteScale(np.ones(channels), np.zeros(channels), values)
    numbers = [_numbers(images, channel) for channel in range(channels)]
    if any(len(each) > 256 for each in numbers):
        return None
    plain = _plain(np.unique(np.concatenate(numbers)))
    found = [plain or _searched(each, place) for place, each in enumerate(numbers)]
    known = [channel for channel in found if channel is not None]
    if len(known) < channels:
        return None
    rows = []
    for own, each in zip(known, numbers, strict=True):
        rows.append((np.arange(256) * own.scale + own.offset).astype(np.float32))
        rows[-1][np.rint((each - own.offset) / own.scale).astype(int)] = each
    scales, offsets, notes, unknown = zip(*known, strict=True)
    first_note, first_unknown = (next(filter(None, texts), "") for texts in (notes, unknown))
    return ByteScale(np.array(scales), np.array(offsets), np.array(rows), first_note, first_unknown)


def _numbers(images: Sequence[Array], channel: int) -> Array:
    """All numbers of a channel, each once, ascending."""
    return np.unique(np.concatenate([np.unique(image[..., channel]) for image in images])).astype(np.float64)


def _plain(numbers: Array) -> _ByteChannel | None:
    """The first of ``PLAIN`` by which all these numbers are bytes."""
    for words, (scale, offset) in PLAIN.items():
        if _are_bytes(numbers, scale, offset):
            seen = numbers[[0, -1]] if len(numbers) > 1 else numbers
            ends = np.array_equal(np.rint((seen - offset) / scale), [0, 255])
            sure = len(numbers) >= ENOUGH or (ends and len(numbers) > 2)
            few = f"a byte b of an image is taken for {words}: the samples have too few numbers to be sure"
            return _ByteChannel(scale, offset, "" if sure else few)
    return None


def _searched(numbers: Array, channel: int) -> _ByteChannel | None:
    """By ascending numbers of one channel alone; None where they are no bytes."""
    least, span = float(numbers[0]), float(numbers[-1] - numbers[0])
    where = f"channel {channel} has numbers from {least:g} to {numbers[-1]:g}"
    if not span:
        return _ByteChannel(1.0, least, unknown=f"channel {channel} has {least:g} alone")
    whole = span / 255
    if _are_bytes(numbers, whole, least):
        few = f"where {where}, the least is taken for the byte 0 and the greatest for 255"
        return _ByteChannel(whole, least, "" if len(numbers) >= ENOUGH else few)
    step = span / float(np.rint(span / float(np.diff(numbers).min())))
    if least >= 0 and _are_bytes(numbers, step, 0.0):
        return _ByteChannel(step, 0.0, f"where {where}, a byte b of an image is taken for {step:g} b")
    if _are_bytes(numbers, step, least):
        return _ByteChannel(step, least, unknown=where)
    return None


def _are_bytes(numbers: Array, scale: float, offset: float) -> bool:
    """Whether each number is that of a byte, by so little that rounding to float32 explains it."""
    bytes_in = (numbers - offset) / scale
    nearest = np.rint(bytes_in)
    rounding = float(np.abs(numbers).max()) * 2.0**-23 / scale
    inside = nearest[0] >= 0 and nearest[-1] <= 255
    return bool(inside and np.all(np.abs(bytes_in - nearest) <= NEARLY + rounding))


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
