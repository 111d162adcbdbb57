"""Quantized networks as QONNX, for the qonnx package; FINN and hls4ml read it where formats are integers.

Every layer is written as hardware computes it. Its operand is divided by its scale, and rounded by a quantizer of scale
1. It is multiplied by weights that are the values of their codes, also behind a quantizer of scale 1. The bias is added
in the same units, and one factor follows. So a reader of the file finds the formats at every multiplication and the
codes as they are, and computes the same numbers as the float evaluation. (Scales inside the quantizers would multiply
every rounded value by its scale before the products are summed, which would round in float32 at every step.)
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from ...formats import Format, Integer, Minifloat
from ..network.float_layer import layer_nodes
from ..network.graph import Graph, Segment
from ..network.layer import Layer
from ..network.quantizer import DOMAINS
from .block_layer import BlockLayer
from .engines import bias_before
from .quantize import QuantizedLayer

__all__ = ["check_format", "write_qonnx"]

Array = NDArray[Any]

OPSET = 1
"""The version of QONNX's nodes."""


def write_qonnx(graph: Graph, layers: Mapping[str, QuantizedLayer | BlockLayer], batch: int | None = 1) -> bytes:
    """The content of an ONNX file with the network and a ``Quant`` or ``FloatQuant`` before every multiplication.

    Parameters
    ----------
    layers: all layers of the network, by name
    batch: samples at a time, which FINN and the qonnx package want to be a number; None leaves it as it is

    Raises ValueError for formats that QONNX has no counterpart for, scales for blocks, and a network that was QONNX
    already.
    """
    if graph.quantized:
        raise ValueError("model must not have come quantized to be written as QONNX: it is QONNX already")
    writer = _Writer(graph, batch)
    for step in graph.steps:
        if isinstance(step, Layer):
            writer.add_layer(layers[step.name])
        elif isinstance(step, Segment):
            writer.nodes += step.nodes
    return writer.model().SerializeToString()


