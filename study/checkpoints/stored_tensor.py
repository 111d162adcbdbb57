"""A tensor as a checkpoint holds it: codes of a format, and scales for groups of them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...formats import Format
from ..network import grid

__all__ = ["CheckpointEntry", "StoredTensor", "same"]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class StoredTensor:
    """Codes, and what their values are multiplied by, and what is added to them then.

    Members
    -------
    format: of the codes
    codes: in the tensor's shape
    block_size: how many values, one after another in the order of memory, share a scale
    scales: one for every block, float32
    scale_format: the name of the format that the file has scales in, or ``nested`` where scales have scales
    offsets: what is added to each block's values times its scale, float32, or None
    stored_bits: bits of codes, scales and offsets in the file
    """

    format: Format
    codes: Array
    block_size: int
    scales: NDArray[np.float32]
    scale_format: str
    offsets: NDArray[np.float32] | None
    stored_bits: int

    def values(self) -> NDArray[np.float32]:
        """``scale * value + offset`` in float32, rounded after either step, in the tensor's shape."""
        blocks = -(-self.codes.size // self.block_size)
        padded = np.zeros(blocks * self.block_size, self.codes.dtype)
        padded[: self.codes.size] = self.codes.reshape(-1)
        found = grid.values(padded.reshape(blocks, self.block_size), self.format) * self.scales[:, None]
        if self.offsets is not None:
            found += self.offsets[:, None]
        return found.reshape(-1)[: self.codes.size].reshape(self.codes.shape)


@dataclass(frozen=True, eq=False)
class CheckpointEntry:
    """What a checkpoint has by one name.

    Members
    -------
    name, shape: of the tensor
    stored_as: what the file calls its type
    tensor: the codes and scales; None for a type that is not read
    equal: whether every value is, bit for bit, the one that the reference makes of the file; None where it was not read
    """

    name: str
    shape: tuple[int, ...]
    stored_as: str
    tensor: StoredTensor | None
    equal: bool | None


def same(ours: Array, theirs: Array) -> bool:
    """Whether two arrays of float32 are equal bit for bit."""
    return ours.shape == theirs.shape and bool(np.array_equal(ours.view(np.uint32), theirs.view(np.uint32)))
