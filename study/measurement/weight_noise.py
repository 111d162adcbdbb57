"""How much noise the rounding of weights makes, by format and by what shares a scale: nothing is run for it."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from math import inf, log10
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...places import write_whole
from ..network.graph import Graph
from ..quantization.binary_planes import BinaryPlanes
from ..quantization.outliers import WithOutliers
from ..quantization.scales import squares
from ..quantization.scheme import SCALE_FORMAT
from ..quantization.tensor_formats import Operand, Rows, format_of, stored_bits
from ..quantization.zero_points import WithZeroPoints

__all__ = ["NAMES", "WeightNoise", "weight_noises", "write_noises"]

Array = NDArray[Any]

NAMES = ("weights.json", "weights.csv")
"""Of the files that ``write_noises`` writes."""


@dataclass(frozen=True, kw_only=True)
class WeightNoise:
    """The noise of a network's rounded weights.

    Members
    -------
    network, weight: the names of the network and of the format, or of how a format is found for each tensor
    block_size: so many weights along K share a scale; None where those of an output channel do
    sqnr: in dB, of the mean over all weights of the squared error in units of the layer's mean square; infinite where
        nothing is lost
    worst: in dB, of the layer with the most noise
    bits: bits a weight, with scales and selectors
    weights: how many weights were rounded
    outliers: the share of weights that are kept apart
    """

    network: str
    weight: str
    block_size: int | None
    sqnr: float
    worst: float
    bits: float
    weights: int
    outliers: float = 0.0


def weight_noises(
    network: str, graph: Graph, operands: Sequence[Operand], block_sizes: Sequence[int | None], columns: int | None
) -> Iterator[WeightNoise]:
    """Round the weights of all layers, and yield the noise of each operand with each size of blocks.

    Scales are bfloat16, and are those of the least squared error; so is the selector of a format that has one, which
    is chosen for every scale.

    Parameters
    ----------
    columns: most output channels of a layer that are rounded, spread over all of them; None for all

    Raises ValueError for a network without weights.
    """
    layers = [_columns(layer.weight, columns) for layer in graph.layers if layer.weight is not None]
    if not layers:
        raise ValueError(f"network must have layers with weights, not {network!r}, which has none")
    for size in block_sizes:
        rows = [[Rows(part, SCALE_FORMAT, squares) for part in _blocks(layer, size)] for layer in layers]
        for operand in operands:
            yield _noise(network, operand, size, layers, rows)


def _noise(
    network: str, operand: Operand, size: int | None, layers: Sequence[Array], rows: Sequence[list[Rows]]
) -> WeightNoise:
    total, bits, worst, count, outliers = 0.0, 0, 0.0, 0, 0
    for layer, parts in zip(layers, rows, strict=True):
        error, stored, apart = _rounded(operand, layer, parts)
        mean = float(np.square(layer, dtype=np.float64).mean())
        noise = error / mean / layer.size if mean else 0.0
        total, worst, count = total + noise * layer.size, max(worst, noise), count + layer.size
        bits, outliers = bits + stored, outliers + apart
    return WeightNoise(
        network=network,
        weight=operand.name,
        block_size=size,
        sqnr=_decibels(total / count),
        worst=_decibels(worst),
        bits=bits / count,
        weights=count,
        outliers=outliers / count,
    )


def _rounded(operand: Operand, layer: Array, parts: list[Rows]) -> tuple[float, int, int]:
    """Of a layer's weights, which are also cut into parts, the squared error, the stored bits, and how many are kept
    apart."""
    if isinstance(operand, WithOutliers):
        found = operand.fit(layer)
        step = found.scale(SCALE_FORMAT)
        error = squares(layer - found.integers(layer, step) * step).sum()
        return float(error), found.bits + SCALE_FORMAT.width, int(found.apart.sum())
    if isinstance(operand, BinaryPlanes | WithZeroPoints):
        lost = [each.values - operand.values(*operand.fit(each.values, SCALE_FORMAT)) for each in parts]
        error = sum(squares(difference).sum() for difference in lost)
    else:
        format = format_of(operand, parts)
        error = sum(each.quantized(format)[1] for each in parts)
    of_weight, of_scale = stored_bits(operand, SCALE_FORMAT.width)
    return float(error), layer.size * of_weight + sum(len(each.values) for each in parts) * of_scale, 0


def _decibels(noise: float) -> float:
    return -10 * log10(noise) if noise else inf


def _columns(weight: Array, most: int | None) -> Array:
    """The columns of weights (groups, k, n) as rows, or so many of them: (columns, k)."""
    rows = weight.transpose(0, 2, 1).reshape(-1, weight.shape[1])
    if most is None or len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).round().astype(int)]


def _blocks(rows: Array, size: int | None) -> list[Array]:
    """Rows cut into blocks of that size, (blocks, size), and what is left of each row, if anything; whole for None."""
    if size is None:
        return [rows]
    whole = rows.shape[1] // size * size
    parts = [rows[:, :whole].reshape(-1, size), rows[:, whole:]]
    return [part for part in parts if part.size]


def write_noises(noises: Sequence[WeightNoise], folder: Path, command: str) -> None:
    """Write the files of ``NAMES``, each whole or not at all: the command and all rows, and the rows as a table.

    What is infinite is null in JSON, which has no such number.
    """
    rows = [asdict(each) for each in noises]
    written = [{name: None if value == inf else value for name, value in row.items()} for row in rows]
    write_whole(folder / NAMES[0], json.dumps({"command": command, "rows": written}, indent=1) + "\n")
    text = io.StringIO()
    writer = csv.DictWriter(text, [*rows[0]], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(folder / NAMES[1], text.getvalue())
