"""Where tensors lie: buffers in the two memories, and what is written into them and read from them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...formats import Format
from ...formats.network import View
from ..network import grid
from .functions import Function

__all__ = ["ACTIVATION", "BETWEEN", "Place", "Slot", "TensorBuffer", "TensorScale"]

Array = NDArray[Any]

ACTIVATION, BETWEEN = "activation", "between"
"""The two memories, by what they hold."""


@dataclass(frozen=True, eq=False)
class TensorScale:
    """What a value of a format stands for: ``(integer - zero) * lsb * unit``.

    Members
    -------
    unit: a number, or one for each channel
    zero: the integer that stands for 0; of integer formats alone
    span: the least and the greatest integer that are written; None for all that the format has
    """

    unit: Array
    zero: int = 0
    span: tuple[int, int] | None = None

    @property
    def key(self) -> tuple[bytes, int, tuple[int, int] | None]:
        return np.asarray(self.unit, np.float64).tobytes(), self.zero, self.span

    def codes(self, values: Array, unit: Array, format: Format) -> Array:
        """The codes of real values in a format; ``unit``: this one's, in a shape that suits the values."""
        scaled = values / unit.astype(np.float32) + np.float32(self.zero)
        if self.span is not None:
            scaled = np.clip(scaled, np.float32(self.span[0]), np.float32(self.span[1]))
        return np.asarray(grid.codes(scaled, format))


@dataclass(eq=False)
class TensorBuffer:
    """A place in a memory for a tensor, or for several that are concatenated.

    Members
    -------
    memory: which of the two
    height, width: pixels
    codes: of a pixel, those of no channel between two tensors counted
    first, last: the records between which it must stay as it is; -1 for the input's writing
    base: the address of its first word, once it is placed
    within: the buffer in whose place it lies; None for one of its own
    """

    memory: str
    height: int
    width: int
    codes: int
    first: int = 1 << 30
    last: int = -1
    base: int = 0
    within: "TensorBuffer | None" = None

    @property
    def whole(self) -> "TensorBuffer":
        """The buffer whose place it has."""
        return self if self.within is None else self.within

    def words(self, codes: int) -> int:
        """Words of a pixel, with so many codes in a word."""
        return -(-self.codes // codes)

    def size(self, codes: int) -> int:
        """Words of all pixels."""
        return self.height * self.width * self.words(codes)

    def overlaps(self, other: "TensorBuffer", codes: int) -> bool:
        """Whether they have a word in common."""
        first, second = sorted((self.whole, other.whole), key=lambda each: each.base)
        return self.memory == other.memory and first.base + first.size(codes) > second.base


@dataclass(frozen=True, eq=False)
class Place:
    """A tensor in a buffer.

    Members
    -------
    start: codes of a pixel before its first one
    channels: for each code of a pixel, its channel, or -1 for none
    """

    buffer: TensorBuffer
    start: int
    channels: Array
    scale: TensorScale

    def view(self, codes: int) -> View:
        """As records have it, with so many codes in a word."""
        buffer = self.buffer
        return View(
            buffer.whole.base + self.start // codes,
            buffer.height,
            buffer.width,
            -(-len(self.channels) // codes),
            buffer.words(codes),
        )


@dataclass(frozen=True, eq=False)
class Slot:
    """A tensor that is written: a function of what a line makes, in a place; ``tensor``: its name in the network."""

    tensor: str
    function: Function
    place: Place

    @property
    def memory(self) -> str:
        return self.place.buffer.memory
