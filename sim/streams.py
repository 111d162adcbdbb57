"""Matrices as the words of a matmul engine's streams, and back: the order of docs/matmul.md."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..formats import Engine
from .codes import check_codes, code_dtype

__all__ = ["arrange", "beats", "beside_blocks", "check_channels", "check_given", "check_operands", "pack", "unpack"]

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
    weight_zero_point: ArrayLike | None = None,
) -> dict[str, Words]:
    """The words of every input stream for ``A[m, k] @ W[k, n]``: by stream, uint8 of (words, bytes of a word).

    A word's first code is in its lowest bits, its first byte is the lowest. Rows, columns and values of k past the
    matrix are filled up with zeros, though any bits would do.

    Parameters
    ----------
    activation, weight: codes of shapes (m, k) and (k, n)
    scale, bias: of every column, (n,), where the engine takes them so; scale codes, and integers
    activation_scale, weight_scale: codes of (m, blocks) and (blocks, n), where the engine has blocks
    weight_zero_point: codes of (blocks, n), where the blocks have zero points

    Raises ValueError where something is missing, too much, or of another shape.
    """
    a, w = check_operands(engine, activation, weight)
    check_given(engine.channel_fields, "of every column", scale=scale, bias=bias)
    scaled = ("activation_scale", "weight_scale") if engine.blocks is not None else ()
    check_given(scaled, "of blocks", activation_scale=activation_scale, weight_scale=weight_scale)
    pointed = ("weight_zero_point",) if engine.blocks is not None and engine.blocks.zero_points else ()
    check_given(pointed, "of blocks", weight_zero_point=weight_zero_point)
    if engine.output_stationary:
        streams = _pack_output_stationary(engine, a, w)
    else:
        streams = _pack_weight_stationary(engine, a, w)
    if engine.channel_fields:
        channel = {"scale": scale, "bias": bias}
        streams["p"] = _pack_channels(engine, {name: channel[name] for name in engine.channel_fields}, w.shape[1])
    if activation_scale is not None and weight_scale is not None:
        streams |= _pack_blocks(engine, a.shape, w.shape[1], activation_scale, weight_scale, weight_zero_point)
    panels = -(-len(a) // engine.tile_m)
    return {
        name: words if name in ("a", "a_scales") else np.tile(words, (panels, 1)) for name, words in streams.items()
    }


def check_operands(engine: Engine, activation: ArrayLike, weight: ArrayLike) -> tuple[Array, Array]:
    """A and W as arrays of codes. Raises ValueError where they are none that the engine takes."""
    a, w = check_codes(activation, engine.activation), check_codes(weight, engine.weight)
    if a.ndim != 2 or w.ndim != 2 or a.shape[1] != w.shape[0]:
        raise ValueError(f"shapes must be (m, k) and (k, n), not {a.shape} and {w.shape}")
    if not all((*a.shape, *w.shape)) or a.shape[1] > engine.max_k:
        raise ValueError(f"k must be 1 to {engine.max_k}, and m and n at least 1, not {a.shape} and {w.shape}")
    return a, w


def check_channels(engine: Engine, values: Mapping[str, ArrayLike | None], n: int) -> None:
    """Raise ValueError where what comes with every column is not of shape (n,) or (), or does not fit its bits."""
    for name, value in values.items():
        array = np.asarray(value)
        if array.shape not in ((n,), ()):
            raise ValueError(f"{name} must be one, or one for each of {n} columns, not of shape {array.shape}")
        if name == "scale":
            assert engine.requantization.scale is not None
            check_codes(array, engine.requantization.scale)
        elif array.size:
            half = 1 << engine.requantization.bias_bits - 1
            if array.dtype.kind not in "iu" or not -half <= array.min() <= array.max() < half:
                raise ValueError(f"bias must be integers of {-half} to {half - 1}, not {value!r}")


def check_given(wanted: Collection[str], what: str, **values: ArrayLike | None) -> None:
    for name, value in values.items():
        if (value is not None) != (name in wanted):
            verb = "given" if value is None else "left out"
            raise ValueError(f"{name} {what} must be {verb} for this engine")


def _pack_output_stationary(engine: Engine, a: Array, w: Array) -> dict[str, Words]:
    step = engine.lanes
    a, w = _fill(a, engine.rows, step), _fill(w, step, engine.columns)
    by_row = a.reshape(-1, engine.rows, a.shape[1] // step, step).transpose(0, 2, 1, 3)
    by_column = w.reshape(w.shape[0] // step, step, -1, engine.columns).transpose(2, 0, 3, 1)
    return {
        "a": _to_bytes(by_row.reshape(-1, engine.rows * step), engine.activation.width),
        "w": _to_bytes(by_column.reshape(-1, engine.columns * step), engine.weight.width),
    }


def _pack_weight_stationary(engine: Engine, a: Array, w: Array) -> dict[str, Words]:
    step = engine.k_step
    a, w = _fill(a, 1, step), _fill(w, step, engine.columns)
    panels = [a[top : top + engine.tile_m] for top in range(0, len(a), engine.tile_m)]
    by_slice = [panel.reshape(len(panel), -1, step).swapaxes(0, 1).reshape(-1, step) for panel in panels]
    by_row = w.reshape(-1, engine.rows, engine.lanes, w.shape[1] // engine.columns, engine.columns)
    by_column = by_row.transpose(3, 0, 1, 4, 2)
    return {
        "a": _to_bytes(np.concatenate(by_slice), engine.activation.width),
        "w": _to_bytes(by_column.reshape(-1, engine.columns * engine.lanes), engine.weight.width),
    }


def _pack_channels(engine: Engine, values: Mapping[str, ArrayLike | None], n: int) -> Words:
    check_channels(engine, values, n)
    bits = [
        _bits(np.broadcast_to(np.asarray(values[name]), (n,))[:, None], width)
        for name, width in engine.channel_fields.items()
    ]
    return np.packbits(np.concatenate(bits, axis=1), axis=1, bitorder="little")


def _pack_blocks(
    engine: Engine,
    a_shape: tuple[int, ...],
    n: int,
    activation_scale: ArrayLike,
    weight_scale: ArrayLike,
    weight_zero_point: ArrayLike | None,
) -> dict[str, Words]:
    blocks = engine.blocks
    assert blocks is not None
    m, k = a_shape
    count = -(-k // blocks.size)
    a, w = check_codes(activation_scale, blocks.activation_scale), check_codes(weight_scale, blocks.weight_scale)
    if a.shape != (m, count) or w.shape != (count, n):
        raise ValueError(f"scales must be of shapes {(m, count)} and {(count, n)}, not {a.shape} and {w.shape}")
    if weight_zero_point is not None:
        points = check_codes(weight_zero_point, engine.weight)
        if points.shape != w.shape:
            raise ValueError(f"weight_zero_point must be of shape {w.shape}, not {points.shape}")
        w = beside_blocks(engine, w, points)
    by_row = _fill(a, engine.rows, 1).reshape(-1, engine.rows, count).swapaxes(1, 2)
    by_column = _fill(w, 1, engine.columns).reshape(count, -1, engine.columns).swapaxes(0, 1)
    return {
        "a_scales": _to_bytes(by_row.reshape(-1, engine.rows), blocks.activation_scale.width),
        "w_scales": _to_bytes(by_column.reshape(-1, engine.columns), blocks.weight_bits(engine.weight)),
    }


def beside_blocks(engine: Engine, weight_scale: ArrayLike, weight_zero_point: ArrayLike | None) -> Array:
    """What stands beside the blocks of W: the codes of scales, with zero points above them if there are any."""
    scales = np.asarray(weight_scale)
    if engine.blocks is None or weight_zero_point is None:
        return scales
    return scales.astype(np.int64) | np.asarray(weight_zero_point).astype(np.int64) << engine.blocks.weight_scale.width


def unpack(engine: Engine, words: ArrayLike, m: int, n: int) -> Array:
    """C as codes, (m, n), from the words of the output stream, uint8 of (words, bytes of a word)."""
    array = np.asarray(words)
    output = engine.requantization.output
    size = -(-engine.stream_bits["c"] // 8)
    if array.dtype != np.uint8 or array.ndim != 2 or array.shape[1] < size:
        raise ValueError(f"words must be uint8 of (words, {size}), not {array.dtype} of {array.shape}")
    if len(array) != beats(engine, m, n):
        raise ValueError(f"words must be {beats(engine, m, n)} for {m} by {n}, not {len(array)}")
    return arrange(engine, _from_bytes(array, output.width, engine.outputs), m, n).astype(code_dtype(output))


def beats(engine: Engine, m: int, n: int) -> int:
    """Words of the output stream of an (m, n) product."""
    return m * sum(-(-columns // engine.outputs) for columns in _column_counts(engine, n))


def arrange(engine: Engine, values: Array, m: int, n: int) -> Array:
    """What comes with the outputs, (words, outputs) in the order of the stream, as (m, n)."""
    arranged = np.empty((m, n), dtype=values.dtype)
    position = 0
    for top in range(0, m, engine.tile_m):
        rows = min(engine.tile_m, m - top)
        column = 0
        for columns in _column_counts(engine, n):
            words = rows * -(-columns // engine.outputs)
            part = values[position : position + words].reshape(rows, -1)
            arranged[top : top + rows, column : column + columns] = part[:, :columns]
            position += words
            column += columns
    return arranged


def _column_counts(engine: Engine, n: int) -> list[int]:
    """How many columns of C each panel of W has."""
    return [min(engine.columns, n - column) for column in range(0, n, engine.columns)]


def _fill(codes: Array, rows: int, columns: int) -> Array:
    """Zeros after the last row and column, up to multiples."""
    return np.pad(codes, ((0, -codes.shape[0] % rows), (0, -codes.shape[1] % columns)))


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
