"""A network's inputs become the images that an accelerator takes: bytes, or codes of a format."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...formats import Format
from ...formats.network import Program
from ..encode import encode
from .tensors import Words

__all__ = ["check_images", "image_bytes", "network_images"]

Array = NDArray[Any]

NEAR = 0.25
"""By how much of a byte's step a number may differ from it."""


def check_images(program: Program, images: ArrayLike) -> Words:
    """Images as an array of bytes, (n, height, width, channels), n being 0 or more.

    Raises ValueError where they are of another type or shape, or are to be codes and are none.
    """
    array = np.asarray(images)
    if array.dtype != np.uint8:
        raise ValueError(f"images must be of uint8, not {array.dtype}")
    _check_size(program, array)
    for format in _formats_of_bytes(program):
        known = np.zeros(256, dtype=bool)
        known[list(format.codes)] = True
        if not known[array].all():
            raise ValueError(
                f"images must be codes of {format.name}, not {array[~known[array]][0]}: the network's input is no "
                "bytes; given as floats, it is rounded to that format"
            )
    return array


def image_bytes(program: Program) -> Words:
    """The bytes that images may have, ascending."""
    allowed = set(range(256)).intersection(*(format.codes for format in _formats_of_bytes(program)))
    return np.array(sorted(allowed), dtype=np.uint8)


def network_images(program: Program, inputs: ArrayLike) -> Words:
    """The images (n, height, width, channels), uint8, of a network's inputs of that shape, in the network's numbers.

    Where the program takes bytes, they are those that the numbers stand for; where it takes codes, they are rounded to
    its format. Raises ValueError where a number is not finite, or is that of no byte though the program takes bytes.
    """
    image, shape = program.image, program.shape
    array = np.asarray(inputs)
    _check_size(program, array)
    if not np.isfinite(array).all():
        raise ValueError("images must be of finite numbers, without NaN and infinity")
    numbers = (array.astype(np.float64) - np.array(image.offsets)) / np.array(image.scales)
    if not image.activation_codes and not image.between_codes:
        format = shape.activation if image.activation is not None else shape.between
        return encode(numbers.astype(np.float32), format).astype(np.uint8)
    found = np.rint(numbers)
    wrong = (found < 0) | (found > 255) | (np.abs(found - numbers) > NEAR)
    if wrong.any():
        least, most = (float(end * image.scales[0] + image.offsets[0]) for end in (0, 255))
        raise ValueError(
            f"images must be of the numbers that the program has codes for, those of 256 bytes, which are {least:g} to "
            f"{most:g} in channel 0, not {array[wrong][0]:g}"
        )
    return found.astype(np.uint8)


def _formats_of_bytes(program: Program) -> list[Format]:
    """The formats that the bytes of images are codes of, as they are."""
    image = program.image
    written = (("activation", image.activation_codes), ("between", image.between_codes))
    return [getattr(program.shape, name) for name, table in written if getattr(image, name) is not None and not table]


def _check_size(program: Program, images: Array) -> None:
    image = program.image
    wanted = (image.height, image.width, image.channels)
    if images.ndim != 4 or images.shape[1:] != wanted:
        raise ValueError(f"images must be of shape (n, {', '.join(map(str, wanted))}), not {images.shape}")
