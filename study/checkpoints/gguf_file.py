"""GGUF, the files of llama.cpp: blocks of codes, each with a scale in float16."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...formats import parse
from .stored_tensor import CheckpointEntry, StoredTensor, same

__all__ = ["entries", "unpack"]

Array = NDArray[Any]


@dataclass(frozen=True)
class _Layout:
    """Where a block of bytes has what.

    Parameters
    ----------
    format: the name of the format of the codes
    size: values in a block
    codes: the bytes (blocks, bytes) of codes, without scales, to codes (blocks, size)
    scale: the first byte of the scale
    offset: the first byte of what is added, None where nothing is
    """

    format: str
    size: int
    codes: Callable[[Array], Array]
    scale: int = 0
    offset: int | None = None

    def code_bytes(self, blocks: Array) -> Array:
        taken = [place + byte for place in (self.scale, self.offset) if place is not None for byte in (0, 1)]
        return np.delete(blocks, taken, axis=1)


def _nibbles(codes: Array) -> Array:
    """The lower halves of all bytes of a block, and then the upper ones."""
    return np.concatenate([codes & 15, codes >> 4], axis=1)


def _trits_in_two_bits(codes: Array) -> Array:
    """Groups of 32 bytes have 128 trits: first the lowest two bits of each byte, then the next ones."""
    fields = codes.reshape(len(codes), -1, 1, 32) >> np.array([0, 2, 4, 6], np.uint8)[:, None] & 3
    return _ternary(fields.reshape(len(codes), -1))


def _trits_by_fives(codes: Array) -> Array:
    """Bytes of five trits, the last four of four: 256/243 times the number that the trits are the digits of.

    The first digit of a byte is what three times the byte carries into a ninth bit, and the rest of it is the byte for
    the next one. Of 32 bytes, of 16 and of 4, the first digits come first.
    """
    found = []
    for start, stop, digits in ((0, 32, 5), (32, 48, 5), (48, 52, 4)):
        rest: Array = codes[:, start:stop].astype(np.uint16)
        for _ in range(digits):
            found.append(rest * 3 >> 8)
            rest = rest * 3 & 255
    return _ternary(np.concatenate(found, axis=1))


def _ternary(trits: Array) -> Array:
    """Codes of ``ternary`` for -1, 0 and 1 stored as 0, 1 and 2."""
    if trits.max(initial=0) > 2:
        raise ValueError("trits must be 0 to 2, not 3")
    return np.array([3, 0, 1], np.uint8)[trits]


_LAYOUTS = {
    "Q4_0": _Layout("int4", 32, lambda codes: _nibbles(codes) ^ 8),  # ggml subtracts 8
    "Q4_1": _Layout("uint4", 32, _nibbles, offset=2),
    "Q8_0": _Layout("int8", 32, lambda codes: codes),
    "IQ4_NL": _Layout("iq4nl", 32, _nibbles),
    "TQ1_0": _Layout("ternary", 256, _trits_by_fives, scale=52),
    "TQ2_0": _Layout("ternary", 256, _trits_in_two_bits, scale=64),
}


def unpack(kind: str, data: Array, shape: tuple[int, ...]) -> StoredTensor:
    """The tensor of that shape of bytes that ggml calls ``kind``. Raises ValueError for another kind or shape."""
    if kind not in _LAYOUTS:
        raise ValueError(f"kind must be one of {', '.join(_LAYOUTS)}, not {kind!r}")
    layout = _LAYOUTS[kind]
    count = int(np.prod(shape))
    if not shape or shape[-1] % layout.size:
        raise ValueError(f"rows of {kind} must be of whole blocks of {layout.size} values, not as in {shape}")
    blocks = data.reshape(count // layout.size, -1)

    def halves(start: int) -> Array:
        return np.ascontiguousarray(blocks[:, start : start + 2]).view("<f2").astype(np.float32).reshape(-1)

    return StoredTensor(
        format=parse(layout.format),
        codes=layout.codes(layout.code_bytes(blocks)).reshape(shape),
        block_size=layout.size,
        scales=halves(layout.scale),
        scale_format="float16",
        offsets=None if layout.offset is None else halves(layout.offset),
        stored_bits=8 * data.size,
    )


def entries(path: Path) -> Iterator[CheckpointEntry]:
    """Every tensor of a file, compared with what the package gguf makes of it. Raises ValueError for another file."""
    from gguf import GGUFReader, dequantize

    try:
        reader = GGUFReader(path)
    except (ValueError, OSError, IndexError) as error:
        raise ValueError(f"a checkpoint must be a GGUF file that the package gguf reads, not {str(path)!r}") from error
    for found in reader.tensors:
        kind = found.tensor_type.name
        shape = tuple(int(size) for size in reversed(found.shape))
        if kind not in _LAYOUTS:
            yield CheckpointEntry(found.name, shape, kind, None, None)
            continue
        try:
            tensor = unpack(kind, np.asarray(found.data), shape)
        except ValueError as error:
            raise ValueError(f"tensor {found.name!r} of {str(path)!r}: {error}") from None
        theirs = dequantize(found.data, found.tensor_type).reshape(shape)
        yield CheckpointEntry(found.name, shape, kind, tensor, same(tensor.values(), theirs))
