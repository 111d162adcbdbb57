"""Networks that came quantized, as QONNX: their quantizers apart, and the rest as onnxruntime can read it.

onnxruntime knows no node of QONNX. So the graph is cut at each: what the quantizer reads becomes an output, what it
makes an input. onnxruntime folds what is constant, and then the quantizers are put back: those of weights computed,
those of activations as nodes between the others.
"""

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from .quantizer import DOMAINS, Array, Quantizer, is_quantizer

__all__ = ["Cut", "GivenWeight", "cut", "is_qonnx", "ordinary"]


@dataclass(frozen=True, eq=False)
class GivenWeight:
    """A constant that came behind a quantizer: its rounded values, and the scale of each, both of the same shape."""

    values: Array
    scales: Array
    quantizer: Quantizer


def is_qonnx(content: bytes) -> bool:
    """Whether any node is QONNX's."""
    try:
        model = onnx.load_model_from_string(content)
    except Exception:
        return False
    return any(node.domain in DOMAINS for node in model.graph.node)


class Cut:
    """A network of QONNX without its quantizers.

    Members
    -------
    content: what is left, a network of ordinary nodes
    """

    def __init__(self, model: ModelProto):
        graph = model.graph
        self._nodes = [node for node in graph.node if is_quantizer(node)]
        kept = [node for node in graph.node if node.domain not in DOMAINS]
        self._constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        self._constants |= _constants_of(kept)
        self._made = [name for node in self._nodes for name in node.output]
        own = {*self._made, *self._constants, *(entry.name for entry in (*graph.input, *graph.output))}
        read = dict.fromkeys(name for node in self._nodes for name in node.input if name and name not in own)
        self._read = [*read]
        self._outputs = [entry.name for entry in graph.output]
        left = ModelProto()
        left.CopyFrom(model)
        del left.graph.node[:], left.graph.value_info[:], left.graph.output[:]
        left.graph.node.extend(kept)
        left.graph.input.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in self._made)
        left.graph.output.extend(entry for entry in graph.output if entry.name not in self._made)
        left.graph.output.extend(onnx.ValueInfoProto(name=name) for name in self._read)
        self.content = left.SerializeToString()

    def joined(self, folded: ModelProto) -> tuple[ModelProto, dict[str, GivenWeight]]:
        """The network with its quantizers of activations, and by tensor what its quantizers of weights made."""
        graph = folded.graph
        constants = self._constants | {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        weights: dict[str, GivenWeight] = {}
        nodes = [*graph.node]
        for node in self._nodes:
            value = constants.get(node.input[0])
            if value is None:
                nodes.append(node)
                continue
            quantizer = Quantizer.of(node, constants.get)
            values = quantizer.rounded(value)
            weights[node.output[0]] = GivenWeight(values, np.broadcast_to(quantizer.scale, values.shape), quantizer)
            constants[node.output[0]] = values
        nodes = _without_transposes(nodes, weights)
        inputs = [entry for entry in graph.input if entry.name not in self._made]
        outputs = [onnx.ValueInfoProto(name=name) for name in self._outputs]
        known = {tensor.name for tensor in graph.initializer}
        used = {name for node in nodes for name in node.input} - known
        tensors = [numpy_helper.from_array(constants[name], name) for name in used if name in constants]
        tensors += [
            numpy_helper.from_array(np.ascontiguousarray(weight.values), name)
            for name, weight in weights.items()
            if name not in constants and name in used
        ]
        present = {*known, *(tensor.name for tensor in tensors), *(entry.name for entry in inputs)}
        made = helper.make_graph(_sorted(nodes, present), "network", inputs, outputs, [*graph.initializer, *tensors])
        return helper.make_model(made, opset_imports=[*folded.opset_import], ir_version=folded.ir_version), weights


def cut(content: bytes) -> Cut:
    """A network of QONNX taken apart, with any number of samples as its batch.

    Raises ValueError where it has nodes of QONNX that are not read.
    """
    return Cut(_any_batch(onnx.load_model_from_string(content)))


def _any_batch(model: ModelProto) -> ModelProto:
    """Exporters fix the batch, in the inputs' shapes and in Reshape's: let it be free, as the first dimension."""
    initializers = {tensor.name for tensor in model.graph.initializer}
    fixed = [entry.type.tensor_type.shape.dim[:1] for entry in model.graph.input if entry.name not in initializers]
    if not any(dim and dim[0].dim_value for dim in fixed):
        return model
    shapes = _shapes(model)
    for number, node in enumerate(model.graph.node):
        shape = shapes.get(node.output[0], [])
        if node.op_type == "Reshape" and shape and all(shape):
            name = f"fewbit_shape_{number}"
            model.graph.initializer.append(numpy_helper.from_array(np.array([-1, *shape[1:]], np.int64), name))
            node.input[1] = name
    for entry in (*model.graph.input, *model.graph.output):
        if entry.name not in initializers and entry.type.tensor_type.shape.dim:
            entry.type.tensor_type.shape.dim[0].dim_param = "batch"
    return model


def _shapes(model: ModelProto) -> dict[str, list[int]]:
    """Of every tensor, 0 where a dimension is not known."""
    graph = onnx.shape_inference.infer_shapes(ordinary(model)).graph
    return {
        entry.name: [dim.dim_value for dim in entry.type.tensor_type.shape.dim]
        for entry in (*graph.value_info, *graph.input, *graph.output)
    }


def ordinary(model: ModelProto) -> ModelProto:
    """A copy in which quantizers do nothing, for whoever does not know them."""
    plain = ModelProto()
    plain.CopyFrom(model)
    for node in plain.graph.node:
        if node.domain in DOMAINS:
            node.op_type, node.domain = "Identity", ""
            del node.input[1:], node.attribute[:]
    return plain


def _constants_of(nodes: list[NodeProto]) -> dict[str, Array]:
    found = {}
    for node in nodes:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            found[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    return found


def _without_transposes(nodes: list[NodeProto], weights: dict[str, GivenWeight]) -> list[NodeProto]:
    """Weights transposed behind their quantizer are as good as before it."""
    left = []
    for node in nodes:
        given = weights.get(node.input[0]) if node.op_type == "Transpose" else None
        if given is None:
            left.append(node)
            continue
        axes = next((attribute.ints for attribute in node.attribute if attribute.name == "perm"), None)
        values, scales = (np.transpose(part, axes) for part in (given.values, given.scales))
        weights[node.output[0]] = GivenWeight(values, scales, given.quantizer)
    return left


def _sorted(nodes: list[NodeProto], present: set[str]) -> list[NodeProto]:
    """In an order in which every node finds its inputs."""
    done, found = {*present, ""}, []
    while nodes:
        waiting = []
        for node in nodes:
            if done.issuperset(node.input[:1] if node.domain in DOMAINS else node.input):
                done.update(node.output)
                found.append(node)
            else:
                waiting.append(node)
        if len(waiting) == len(nodes):
            raise ValueError(f"model must be a graph without circles, not one around {nodes[0].output[0]!r}")
        nodes = waiting
    return found
