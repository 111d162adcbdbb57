"""Factors that move difficulty between activations and weights, channel by channel.

An activation is divided by a factor before it is rounded, and the weights that meet it are multiplied by the same: the
product stays what it was. In hardware the division is part of the scale by which the layer before requantizes.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..network.graph import Graph, Segment
from ..network.layer import Layer
from .calibrate import CalibrationStatistics
from .scheme import Scheme

__all__ = ["balance", "levels"]

Array = NDArray[Any]

STRENGTH = 0.5
"""How much of the activations' range moves into the weights: SmoothQuant's alpha."""

CHANNELWISE = ("Relu", "Clip", "LeakyRelu", "Gelu", "MaxPool", "AveragePool", "GlobalAveragePool", "Identity", "Pad")
"""Nodes that keep channels apart: behind them a channel is still that of the layer before."""


def balance(graph: Graph, scheme: Scheme, statistics: CalibrationStatistics) -> dict[str, Array]:
    """By tensor, a factor for each channel (float32), for all tensors that meet weights; nothing without techniques.

    ``smooth``: SmoothQuant (Xiao et al., arXiv 2211.10438), ``max|x|**a / max|w|**(1-a)``, at a = 1/2. ``equalize``:
    cross-layer equalization (Nagel et al., arXiv 1906.04721), the square root of the range of the weights that make a
    channel over the range of those that read it, which levels the channels as the encoder sees them. The weights that
    make a channel need no such factor where each channel has a scale of its own; where all share one, see ``levels``.
    With both, smoothing follows on
    what is equalized. A tensor that several layers read has one factor, of the largest weights. Factors are around 1;
    that of a channel which is always zero is 1.
    """
    if not {"smooth", "equalize"} & {*scheme.techniques}:
        return {}
    readers = _readers(graph)
    makers = _makers(graph) if "equalize" in scheme.techniques else {}
    found = {}
    for tensor, layers in readers.items():
        weights = np.max([_range_of_rows(layer) for layer in layers], axis=0)
        activations = statistics.largest[tensor].astype(np.float64)
        factor = np.ones_like(activations)
        maker = makers.get(tensor)
        if maker is not None and len(made := _range_of_columns(maker)) == len(factor):
            factor *= _ratio(made, weights)
        if "smooth" in scheme.techniques:
            smooth = (activations / factor) ** STRENGTH / np.maximum(weights * factor, 1e-30) ** (1 - STRENGTH)
            factor *= np.where((activations > 0) & (weights > 0), smooth, 1.0)
        alive = (activations > 0) & (weights > 0)
        if np.any(factor[alive] != 1):
            # around 1; a channel that never says anything must not stretch the weights' range
            factor[alive] /= np.exp(np.mean(np.log(factor[alive])))
            found[tensor] = np.where(alive, factor, 1.0).astype(np.float32)
    return found


def levels(graph: Graph, scheme: Scheme) -> dict[str, Array]:
    """By layer, what the columns of its weights are divided by before they are rounded with one scale (float32).

    For ``equalize`` where all weights of a tensor share a scale: by what a channel is divided where it is read the
    weights that make it are divided too, as cross-layer equalization has it; the requantizer's scale makes up for that,
    channel by channel. Of several tensors that a layer makes the first one read decides.
    """
    if "equalize" not in scheme.techniques or scheme.scale_per != "tensor":
        return {}
    makers = _makers(graph)
    found: dict[str, Array] = {}
    for tensor, layers in _readers(graph).items():
        maker = makers.get(tensor)
        weights = np.max([_range_of_rows(layer) for layer in layers], axis=0)
        if maker is None or maker.name in found or len(made := _range_of_columns(maker)) != len(weights):
            continue
        octaves = np.log2(_ratio(made, weights))
        found[maker.name] = np.exp2(octaves - octaves.mean()).astype(np.float32)
    return found


def _readers(graph: Graph) -> dict[str, list[Layer]]:
    """By tensor, the layers with weights that read it.

    Without tensors that attention's products read too, whose operands have one scale for the tensor, and without those
    whose channels are on one axis for one layer and on another for the next.
    """
    found: dict[str, list[Layer]] = {}
    for layer in graph.layers:
        if layer.weight is not None:
            found.setdefault(layer.activation, []).append(layer)
    for layer in graph.layers:
        if layer.weight is None:
            for name in layer.inputs:
                found.pop(name, None)
    return {name: layers for name, layers in found.items() if len({layer.convolution is None for layer in layers}) == 1}


def _ratio(made: Array, read: Array) -> Array:
    usable = (made > 0) & (read > 0)
    return np.where(usable, np.sqrt(np.where(usable, made, 1) / np.where(usable, read, 1)), 1.0)


def _range_of_rows(layer: Layer) -> Array:
    """The largest magnitude of the weights that read each channel."""
    assert layer.weight is not None
    largest = np.abs(layer.weight).max(axis=2)
    kernel = int(np.prod(layer.convolution.kernel)) if layer.convolution is not None else 1
    return np.asarray(largest.reshape(-1, kernel).max(axis=1), np.float64)


def _range_of_columns(layer: Layer) -> Array:
    """The largest magnitude of the weights that make each channel."""
    assert layer.weight is not None
    return np.abs(layer.weight).max(axis=1).reshape(-1).astype(np.float64)


def _makers(graph: Graph) -> dict[str, Layer]:
    """By tensor, the layer whose channels it has."""
    found: dict[str, Layer] = {}
    for step in graph.steps:
        if isinstance(step, Segment):
            for node in step.nodes:
                made = [name for name in node.input if name in found]
                shifted = node.op_type == "Add" and any(name in graph.constants for name in node.input)
                if made and (node.op_type in CHANNELWISE or shifted):
                    found[node.output[0]] = found[made[0]]
        elif isinstance(step, Layer) and step.weight is not None:
            found[step.output] = step
    return found
