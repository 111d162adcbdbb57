"""Matrices as the words of a matmul engine's streams, and back: the order of docs/matmul.md."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..formats import Engine
from .codes import check_codes, code_dtype

__all__ = ["pack", "unpack"]

Array = NDArray[Any]
Words = NDArray[np.uint8]


def pack(
    engine: Engine,
    activation: ArrayLike,
    weight: ArrayLike,
    *,
    scale: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    activation_scale: ArrayLike | None = None,
    weight_scale: ArrayLike | None = None,
) -> dict[str, Words]:
    """The words of every input stream for ``A[m, k] @ W[k, n]``: by stream, uint8 of (words, bytes of a word).

    A word's first code is in its lowest bits, its first byte is the lowest. Rows, columns and values of k past the
    matrix are filled up with zeros, though any bits would do.

    Parameters
    ----------
    activation, weight: codes of shapes (m, k) and (k, n)
    scale, bias: of every column, (n,), where the engine takes them so; scale codes, and integers
    activation_scale, weight_scale: codes of (m, blocks) and (blocks, n), where the engine has blocks

    Raises ValueError where something is missing, too much, or of another shape.
    """
    a, w = check_codes(activation, engine.activation), check_codes(weight, engine.weight)
    if a.ndim != 2 or w.ndim != 2 or a.shape[1] != w.shape[0]:
        raise ValueError(f"shapes must be (m, k) and (k, n), not {a.shape} and {w.shape}")
    if not all((*a.shape, *w.shape)) or a.shape[1] > engine.max_k:
        raise ValueError(f"k must be 1 to {engine.max_k}, and m and n at least 1, not {a.shape} and {w.shape}")
    (m, k), n = a.shape, w.shape[1]
    panels = -(-m // engine.tile_m)
    step = engine.k_step
    a = _fill(a, engine.rows if engine.output_stationary else 1, step)
    w = _fill(w, step, engine.columns)
    if engine.output_stationary:
        by_row = a.reshape(-1, engine.rows, a.shape[1] // step, step).transpose(0, 2, 1, 3)
        a_words = by_row.reshape(-1, engine.rows * step)
        by_column = w.reshape(w.shape[0] // step, step, -1, engine.columns).transpose(2, 0, 3, 1)
    else:
        a_words = np.concatenate(
            [rows.reshape(len(rows), -1, step).swapaxes(0, 1).reshape(-1, step) for rows in _panels(engine, a)]
        )
        by_row = w.reshape(-1, engine.rows, engine.lanes, w.shape[1] // engine.columns, engine.columns)
        by_column = by_row.transpose(3, 0, 1, 4, 2)
    w_words = by_column.reshape(-1, engine.columns * engine.lanes)
    streams = {
        "a": _to_bytes(a_words, engine.activation.width),
        "w": np.tile(_to_bytes(w_words, engine.weight.width), (panels, 1)),
    }
    channel = {"scale": scale, "bias": bias}
    for name, values in channel.items():
        if (values is not None) != (name in engine.channel_fields):
            raise ValueError(
                f"{name} of every column must be {'given' if values is None else 'left out'} for this engine"
            )
    if engine.channel_fields:
        bits = [
            _bits(np.broadcast_to(np.asarray(channel[name]), (n,))[:, None], width)
            for name, width in engine.channel_fields.items()
        ]
        streams["p"] = np.tile(np.packbits(np.concatenate(bits, axis=1), axis=1, bitorder="little"), (panels, 1))
    blocks = engine.blocks
    for name, values in (("activation_scale", activation_scale), ("weight_scale", weight_scale)):
        if (values is not None) != (blocks is not None):
            raise ValueError(f"{name} must be {'given' if values is None else 'left out'} for this engine")
    if blocks is not None:
        count = -(-k // blocks.size)
        a_scales = check_codes(activation_scale, blocks.activation_scale)
        w_scales = check_codes(weight_scale, blocks.weight_scale)
        if a_scales.shape != (m, count) or w_scales.shape != (count, n):
            raise ValueError(
                f"scales must be of shapes {(m, count)} and {(count, n)}, not {a_scales.shape} and {w_scales.shape}"
            )
        by_row = _fill(a_scales, engine.rows, 1).reshape(-1, engine.rows, count).swapaxes(1, 2)
        by_column = _fill(w_scales, 1, engine.columns).reshape(count, -1, engine.columns).swapaxes(0, 1)
        streams["a_scales"] = _to_bytes(by_row.reshape(-1, engine.rows), blocks.activation_scale.width)
        w_bytes = _to_bytes(by_column.reshape(-1, engine.columns), blocks.weight_scale.width)
        streams["w_scales"] = np.tile(w_bytes, (panels, 1))
    return streams


def unpack(engine: Engine, words: ArrayLike, m: int, n: int) -> Array:
    """C as codes, (m, n), from the words of the output stream, uint8 of (words, bytes of a word)."""
    array = np.asarray(words, dtype=np.uint8)
    output = engine.requantization.output
    codes = np.empty((m, n), dtype=code_dtype(output))
    chunks = [
        (start, min(start + engine.outputs, column + engine.columns, n))
        for column in range(0, n, engine.columns)
        for start in range(column, min(column + engine.columns, n), engine.outputs)
    ]
    if len(array) != m * len(chunks):
        raise ValueError(f"words must be {m * len(chunks)} for {m} by {n}, not {len(array)}")
    found = _from_bytes(array, output.width, engine.outputs)
    position = 0
    for top in range(0, m, engine.tile_m):
        rows = min(engine.tile_m, m - top)
        for column in range(0, n, engine.columns):
            mine = [chunk for chunk in chunks if column <= chunk[0] < column + engine.columns]
            part = found[position : position + rows * len(mine)].reshape(rows, len(mine), engine.outputs)
            for index, (start, stop) in enumerate(mine):
                codes[top : top + rows, start:stop] = part[:, index, : stop - start]
            position += rows * len(mine)
    return codes


def _fill(codes: Array, rows: int, columns: int) -> Array:
    """Zeros after the last row and column, up to multiples."""
    return np.pad(codes, ((0, -codes.shape[0] % rows), (0, -codes.shape[1] % columns)))


def _panels(engine: Engine, rows: Array) -> Iterator[Array]:
    for top in range(0, len(rows), engine.tile_m):
        yield rows[top : top + engine.tile_m]


def _bits(values: Array, width: int) -> Words:
    """(words, count) integers as (words, count * width) bits, the lowest first."""
    places = np.arange(width)
    wide = values.astype(np.int64)[..., None] >> places & 1
    return wide.astype(np.uint8).reshape(len(values), -1)


def _to_bytes(codes: Array, width: int) -> Words:
    if width == 8:
        return codes.astype(np.uint8)
    return np.packbits(_bits(codes, width), axis=1, bitorder="little")


def _from_bytes(words: Words, width: int, count: int) -> Array:
    bits = np.unpackbits(words, axis=1, bitorder="little")[:, : width * count].reshape(len(words), count, width)
    return (bits.astype(np.int64) << np.arange(width)).sum(axis=2)
