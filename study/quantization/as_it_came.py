"""A network that came quantized is read layer by layer, with its own codes and scales. Nothing is searched."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..network import grid
from ..network.graph import Graph, Segment
from ..network.layer import Layer
from ..network.quantizer import Quantizer
from .quantize import QuantizedLayer, as_integers

__all__ = ["as_it_came", "rounded"]

Array = NDArray[Any]

NEARLY = 2.0**-20
"""A bias is taken for a whole number of units if it differs from one by at most this share of itself."""

KEEPS = (
    *("Identity", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Expand", "Slice", "Split", "Gather"),
    *("MaxPool", "GlobalMaxPool", "Relu", "Dropout"),
)
"""Nodes whose outputs have only values of their first input, and 0."""


def as_it_came(graph: Graph) -> dict[str, QuantizedLayer]:
    """Every layer, by name, that can be computed with integers. All others stay float32.

    Both operands of such a layer are rounded by quantizers. Their formats have at most 16 bits. An activation has one
    scale, and weights have one, or one for each column. If a zero point is no code of its format, 0 has no code either;
    a convolution with a border stays float32 then.

    Raises ValueError if the network did not come quantized, or if no layer is left.
    """
    if not graph.quantized:
        raise ValueError("model must have come quantized, as QONNX, to be studied as it came")
    quantizers = rounded(graph)
    found = {}
    for layer in graph.layers:
        own = [quantizers.get(name) for name in layer.inputs]
        quantized = _quantized(layer, [quantizer for quantizer in own if quantizer is not None])
        if quantized is not None:
            found[layer.name] = quantized
    if not found:
        raise ValueError(
            "model must have a layer both of whose operands are quantized, with one scale each and a code for the "
            "zeros of a border, not none"
        )
    return found


def _quantized(layer: Layer, quantizers: list[Quantizer]) -> QuantizedLayer | None:
    if len(quantizers) != len(layer.inputs):
        return None
    factor = np.float32(1) if layer.factor is None else layer.factor
    divisors = [quantizer.scale.reshape(()) for quantizer in quantizers]
    formats = [quantizer.format for quantizer in quantizers]
    if layer.weight is None:
        if any(quantizer.zero_point for quantizer in quantizers):
            raise ValueError(f"zero points must be 0 where both operands are activations, as in {layer.name!r}")
        assert formats[0] is not None and formats[1] is not None
        scale = np.asarray(divisors[0] * divisors[1] * factor, np.float32)
        return QuantizedLayer(layer, formats[1], formats[0], None, divisors[0], divisors[1], scale, None, None)
    if layer.weight_format is None:
        return None
    assert layer.weight_scale is not None and formats[0] is not None
    if layer.convolution is not None and layer.convolution.padded and not _has_zero(quantizers[0]):
        return None
    groups, _, n = layer.weight.shape
    step = layer.weight_scale if layer.weight_scale.ndim == 0 else layer.weight_scale.reshape(groups, 1, n)
    codes = grid.codes(layer.weight / step, layer.weight_format)
    unit = (layer.weight_scale * divisors[0]).astype(np.float32)
    bias, after = _bias(layer.bias, unit, layer.weight_format.lsb_exponent + formats[0].lsb_exponent)
    if after is not None:
        after = (after * factor).astype(np.float32)
    scale = np.asarray(unit * factor, np.float32)
    made = QuantizedLayer(layer, layer.weight_format, formats[0], codes, divisors[0], None, scale, bias, after)
    if not quantizers[0].zero_point:
        return made
    made = replace(made, zero_point=quantizers[0].zero_point)
    return replace(made, bias=-made.offset if bias is None else bias - made.offset)


def _bias(bias: Array | None, scale: Array, lsb_exponent: int) -> tuple[Array | None, Array | None]:
    """The bias as integers if it is whole numbers but for float32's rounding, or else as it came, so that nothing is
    lost."""
    integers, after = as_integers(bias, scale, lsb_exponent)
    if bias is None or integers is None:
        return integers, after
    units = np.ldexp(bias.astype(np.float64) / scale, -lsb_exponent)
    if np.all(np.abs(units - integers) <= NEARLY * np.maximum(np.abs(units), 1)):
        return integers, None
    return None, bias.astype(np.float32)


def rounded(graph: Graph) -> dict[str, Quantizer]:
    """The quantizer that rounded the values of a tensor, for tensors that layers can use, by the tensor."""
    found: dict[str, Quantizer] = {}
    for step in graph.steps:
        if isinstance(step, Quantizer):
            if step.format is not None and step.scale.size == 1:
                found[step.output] = step
        elif isinstance(step, Segment):
            for node in step.nodes:
                quantizer = found.get(node.input[0]) if node.input else None
                if (
                    quantizer is not None
                    and node.op_type in KEEPS
                    and (node.op_type != "Relu" or not _is_below_zero(quantizer))
                ):
                    found.update(dict.fromkeys(node.output, quantizer))
    return found


def _is_below_zero(quantizer: Quantizer) -> bool:
    """Whether all values of a quantizer are below zero, so that the zeros of a Relu have no code."""
    assert quantizer.format is not None
    return quantizer.zero_point > quantizer.format.max_integer


def _has_zero(quantizer: Quantizer) -> bool:
    """Whether 0 is among the values of a quantizer, which are those of its format minus its zero point."""
    assert quantizer.format is not None
    return quantizer.format.min_integer <= quantizer.zero_point <= quantizer.format.max_integer
