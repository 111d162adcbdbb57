"""An ONNX network as what multiplies, which is quantized, and what lies between, which stays float32."""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper

__all__ = ["Convolution", "Graph", "Layer", "Segment", "session"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Convolution:
    """Over the last axes of (batch, channels, ...): ``kernel``, ``strides``, ``dilations`` and ``pads`` (before, after)
    for each of them; ``same``: ``upper`` or ``lower`` where the pads follow from the input's size instead (ONNX
    ``auto_pad``)."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]
    groups: int
    same: str = ""

    def pads_of(self, sizes: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
        """Zeros before and after, for an input of these sizes."""
        if not self.same:
            return self.pads
        found = []
        for size, kernel, stride, dilation in zip(sizes, self.kernel, self.strides, self.dilations, strict=True):
            reach = (kernel - 1) * dilation + 1
            total = max(0, (-(-size // stride) - 1) * stride + reach - size)
            less, more = total // 2, total - total // 2
            found.append((less, more) if self.same == "upper" else (more, less))
        return tuple(found)


@dataclass(frozen=True, eq=False)
class Layer:
    """A node that multiplies: a convolution, a linear layer, or the product of two activations.

    Members
    -------
    name: the node's, or that of its output
    activation: tensor of the left operand; (..., k), or (batch, channels, ...) of a convolution
    weight: (groups, k, n); None where the right operand is an activation
    other: tensor of the right operand where that is an activation, (..., k, n)
    bias: (groups * n,) or None
    output: tensor of the result; (..., n), or (batch, channels, ...) of a convolution
    convolution: None where it is none
    edge: whether it is the first or the last with weights
    """

    name: str
    activation: str
    weight: Array | None
    other: str | None
    bias: Array | None
    output: str
    convolution: Convolution | None = None
    edge: bool = False

    @property
    def inputs(self) -> list[str]:
        return [self.activation] if self.other is None else [self.activation, self.other]


class Segment:
    """Nodes between layers, as onnxruntime runs them in float32."""

    def __init__(self, nodes: list[NodeProto], graph: "Graph", outputs: list[str]):
        made = {name for node in nodes for name in node.output}
        used = list(dict.fromkeys(name for node in nodes for name in node.input if name))
        self.inputs = [name for name in used if name not in made and name not in graph.constants]
        self.nodes, self.outputs = nodes, outputs
        model = graph.model_of(nodes, self.inputs, outputs)
        self._session = session(model.SerializeToString(), graph.threads)

    def run(self, tensors: dict[str, Array]) -> list[Array]:
        feed = {name: tensors[name] for name in self.inputs}
        return [np.asarray(value) for value in self._session.run(self.outputs, feed)]


class Graph:
    """A network taken apart into layers and segments, in the order in which they run.

    Parameters
    ----------
    content: of the ONNX file. onnxruntime folds what is constant in it first
    threads: of onnxruntime; 0 for one a core

    Raises ValueError where it is no ONNX network that onnxruntime runs, or nothing in it multiplies.

    Members
    -------
    inputs, outputs: names of tensors
    layers: all that multiply
    steps: layers and segments
    skipped: kinds of nodes that multiply and are left in float32, with how many there are: recurrent ones and the like
    """

    def __init__(self, content: bytes, threads: int = 0):
        self.threads = threads
        self.model = _folded(content)
        graph = self.model.graph
        self.constants = {tensor.name: tensor for tensor in graph.initializer}
        self.inputs = [entry.name for entry in graph.input if entry.name not in self.constants]
        self.outputs = [entry.name for entry in graph.output]
        self._types = _types(self.model)
        layers = {index: layer for index, node in enumerate(graph.node) if (layer := self._layer(node)) is not None}
        weighted = [index for index, layer in layers.items() if layer.weight is not None]
        for index in {*weighted[:1], *weighted[-1:]}:
            layers[index] = Layer(**{**vars(layers[index]), "edge": True})
        if not layers:
            raise ValueError("model must have a Conv, Gemm or MatMul to quantize, not none")
        self.layers = [*layers.values()]
        kinds = [node.op_type for node in graph.node if node.op_type in _LEFT]
        self.skipped = {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}
        self.steps = [*self._steps(layers)]

    def model_of(self, nodes: list[NodeProto], inputs: list[str], outputs: list[str]) -> ModelProto:
        """A model of some of the nodes, with the constants that they need."""
        used = {name for node in nodes for name in node.input}
        made = helper.make_graph(
            nodes,
            "segment",
            [helper.make_tensor_value_info(name, self._types[name], None) for name in inputs],
            [onnx.ValueInfoProto(name=name) for name in outputs],
            [tensor for name, tensor in self.constants.items() if name in used],
        )
        opsets = [*self.model.opset_import]
        return helper.make_model(made, opset_imports=opsets, ir_version=min(self.model.ir_version, onnx.IR_VERSION))

    def constant(self, name: str) -> Array | None:
        tensor = self.constants.get(name)
        return None if tensor is None else numpy_helper.to_array(tensor)

    def _steps(self, layers: dict[int, Layer]) -> Iterator[Layer | Segment]:
        nodes = self.model.graph.node
        runs: list[list[int]] = [[]]
        for index in range(len(nodes)):
            if index in layers:
                runs += [[index], []]
            else:
                runs[-1].append(index)
        runs = [run for run in runs if run]
        for place, run in enumerate(runs):
            if run[0] in layers:
                yield layers[run[0]]
                continue
            later = {name for other in runs[place + 1 :] for index in other for name in nodes[index].input}
            later |= set(self.outputs)
            made = [name for index in run for name in nodes[index].output if name in later]
            yield Segment([nodes[index] for index in run], self, made)

    def _layer(self, node: NodeProto) -> Layer | None:
        name = node.name or node.output[0]
        if node.op_type == "Conv":
            return self._convolution(node, name)
        if node.op_type == "Gemm":
            return self._gemm(node, name)
        if node.op_type == "MatMul":
            right = self.constant(node.input[1])
            if node.input[0] in self.constants or (right is not None and right.ndim != 2):
                return None
            if right is None:
                return Layer(name, node.input[0], None, node.input[1], None, node.output[0])
            return Layer(name, node.input[0], right[None].astype(np.float32), None, None, node.output[0])
        return None

    def _gemm(self, node: NodeProto, name: str) -> Layer | None:
        attributes = _attributes(node)
        weight = self.constant(node.input[1])
        bias = self.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else None
        plain = not attributes.get("transA") and attributes.get("alpha", 1.0) == attributes.get("beta", 1.0) == 1.0
        constant = len(node.input) < 3 or bias is not None or not node.input[2]
        if weight is None or not plain or not constant:
            return None
        weight = weight.T if attributes.get("transB") else weight
        bias = None if bias is None else np.broadcast_to(bias.reshape(-1), weight.shape[1]).astype(np.float32)
        return Layer(name, node.input[0], np.ascontiguousarray(weight[None], np.float32), None, bias, node.output[0])

    def _convolution(self, node: NodeProto, name: str) -> Layer | None:
        attributes = _attributes(node)
        weight = self.constant(node.input[1])
        bias = self.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else None
        if weight is None:
            return None
        same = {b"SAME_UPPER": "upper", b"SAME_LOWER": "lower"}.get(attributes.get("auto_pad", b""), "")
        axes = weight.ndim - 2
        groups = int(attributes.get("group", 1))
        pads = attributes.get("pads", [0] * (2 * axes))
        shape = Convolution(
            weight.shape[2:],
            tuple(attributes.get("strides", [1] * axes)),
            tuple(attributes.get("dilations", [1] * axes)),
            tuple(zip(pads[:axes], pads[axes:], strict=True)),
            groups,
            same,
        )
        by_group = weight.reshape(groups, weight.shape[0] // groups, -1).transpose(0, 2, 1)
        return Layer(name, node.input[0], np.ascontiguousarray(by_group, np.float32), None, bias, node.output[0], shape)


_LEFT = ("ConvTranspose", "Einsum", "RNN", "LSTM", "GRU", "MatMulInteger", "QLinearConv", "QLinearMatMul")


def session(model: bytes, threads: int = 0) -> Any:
    """Of onnxruntime, silent. Raises ValueError where it refuses the model."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ValueError(f"model must be an ONNX network that onnxruntime runs: {_one_line(error)}") from None


def _folded(content: bytes) -> ModelProto:
    """The network with everything constant computed, and without training's leftovers, by onnxruntime itself."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory(prefix="fewbit-") as folder:
        options.optimized_model_filepath = os.fspath(Path(folder, "folded.onnx"))
        try:
            onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise ValueError(f"model must be an ONNX network that onnxruntime runs: {_one_line(error)}") from None
        return onnx.load(options.optimized_model_filepath)


def _types(model: ModelProto) -> dict[str, int]:
    """The element type of every tensor."""
    inferred = onnx.shape_inference.infer_shapes(model)
    entries = (*inferred.graph.value_info, *inferred.graph.input, *inferred.graph.output)
    known = {entry.name: entry.type.tensor_type.elem_type for entry in entries}
    made = (name for node in model.graph.node for name in node.output)
    return {**dict.fromkeys(made, onnx.TensorProto.FLOAT), **{name: kind for name, kind in known.items() if kind}}


def _attributes(node: NodeProto) -> dict[str, Any]:
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
