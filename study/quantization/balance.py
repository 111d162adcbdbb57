"""Factors move range between activations and weights, channel by channel, so that both are easier to round.

An activation is divided by a factor before it is rounded, and the weights that it meets are multiplied by the same
factor, so that products do not change. In hardware, the division is part of the scale by which the layer before
requantizes.
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
"""The share of the activations' range that moves into the weights. It is SmoothQuant's alpha."""

CHANNELWISE = ("Relu", "Clip", "LeakyRelu", "Gelu", "MaxPool", "AveragePool", "GlobalAveragePool", "Identity", "Pad")
"""Nodes that do not mix channels: behind them, a channel is still the one of the layer before."""


def balance(graph: Graph, scheme: Scheme, statistics: CalibrationStatistics) -> dict[str, Array]:
    """A factor for each channel (float32) of every tensor that meets weights, by tensor. Empty without techniques.

    ``smooth``: SmoothQuant (Xiao et al., arXiv 2211.10438), ``max|x|**a / max|w|**(1-a)``, at a = 1/2. ``equalize``:
    cross-layer equalization (Nagel et al., arXiv 1906.04721), the square root of the range of the weights that make a
    channel over the range of those that read it, which levels the channels as the encoder sees them. The weights that
    make a channel need no such factor if each channel has a scale of its own; if all share one, see ``levels``.
    With both techniques, smoothing comes after equalization. A tensor that several layers read has one factor, by the
    largest of their weights. Factors are around 1; a channel that is always zero has the factor 1.
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
            # factors are around 1, and a channel that is always zero must not stretch the weights' range
            factor[alive] /= np.exp(np.mean(np.log(factor[alive])))
            found[tensor] = np.where(alive, factor, 1.0).astype(np.float32)
    return found


def levels(graph: Graph, scheme: Scheme) -> dict[str, Array]:
    """What the columns of a layer's weights are divided by before they are rounded with one scale (float32), by layer.

    This is for ``equalize`` if all weights of a tensor share a scale. A channel is divided by a factor where it is
    read. The weights that make the channel are then divided by that factor too, as in cross-layer equalization, and the
    requantizer's scale makes up for it, channel by channel. If a layer makes several tensors, the first one that is
    read decides.
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
    """The layers with weights that read a tensor, by tensor.

    Tensors are left out that a product of two activations reads too, since its operands have one scale for the tensor.
    So are tensors whose channels are on different axes for different layers.
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
    """The layer that made the channels of a tensor, by tensor."""
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
