"""Calibration gathers statistics of the layers' operands on samples. Quantization needs no other data."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..network.batching import Batching, batching
from ..network.execute import batches, execute, held
from ..network.float_layer import plain_engine
from ..network.graph import Graph
from ..network.layer import Layer
from ..network.network import Samples
from ..network.patches import patches

__all__ = ["LONG", "CalibrationStatistics", "calibrate", "channel_axis", "rows_of"]

Array = NDArray[Any]

KEPT = 1 << 17
"""How many values of a tensor are kept for the search for a scale."""
LONG = 4096
"""Sums of more products have no second moments, which would take the square of this many numbers."""
GROUP = 32
"""Values are drawn from so many samples together, however few are computed at a time."""


@dataclass
class CalibrationStatistics:
    """Statistics of a float32 network on calibration samples.

    Members
    -------
    values: finite values of each tensor, drawn at random, with its smallest and its largest. NaN and infinities, as in
        masked rows of an attention, do not count
    channels: for each tensor, the channel of each of these values
    largest: for each tensor, the largest magnitude of each channel, (channels,). The channels of a right operand are
        its columns
    sizes: for each tensor, how many values it has for one sample
    held: for each tensor that is held while a layer computes, see ``execute.held``, how many bits it has for one sample
    positions: for each layer, the number of rows of its matrix product for one sample. They are the rows of all groups,
        and of all products of the sample, together
    terms, columns: for each layer, the number of products in a sum, and of sums in a row
    gram: for each layer with weights, the mean of the outer products of rows of operands, (groups, k, k); none for sums
        of more than ``LONG`` products
    mean: for each layer with weights, the mean row, (groups, k)
    batching: how many samples the network takes at a time
    """

    values: dict[str, Array] = field(default_factory=dict)
    channels: dict[str, Array] = field(default_factory=dict)
    largest: dict[str, Array] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    positions: dict[str, int] = field(default_factory=dict)
    terms: dict[str, int] = field(default_factory=dict)
    columns: dict[str, int] = field(default_factory=dict)
    gram: dict[str, Array] = field(default_factory=dict)
    mean: dict[str, Array] = field(default_factory=dict)
    batching: Batching = field(default_factory=lambda: Batching(True, 1))


def rows_of(layer: Layer, operand: Array) -> Array:
    """The left operand as (groups, rows, k)."""
    if layer.convolution is not None:
        return patches(operand, layer.convolution)
    return operand.reshape(1, -1, operand.shape[-1])


def channel_axis(layer: Layer, operand: Array) -> int:
    """The axis of the channels of a left operand."""
    return 1 if layer.convolution is not None else operand.ndim - 1


def calibrate(
    graph: Graph,
    samples: Samples,
    *,
    seed: int = 0,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> CalibrationStatistics:
    """Run the network on all samples and keep what ``CalibrationStatistics`` tells.

    Parameters
    ----------
    seed: the seed of the choice of values. For any but 0, samples are chosen too: as many as there are, with repetition
    report: is called with the numbers of finished and of all samples

    Raises ValueError if a tensor has no finite value at all.
    """
    random = np.random.default_rng(seed)
    if seed:
        samples = samples.at(np.sort(random.integers(0, len(samples), len(samples))))
    plain = plain_engine(graph.threads)
    found = CalibrationStatistics(batching=batching(graph, samples, plain))
    share = max(1, KEPT // -(-len(samples) // min(len(samples), GROUP)))
    drawn: dict[str, list[_Draw]] = {}
    done, lasting = 0, held(graph)

    def watch(layer: Layer, operands: list[Array]) -> Array:
        for name, operand in zip(layer.inputs, operands, strict=True):
            if name not in seen:
                seen.add(name)
                axis = channel_axis(layer, operand)
                if name not in group:
                    group[name] = _Draw(operand, count, together, share, random)
                group[name].add(operand, axis)
                found.sizes[name] = group[name].size
                others = tuple({*range(operand.ndim)} - {axis})
                largest = np.abs(operand).max(axis=others, where=np.isfinite(operand), initial=0)
                found.largest[name] = np.maximum(found.largest.get(name, np.float32(0)), largest)
        if layer.weight is not None:
            _add_moments(found, layer, operands[0], count / len(samples))
        result = plain(layer, operands)
        found.terms[layer.name], columns = _terms_and_columns(layer, operands)
        found.columns[layer.name] = columns
        found.positions[layer.name] = result.size // count // columns
        return result

    def weigh(place: int, tensors: dict[str, Array]) -> None:
        for name in (lasting & tensors.keys()) - found.held.keys():
            tensor = tensors[name]
            if isinstance(tensor, np.ndarray) and tensor.ndim:
                found.held[name] = 8 * tensor.nbytes // (count if len(tensor) % count == 0 else 1)

    for many in batches(samples, GROUP):
        part = Samples(many)
        together, group = len(part), dict[str, _Draw]()
        for batch in batches(part, found.batching.size(GROUP)):
            count, seen = len(next(iter(batch.values()))), set[str]()
            execute(graph, batch, watch, before=weigh)
            done += count
            report(done, len(samples))
        for name, draw in group.items():
            drawn.setdefault(name, []).append(draw)
    found.values = {name: np.concatenate([draw.values for draw in draws]) for name, draws in drawn.items()}
    empty = [name for name, values in found.values.items() if not values.size]
    if empty:
        raise ValueError(f"calibration must give finite values of every tensor, not none of {empty[0]!r}")
    found.channels = {name: np.concatenate([draw.channels for draw in draws]) for name, draws in drawn.items()}
    return found


class _Draw:
    """Draws values of one tensor from a group of samples that may be computed in several batches.

    Parameters
    ----------
    operand: the tensor in the first of the batches, which has ``count`` samples
    together: how many samples the group has
    share: how many values to draw. If there are no more, all are taken; else the smallest and the largest are added
    """

    def __init__(self, operand: Array, count: int, together: int, share: int, random: np.random.Generator):
        self._own = len(operand) % count == 0  # a tensor that depends on no input is the same for all samples
        self.size = operand.size // (count if self._own else 1)
        total = self.size * together if self._own else operand.size
        self._whole = total <= share
        self._places = np.arange(total) if self._whole else random.integers(0, total, share)
        self._values = np.full(len(self._places), np.nan, np.float32)
        self._channels = np.zeros(len(self._places), np.int64)
        self._ends: list[tuple[np.float32, int]] = []
        self._begin = 0

    def add(self, operand: Array, axis: int) -> None:
        """Draw from the tensor in the next batch. ``axis`` is the axis of its channels."""
        if self._begin and not self._own:
            return
        flat = operand.reshape(-1)
        inside = np.flatnonzero((self._places >= self._begin) & (self._places < self._begin + flat.size))
        chosen = self._places[inside] - self._begin
        self._values[inside] = flat[chosen]
        self._channels[inside] = np.unravel_index(chosen, operand.shape)[axis]
        self._begin += flat.size
        finite = np.flatnonzero(np.isfinite(flat))
        if self._whole or not finite.size:
            return
        found = [finite[flat[finite].argmin()], finite[flat[finite].argmax()]]
        ends = [(flat[place], int(np.unravel_index(place, operand.shape)[axis])) for place in found]
        (low, high), (least, most) = self._ends or ends, ends
        self._ends = [least if least[0] < low[0] else low, most if most[0] > high[0] else high]

    @property
    def values(self) -> Array:
        """The finite values that were drawn, float32."""
        whole = np.append(self._values, [value for value, _ in self._ends]).astype(np.float32)
        return whole[np.isfinite(whole)]

    @property
    def channels(self) -> Array:
        """The channel of each of ``values``."""
        whole = np.append(self._values, [value for value, _ in self._ends])
        channels = np.append(self._channels, np.array([channel for _, channel in self._ends], np.int64))
        return channels[np.isfinite(whole)]


def _terms_and_columns(layer: Layer, operands: list[Array]) -> tuple[int, int]:
    """The number of products in a sum of a layer, and of sums in a row."""
    if layer.weight is None:
        return int(operands[0].shape[-1]), int(operands[1].shape[-1])
    return int(layer.weight.shape[1]), int(layer.weight.shape[2])


def _add_moments(found: CalibrationStatistics, layer: Layer, operand: Array, weight: float) -> None:
    rows = rows_of(layer, operand)
    mean = rows.mean(axis=1, dtype=np.float64)
    if not np.isfinite(mean).all():
        rows = np.nan_to_num(rows, nan=0, posinf=0, neginf=0)
        mean = rows.mean(axis=1, dtype=np.float64)
    found.mean[layer.name] = found.mean.get(layer.name, 0) + mean * weight
    if rows.shape[-1] <= LONG:
        with np.errstate(over="ignore"):
            moment = np.matmul(rows.transpose(0, 2, 1), rows).astype(np.float64)
        found.gram[layer.name] = found.gram.get(layer.name, 0) + moment / rows.shape[1] * weight
