"""Matrices of codes as rows of bytes, as a matmul engine with a DMA reads and writes them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..formats import Engine, memory_operands, memory_output, stored_bits
from .codes import code_dtype
from .streams import beside_blocks, check_channels, check_given, check_operands

__all__ = ["MemoryImage", "lay_out", "pack_records", "pack_rows", "place_matrices", "row_bytes", "unpack_rows"]

Bytes = NDArray[np.uint8]


def row_bytes(count: int, width: int, packing: str = "packed") -> int:
    """Bytes that a row of so many codes of so many bits takes."""
    return -(-count * stored_bits(width, packing) // 8)


def pack_rows(codes: ArrayLike, width: int, packing: str = "packed", stride: int | None = None) -> Bytes:
    """A matrix of codes as bytes, uint8 of (rows, stride): each code in a power of two of bits, the first ones lowest.

    Parameters
    ----------
    codes: (rows, columns)
    width: bits of a code; bits above are dropped
    packing: one of ``formats.PACKINGS``
    stride: bytes from a row to the next, filled up with zeros; as many as a row takes unless given

    Raises ValueError for a stride that is shorter than a row.
    """
    array = np.asarray(codes)
    if array.ndim != 2:
        raise ValueError(f"codes must be of shape (rows, columns), not {array.shape}")
    stored, needed = stored_bits(width, packing), row_bytes(array.shape[1], width, packing)
    stride = needed if stride is None else stride
    if stride < needed:
        raise ValueError(f"stride must be at least the {needed} bytes of a row, not {stride}")
    bits = np.zeros((*array.shape, stored), np.uint8)
    bits[..., :width] = array.astype(np.int64)[..., None] >> np.arange(width) & 1
    packed = np.packbits(bits.reshape(len(array), -1), axis=1, bitorder="little")
    return np.pad(packed, ((0, 0), (0, stride - packed.shape[1])))


def unpack_rows(rows: ArrayLike, columns: int, width: int, packing: str = "packed") -> NDArray[np.int64]:
    """The first so many codes of every row, (rows, columns), of what ``pack_rows`` made or an engine wrote."""
    array = np.asarray(rows, np.uint8)
    stored, needed = stored_bits(width, packing), row_bytes(columns, width, packing)
    if array.ndim != 2 or array.shape[1] < needed:
        raise ValueError(f"rows must be of shape (rows, {needed} or more), not {array.shape}")
    bits = np.unpackbits(array, axis=1, bitorder="little")[:, : columns * stored]
    bits = bits.reshape(len(array), columns, stored)[..., :width]
    return (bits.astype(np.int64) << np.arange(width)).sum(axis=2)


def pack_records(engine: Engine, n: int, *, scale: ArrayLike | None = None, bias: ArrayLike | None = None) -> Bytes:
    """What comes with the n columns of C, as uint8 of (n, bytes of a record): the scale's code in the lowest bits, then
    the bias in two's complement, as the engine has them. A record is a power of two of bytes.

    Raises ValueError where one of them is missing, or of another shape.
    """
    check_given(engine.channel_fields, "of every column", scale=scale, bias=bias)
    given: dict[str, Any] = {"scale": scale, "bias": bias}
    check_channels(engine, {name: given[name] for name in engine.channel_fields}, n)
    record = np.zeros((n, stored_bits(sum(engine.channel_fields.values()), "bytes")), np.uint8)
    place = 0
    for name, width in engine.channel_fields.items():
        values = np.broadcast_to(np.asarray(given[name]), (n,)).astype(np.int64)
        record[:, place : place + width] = values[:, None] >> np.arange(width) & 1
        place += width
    return np.packbits(record, axis=1, bitorder="little")


@dataclass(frozen=True)
class MemoryImage:
    """Where the matrices of a product are in memory.

    Members
    -------
    sizes: m, k and n
    descriptors: what the registers of these names hold, as ``a_address`` and ``a_stride``
    contents: the bytes of every matrix that is read, by its address
    start, end: the first address, and that past the last place
    """

    engine: Engine
    sizes: tuple[int, int, int]
    descriptors: Mapping[str, int]
    contents: Mapping[int, bytes]
    start: int
    end: int

    def output(self, memory: bytes) -> NDArray[Any]:
        """C as codes, (m, n), of the bytes from address 0 on that a memory holds after the product."""
        assert self.engine.dma is not None
        (m, _, n), output = self.sizes, self.engine.requantization.output
        address, stride = self.descriptors["c_address"], self.descriptors["c_stride"]
        rows = np.frombuffer(memory, np.uint8, m * stride, address).reshape(m, stride)
        return unpack_rows(rows, n, output.width, self.engine.dma.packing).astype(code_dtype(output))


def lay_out(
    engine: Engine, activation: ArrayLike, weight: ArrayLike, *, start: int = 0, gap: int = 0, **operands: Any
) -> MemoryImage:
    """The matrices of a product one after another in memory, each row at a multiple of a beat's bytes.

    Parameters
    ----------
    engine: has a DMA
    activation, weight: codes of shapes (m, k) and (k, n)
    start: the first address, a multiple of a beat's bytes
    gap: beats that are free after every row
    operands: scales and bias, as of ``sim.engine_matmul``. What is set once a product has no place in memory

    Raises ValueError where there is no DMA, where something is missing, or of another shape.
    """
    dma = engine.dma
    if dma is None:
        raise ValueError("engine must have a dma")
    a, w = check_operands(engine, activation, weight)
    matrices: dict[str, tuple[Any, int]] = {"a": (a, engine.activation.width), "w": (w, engine.weight.width)}
    if engine.blocks is not None:
        matrices["a_scales"] = operands["activation_scale"], engine.blocks.activation_scale.width
        beside = beside_blocks(engine, operands["weight_scale"], operands.get("weight_zero_point"))
        matrices["w_scales"] = beside, engine.blocks.weight_bits(engine.weight)
    (m, k), n = a.shape, w.shape[1]
    descriptors, end = place_matrices(engine, m, k, n, start, gap)
    contents: dict[int, bytes] = {}
    for name, (codes, bits) in matrices.items():
        rows = pack_rows(codes, bits, dma.packing, descriptors[f"{name}_stride"])
        contents[descriptors[f"{name}_address"]] = rows.tobytes()
    if engine.channel_fields:
        records = pack_records(engine, n, **{name: operands[name] for name in engine.channel_fields})
        contents[descriptors["p_address"]] = records.tobytes()
    return MemoryImage(engine, (m, k, n), descriptors, contents, start, end)


def place_matrices(engine: Engine, m: int, k: int, n: int, start: int = 0, gap: int = 0) -> tuple[dict[str, int], int]:
    """The descriptors of a product's matrices one after another in memory, as ``lay_out`` places them, and the end."""
    dma = engine.dma
    assert dma is not None
    sizes = {"m": m, "k": k, "n": n}
    descriptors: dict[str, int] = {}
    address = start
    for operand in (*memory_operands(engine).values(), memory_output(engine)):
        rows = 1 if operand.rows_over is None else -(-sizes[operand.rows_over] // operand.row_step)
        columns = -(-sizes[operand.columns_over] // operand.column_step)
        size = -(-columns * operand.stored_bits // 8)
        stride = (-(-size // dma.beat_bytes) + gap) * dma.beat_bytes
        descriptors[f"{operand.name}_address"] = address
        if operand.rows_over is not None:
            descriptors[f"{operand.name}_stride"] = stride
        address += rows * stride
    return descriptors, address
