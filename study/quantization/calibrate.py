"""What the layers' operands look like on samples: all that quantization asks of data."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..network.execute import batches, execute
from ..network.float_layer import FloatLayer
from ..network.graph import Graph, Layer
from ..network.network import Samples
from ..network.patches import patches

__all__ = ["Statistics", "calibrate", "channel_axis", "rows_of"]

Array = NDArray[Any]

KEPT = 1 << 17
"""Values of a tensor that are kept to search a scale on."""


@dataclass
class Statistics:
    """Of a float32 network on calibration samples.

    Members
    -------
    values: by tensor, finite values drawn at random, with the smallest and the largest; what is NaN or infinite, as
        masked rows of an attention, counts nowhere
    channels: by tensor, the channel of each of these values
    largest: by tensor, the largest magnitude of each channel, (channels,); a right operand's are its columns
    sizes: by tensor, values of one sample
    positions, terms, columns: by layer, rows of its matrix product for one sample, products in a sum, sums a row;
        rows are those of all groups, and of all products of one sample, together
    gram: by layer, the mean of outer products of rows of operands: (groups, k, k); only where asked for
    mean: by layer, the mean row: (groups, k)
    """

    values: dict[str, Array] = field(default_factory=dict)
    channels: dict[str, Array] = field(default_factory=dict)
    largest: dict[str, Array] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    positions: dict[str, int] = field(default_factory=dict)
    terms: dict[str, int] = field(default_factory=dict)
    columns: dict[str, int] = field(default_factory=dict)
    gram: dict[str, Array] = field(default_factory=dict)
    mean: dict[str, Array] = field(default_factory=dict)


def rows_of(layer: Layer, operand: Array) -> Array:
    """The left operand as (groups, rows, k)."""
    if layer.convolution is not None:
        return patches(operand, layer.convolution)
    return operand.reshape(1, -1, operand.shape[-1])


def channel_axis(layer: Layer, operand: Array) -> int:
    """Of a left operand."""
    return 1 if layer.convolution is not None else operand.ndim - 1


def calibrate(
    graph: Graph,
    samples: Samples,
    *,
    gram: bool = False,
    seed: int = 0,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Statistics:
    """Run the network on all samples and keep what ``Statistics`` tells.

    Parameters
    ----------
    gram: also second moments, which take ``k**2`` numbers a layer and group
    seed: of the choice of values
    report: called with the numbers of finished and of all samples

    Raises ValueError where a tensor has no finite value at all.
    """
    found = Statistics()
    random = np.random.default_rng(seed)
    plain = {layer.name: FloatLayer.plain(layer, graph.threads) for layer in graph.layers}
    share = max(1, KEPT // -(-len(samples) // min(len(samples), 32)))
    drawn: dict[str, list[tuple[Array, Array]]] = {}
    done = 0
    for batch in batches(samples, 32):
        count = len(next(iter(batch.values())))
        seen: set[str] = set()

        def watch(layer: Layer, operands: list[Array], count: int = count, seen: set[str] = seen) -> Array:
            for name, operand in zip(layer.inputs, operands, strict=True):
                if name not in seen:
                    seen.add(name)
                    own = len(operand) % count == 0  # what depends on no input has one for all samples
                    found.sizes[name] = operand.size // (count if own else 1)
                    drawn.setdefault(name, []).append(_draw(layer, operand, share, random))
                    others = tuple({*range(operand.ndim)} - {channel_axis(layer, operand)})
                    largest = np.abs(operand).max(axis=others, where=np.isfinite(operand), initial=0)
                    found.largest[name] = np.maximum(found.largest.get(name, np.float32(0)), largest)
            if layer.weight is not None and gram:
                _add_moments(found, layer, operands[0], count / len(samples))
            result = plain[layer.name](operands)
            found.terms[layer.name], columns = _terms_and_columns(layer, operands)
            found.columns[layer.name] = columns
            found.positions[layer.name] = result.size // count // columns
            return result

        execute(graph, batch, watch)
        done += count
        report(done, len(samples))
    found.values = {name: np.concatenate([values for values, _ in parts]) for name, parts in drawn.items()}
    empty = [name for name, values in found.values.items() if not values.size]
    if empty:
        raise ValueError(f"calibration must give finite values of every tensor, not none of {empty[0]!r}")
    found.channels = {name: np.concatenate([channels for _, channels in parts]) for name, parts in drawn.items()}
    return found


def _terms_and_columns(layer: Layer, operands: list[Array]) -> tuple[int, int]:
    """Products in a sum, and sums a row."""
    if layer.weight is None:
        return int(operands[0].shape[-1]), int(operands[1].shape[-1])
    return int(layer.weight.shape[1]), int(layer.weight.shape[2])


def _draw(layer: Layer, tensor: Array, count: int, random: np.random.Generator) -> tuple[Array, Array]:
    """Finite values and their channels."""
    flat = tensor.reshape(-1)
    chosen = np.flatnonzero(np.isfinite(flat))
    if chosen.size > count:
        finite = flat[chosen]
        chosen = chosen[np.append(random.integers(0, chosen.size, count), [finite.argmin(), finite.argmax()])]
    axis = channel_axis(layer, tensor)
    return flat[chosen].astype(np.float32), np.unravel_index(chosen, tensor.shape)[axis]


def _add_moments(found: Statistics, layer: Layer, operand: Array, weight: float) -> None:
    rows = np.nan_to_num(rows_of(layer, operand), nan=0, posinf=0, neginf=0)
    mean = rows.mean(axis=1, dtype=np.float64) * weight
    moment = np.matmul(rows.transpose(0, 2, 1), rows).astype(np.float64) / rows.shape[1] * weight
    found.mean[layer.name] = found.mean.get(layer.name, 0) + mean
    found.gram[layer.name] = found.gram.get(layer.name, 0) + moment
