"""Tensors in the memories of an accelerator, for some images at once: read, gathered by windows, and written."""

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from ...formats import Format
from ...formats.network import View, Window
from ..floats import DOUBLE

__all__ = ["BatchMemory", "Words", "as_kind", "exact_kind", "integer_table", "pad", "patches"]

Array = NDArray[Any]
Words = NDArray[np.uint8]


class BatchMemory:
    """A memory of words of codes, of which every image has one.

    Parameters
    ----------
    images: how many
    words: of the memory
    codes: of a word
    pitch: the greatest of any view, so that all words of a view's pixels lie within the array
    """

    def __init__(self, images: int, words: int, codes: int, pitch: int):
        self.codes = codes
        self.array: Words = np.zeros((images, (words + pitch) * codes), dtype=np.uint8)

    def tensor(self, view: View) -> Words:
        """The codes of a tensor, (images, height, width, words * codes of a word), where they lie: no copy."""
        start, pixel = view.base * self.codes, view.pitch * self.codes
        pixels = self.array[:, start : start + view.pixels * pixel]
        shape = (len(pixels), view.height, view.width, pixel)
        return pixels.reshape(shape, copy=False)[..., : view.words * self.codes]


def integer_table(format: Format, dtype: Any) -> Array:
    """The integer of every code of a finite format."""
    return np.array(format.integers, dtype=dtype)


def exact_kind(bound: int) -> Any:
    """The quickest type that holds all integers up to this magnitude: float64, int64, or Python's integers."""
    return np.float64 if bound <= DOUBLE else np.int64 if bound < 1 << 63 else object


def as_kind(integers: Array, kind: Any) -> Array:
    """Integers, of a type that ``exact_kind`` gave, as those of another one that holds them."""
    if kind is object and integers.dtype != object:
        integers = integers.astype(np.int64)
    return integers.astype(kind, copy=False)


def pad(source: Array, window: Window, height: int, width: int, value: Any) -> Array:
    """The tensor with the padding that windows of a result of that size reach, and without what they do not."""
    tall = (height - 1) * window.stride_y + (window.kernel_y - 1) * window.dilation_y + 1
    wide = (width - 1) * window.stride_x + (window.kernel_x - 1) * window.dilation_x + 1
    inside = source[:, : max(tall - window.pad_y, 0), : max(wide - window.pad_x, 0)]
    if inside.shape[1:3] == (tall, wide):
        return inside
    padded = np.full((len(source), tall, wide, source.shape[3]), value, dtype=source.dtype)
    rows, columns = inside.shape[1:3]
    padded[:, window.pad_y : window.pad_y + rows, window.pad_x : window.pad_x + columns] = inside
    return padded


def patches(padded: Array, window: Window, height: int, width: int) -> Array:
    """What each pixel of the result reads, (images, height, width, kernel_y, kernel_x, channels), without a copy."""
    image, row, pixel, channel = padded.strides
    return as_strided(
        padded,
        (len(padded), height, width, window.kernel_y, window.kernel_x, padded.shape[3]),
        (
            *(image, row * window.stride_y, pixel * window.stride_x),
            *(row * window.dilation_y, pixel * window.dilation_x, channel),
        ),
        writeable=False,
    )