class _Writer:
    def __init__(self, graph: Graph, batch: int | None):
        self._graph = graph
        self._plain = _with_batch(graph.model, batch)
        shapes = onnx.shape_inference.infer_shapes(self._plain).graph
        self._shapes = {entry.name: entry for entry in (*shapes.value_info, *shapes.input, *shapes.output)}
        self.nodes: list[NodeProto] = []
        self._constants = dict(graph.constants)
        self._infos: dict[str, onnx.ValueInfoProto] = {entry.name: entry for entry in shapes.value_info}
        self._rounded: dict[tuple[str, Format, bytes], str] = {}
        self._taken = {*graph.constants, *graph.inputs}.union(*(node.output for node in graph.model.graph.node))

    def add_layer(self, quantized: QuantizedLayer | BlockLayer) -> None:
        layer = quantized.layer
        if isinstance(quantized, BlockLayer):
            raise ValueError(f"scales must be of tensors or channels in QONNX, not of blocks as in {layer.name!r}")
        nodes, constants = layer_nodes(
            layer, quantized.weights, bias_before(quantized), quantized.scale, quantized.after
        )
        names = {"x": self._operand(layer.activation, quantized.activation_format, quantized, 0)}
        if layer.other is not None:
            names["w"] = self._operand(layer.other, quantized.weight_format, quantized, 1)
        for local, values in constants.items():
            names[local] = self._constant(f"{layer.name}.{local}", values)
        if quantized.codes is not None:
            names["w"] = self._quantizer(names["w"], quantized.weight_format, f"{layer.name}.rounded")
        for node in nodes:
            between = f"{layer.name}.{node.output[0]}"
            names[node.output[0]] = layer.output if node is nodes[-1] else self._tensor(between, layer.output)
            inputs, outputs = ([names[name] for name in ends] for ends in (node.input, node.output))
            made = NodeProto()
            made.CopyFrom(node)
            del made.input[:], made.output[:]
            made.input.extend(inputs)
            made.output.extend(outputs)
            made.name = layer.name if node is nodes[0] else f"{layer.name}.{node.op_type}"
            self.nodes.append(made)

    def model(self) -> ModelProto:
        used = {name for node in self.nodes for name in node.input} | {*self._graph.outputs}
        made = helper.make_graph(
            self.nodes,
            "network",
            [entry for entry in self._plain.graph.input if entry.name not in self._graph.constants],
            [self._shapes[entry.name] for entry in self._plain.graph.output],
            [tensor for name, tensor in self._constants.items() if name in used],
            value_info=[entry for name, entry in self._infos.items() if name in used],
        )
        domains = {node.domain for node in self.nodes}
        opsets = [entry for entry in self._graph.model.opset_import if entry.domain in domains]
        opsets.append(helper.make_opsetid(DOMAINS[0], OPSET))
        version = min(self._graph.model.ir_version, onnx.IR_VERSION)
        return helper.make_model(made, opset_imports=opsets, ir_version=version, producer_name="fewbit")

    def _operand(self, name: str, format: Format, quantized: QuantizedLayer, place: int) -> str:
        """Divide and round an activation. It is written once for all layers that take it in the same way."""
        divisor = quantized.divisor if place == 0 else quantized.other_divisor
        assert divisor is not None
        key = (name, format, divisor.tobytes())
        if key not in self._rounded:
            count = sum(known == name for known, _, _ in self._rounded)
            title = f"{name}.{format.name}" + (f".{count}" if count else "")
            by = self._constant(f"{title}.scale", quantized.layer.by_channel(divisor))
            found = self._node("Div", [name, by], f"{title}.divided", name)
            if not format.signed:
                # this changes nothing, but FINN takes unsigned quantizers only behind such a node
                found = self._node("Relu", [found], f"{title}.positive", name)
            self._rounded[key] = self._quantizer(found, format, f"{title}.rounded", name)
        return self._rounded[key]

    def _quantizer(self, name: str, format: Format, output: str, like: str | None = None) -> str:
        kind, parameters, attributes = _node_of(format)
        names = [self._constant(f"quantizer.{label}.{value:g}", np.float32(value)) for label, value in parameters]
        return self._node(kind, [name, *names], output, like or name, **attributes)

    def _own(self, name: str) -> str:
        """A name that no tensor of the network has."""
        while name in self._taken:
            name += "'"
        return name

    def _node(self, kind: str, inputs: list[str], output: str, like: str, **attributes: Any) -> str:
        domain = DOMAINS[0] if kind in ("Quant", "FloatQuant") else ""
        output = self._tensor(output, like)
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, domain=domain, **attributes))
        return output

    def _tensor(self, name: str, like: str) -> str:
        """A new tensor of the shape of a known one."""
        name = self._own(name)
        entry = self._infos.get(like) or self._shapes.get(like)
        if entry is not None:
            self._infos[name] = onnx.ValueInfoProto(name=name, type=entry.type)
        return name

    def _constant(self, name: str, values: Any) -> str:
        name = self._own(name)
        self._constants[name] = numpy_helper.from_array(np.asarray(values, np.float32), name)
        self._infos[name] = helper.make_tensor_value_info(name, TensorProto.FLOAT, np.shape(values))
        return name


def check_format(format: Format) -> None:
    """Raise ValueError for a format that QONNX has no quantizer for."""
    _node_of(format)


def _node_of(format: Format) -> tuple[str, list[tuple[str, float]], dict[str, Any]]:
    """The kind, the inputs after the tensor, and the attributes of a quantizer with scale 1."""
    if isinstance(format, Integer) and (format.unsigned or format.bits > 1):
        parameters = [("scale", 1.0), ("zero_point", 0.0), ("width", float(format.bits))]
        attributes = {"signed": int(not format.unsigned), "narrow": int(format.symmetric), "rounding_mode": "ROUND"}
        return "Quant", parameters, attributes
    if isinstance(format, Minifloat) and format.has_sign and format.subnormals:
        parameters = [
            ("scale", 1.0),
            ("exponent_width", float(format.exponent_bits)),
            ("mantissa_width", float(format.fraction_bits)),
            ("exponent_bias", float(format.bias)),
            ("max_val", float(format.max_finite)),
        ]
        flags = {"has_inf": format.has_infinity, "has_nan": format.has_nan, "has_subnormal": True, "saturation": True}
        return "FloatQuant", parameters, {name: int(flag) for name, flag in flags.items()} | {"rounding_mode": "ROUND"}
    kinds = "int{N}, int{N}s, uint{N} or a signed minifloat"
    raise ValueError(f"format must be {kinds} to be written as QONNX, not {format.name!r}")


def _with_batch(model: ModelProto, batch: int | None) -> ModelProto:
    found = ModelProto()
    found.CopyFrom(model)
    if batch is not None:
        del found.graph.value_info[:]
        constants = {tensor.name for tensor in found.graph.initializer}
        for entry in (*found.graph.input, *found.graph.output):
            if entry.name not in constants and entry.type.tensor_type.shape.dim:
                entry.type.tensor_type.shape.dim[0].dim_value = batch
    return found
