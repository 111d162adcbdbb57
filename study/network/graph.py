"""An ONNX network as what multiplies, which is quantized, and what lies between, which stays float32."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from ...formats import Format
from .network import Samples
from .qonnx_read import GivenWeight, cut, is_qonnx, ordinary
from .quantizer import Quantizer, is_quantizer
from .runtime import attributes_of, folded, graphs_within, reads, session, tensors

__all__ = ["Convolution", "Graph", "Layer", "Segment"]

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
    edge: whether it has weights, and no other with weights is before it, or none is behind it
    factor: (groups * n,) or of shape (), what the sum and its bias are multiplied by; None for nothing
    weight_format, weight_scale: where the weights came quantized: what they are rounded to, and (groups * n,) or ()
    """

    name: str
    activation: str
    weight: Array | None
    other: str | None
    bias: Array | None
    output: str
    convolution: Convolution | None = None
    edge: bool = False
    factor: Array | None = None
    weight_format: Format | None = None
    weight_scale: Array | None = None

    @property
    def kind(self) -> str:
        """In ONNX's words; what is no convolution is a MatMul, whatever it came as."""
        return "MatMul" if self.convolution is None else "Conv"

    @property
    def inputs(self) -> list[str]:
        return [self.activation] if self.other is None else [self.activation, self.other]

    def by_channel(self, values: Array) -> Array:
        """A number, or one for each channel, so that it broadcasts to the left operand or to the result."""
        if values.ndim == 0 or self.convolution is None:
            return values
        return values.reshape(1, -1, *[1] * len(self.convolution.kernel))


class Segment:
    """Nodes between layers, as onnxruntime runs them in float32."""

    def __init__(self, nodes: list[NodeProto], graph: "Graph", outputs: list[str]):
        made = {name for node in nodes for name in node.output}
        used = list(dict.fromkeys(name for node in nodes for name in reads(node) if name))
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

    Raises ValueError where it is no ONNX network that onnxruntime runs, where nothing in it multiplies, where what does
    is in float16 or double, or where an input's first dimension is a fixed number of samples.

    Members
    -------
    inputs, outputs: names of tensors
    layers: all that multiply
    quantized: whether it came quantized, as QONNX
    steps: layers and segments, and the quantizers of activations that it came with
    skipped: kinds of nodes that multiply and are left in float32, with how many there are: recurrent ones, products
        with a constant on the left, what is within branches and loops, and the like
    """

    def __init__(self, content: bytes, threads: int = 0):
        self.threads = threads
        self.quantized = is_qonnx(content)
        self._given: dict[str, GivenWeight] = {}
        if self.quantized:
            parted = cut(content)
            self.model, self._given = parted.joined(folded(parted.content))
        else:
            self.model = folded(content)
        graph = self.model.graph
        self.constants = {tensor.name: tensor for tensor in graph.initializer}
        self.inputs = [entry.name for entry in graph.input if entry.name not in self.constants]
        self.outputs = [entry.name for entry in graph.output]
        self._tensors = tensors(ordinary(self.model) if self.quantized else self.model)
        for name in self.inputs:
            shape = self._tensors[name][1]
            if shape and isinstance(shape[0], int):
                raise ValueError(
                    f"model must take any number of samples, a first dimension by name, not {shape[0]} for {name!r}"
                )
        layers = {index: layer for index, node in enumerate(graph.node) if (layer := self._layer(node)) is not None}
        names = [layer.name for layer in layers.values()]
        layers = {
            index: layer if names.count(layer.name) == 1 else replace(layer, name=f"{layer.name}:{layer.output}")
            for index, layer in layers.items()
        }
        for index in _edges(graph.node, {index for index, layer in layers.items() if layer.weight is not None}):
            layers[index] = replace(layers[index], edge=True)
        if not layers:
            raise ValueError("model must have a Conv, Gemm or MatMul in float32 to quantize, not none")
        absorbed = self._absorb(layers) if self.quantized else set()
        self.layers = [*layers.values()]
        rest = [node for index, node in enumerate(graph.node) if index not in layers]
        rest += [inner for node in rest for within in graphs_within(node) for inner in within.node]
        kinds = [node.op_type for node in rest if node.op_type in _MULTIPLY]
        self.skipped = {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}
        self.steps = [*self._steps(layers, absorbed)]

    def model_of(self, nodes: list[NodeProto], inputs: list[str], outputs: list[str]) -> ModelProto:
        """A model of some of the nodes, with the constants that they need."""
        used = {name for node in nodes for name in reads(node)}
        made = helper.make_graph(
            nodes,
            "segment",
            [helper.make_tensor_value_info(name, *self._tensors[name]) for name in inputs],
            [onnx.ValueInfoProto(name=name) for name in outputs],
            [tensor for name, tensor in self.constants.items() if name in used],
        )
        opsets = [*self.model.opset_import]
        return helper.make_model(made, opset_imports=opsets, ir_version=min(self.model.ir_version, onnx.IR_VERSION))

    def check(self, samples: Samples) -> None:
        """Raise ValueError where the model cannot take them."""
        for name in self.inputs:
            kind, shape = self._tensors[name]
            wanted, values = helper.tensor_dtype_to_np_dtype(kind), samples.inputs[name]
            if values.dtype != wanted:
                raise ValueError(f"samples must be {wanted} for {name!r}, not {values.dtype}")
            if shape is None:
                continue
            pairs = zip(shape[1:], values.shape[1:], strict=False)
            if len(shape) != values.ndim or any(isinstance(each, int) and each != given for each, given in pairs):
                sizes = ", ".join(str(each if isinstance(each, int) else each or "any") for each in shape)
                raise ValueError(f"samples must have the shape ({sizes}) for {name!r}, not {values.shape}")

    def constant(self, name: str) -> Array | None:
        tensor = self.constants.get(name)
        return None if tensor is None else numpy_helper.to_array(tensor)

    def _kind(self, name: str) -> int:
        """The element type of a tensor."""
        constant = self.constants.get(name)
        return self._tensors[name][0] if constant is None else constant.data_type

    def _absorb(self, layers: dict[int, Layer]) -> set[int]:
        """A bias and a factor that follow a layer which came quantized become its own; returns what they came from."""
        nodes = self.model.graph.node
        readers: dict[str, list[int]] = {}
        for index, node in enumerate(nodes):
            for name in reads(node):
                readers.setdefault(name, []).append(index)
        absorbed = set()
        for place, layer in layers.items():
            if layer.weight is not None and layer.weight_format is None:
                continue
            while layer.factor is None and layer.output not in self.outputs:
                follow = readers.get(layer.output, [])
                node = nodes[follow[0]] if len(follow) == 1 else None
                values = None if node is None else self._by_column(layer, node)
                if node is None or values is None or (node.op_type == "Add" and layer.bias is not None):
                    break
                if node.op_type == "Mul":
                    layer = replace(layer, output=node.output[0], factor=values)
                elif layer.weight is not None:
                    columns = layer.weight.shape[0] * layer.weight.shape[2]
                    layer = replace(layer, output=node.output[0], bias=np.broadcast_to(values, (columns,)))
                else:
                    break
                absorbed.add(follow[0])
            layers[place] = layer
        return absorbed

    def _by_column(self, layer: Layer, node: NodeProto) -> Array | None:
        """What an Add or Mul has for each column of a layer's result, or for all; None where it is neither."""
        if node.op_type not in ("Add", "Mul"):
            return None
        values = next((found for name in node.input if (found := self.constant(name)) is not None), None)
        if values is None or values.dtype != np.float32:
            return None
        if values.size == 1:
            return np.asarray(values.reshape(()))
        if layer.weight is None:
            return None
        axes = 0 if layer.convolution is None else len(layer.convolution.kernel)
        columns = layer.weight.shape[0] * layer.weight.shape[2]
        whole = (columns, *[1] * axes)
        return values.reshape(-1) if values.shape in (whole, (1, *whole)) else None

    def _steps(self, layers: dict[int, Layer], absorbed: set[int]) -> Iterator[Layer | Segment | Quantizer]:
        nodes = self.model.graph.node
        alone = {index for index in range(len(nodes)) if index in layers or is_quantizer(nodes[index])}
        runs: list[list[int]] = [[]]
        for index in range(len(nodes)):
            if index in alone:
                runs += [[index], []]
            elif index not in absorbed:
                runs[-1].append(index)
        runs = [run for run in runs if run]
        for place, run in enumerate(runs):
            if run[0] in layers:
                yield layers[run[0]]
                continue
            if run[0] in alone:
                yield Quantizer.of(nodes[run[0]], self.constant)
                continue
            later = {name for other in runs[place + 1 :] for index in other for name in reads(nodes[index])}
            later |= set(self.outputs)
            made = [name for index in run for name in nodes[index].output if name in later]
            yield Segment([nodes[index] for index in run], self, made)

    def _layer(self, node: NodeProto) -> Layer | None:
        name = node.name or node.output[0]
        if node.op_type in ("Conv", "Gemm", "MatMul"):
            kind = self._kind(node.input[0])
            if kind not in _FLOATS:
                return None
            if kind != TensorProto.FLOAT:
                raise ValueError(f"model must be float32 where it multiplies, not {_FLOATS[kind]} in {name!r}")
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
            weight = right[None].astype(np.float32)
            given = self._given_weight(node, lambda tensor: tensor[None])
            return Layer(name, node.input[0], weight, None, None, node.output[0], **given)
        return None

    def _given_weight(self, node: NodeProto, arranged: Callable[[Array], Array]) -> dict[str, Any]:
        """Of weights that came quantized, format and scale; ``arranged``: as (groups, k, n)."""
        given = self._given.get(node.input[1])
        if given is None or given.quantizer.format is None:
            return {}
        if given.quantizer.zero_point:
            raise ValueError(
                f"zero point of weights must be 0, not {given.quantizer.zero_point} in {given.quantizer.name!r}"
            )
        scales = arranged(given.scales)
        if np.any(scales != scales[:, :1]):
            return {}
        scale = scales[:, 0].reshape(-1).astype(np.float32)
        uniform = np.all(scale == scale[0])
        return {
            "weight_format": given.quantizer.format,
            "weight_scale": scale[0].reshape(()) if uniform else scale,
        }

    def _gemm(self, node: NodeProto, name: str) -> Layer | None:
        attributes = attributes_of(node)
        weight = self.constant(node.input[1])
        bias = self.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else None
        alpha, beta = attributes.get("alpha", 1.0), attributes.get("beta", 1.0)
        constant = len(node.input) < 3 or bias is not None or not node.input[2]
        if weight is None or attributes.get("transA") or not constant:
            return None

        def arranged(tensor: Array) -> Array:
            return np.ascontiguousarray((tensor.T if attributes.get("transB") else tensor)[None], np.float32)

        given = self._given_weight(node, arranged)
        if given and not alpha == beta == 1:
            return None  # a factor that its formats do not have
        weight = arranged(weight) * np.float32(alpha)
        if bias is not None:
            bias = np.broadcast_to(bias.reshape(-1), weight.shape[2]).astype(np.float32) * np.float32(beta)
        return Layer(name, node.input[0], weight, None, bias, node.output[0], **given)

    def _convolution(self, node: NodeProto, name: str) -> Layer | None:
        attributes = attributes_of(node)
        weight = self.constant(node.input[1])
        bias = self.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else None
        if weight is None or (bias is None and len(node.input) > 2 and node.input[2]):
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

        def arranged(tensor: Array) -> Array:
            by_group = tensor.reshape(groups, len(tensor) // groups, -1).transpose(0, 2, 1)
            return np.ascontiguousarray(by_group, np.float32)

        given = self._given_weight(node, arranged)
        return Layer(name, node.input[0], arranged(weight), None, bias, node.output[0], shape, **given)


def _edges(nodes: Sequence[NodeProto], weighted: set[int]) -> set[int]:
    """Of the nodes with weights, those that no other is before, and those that no other is behind."""
    made: set[str] = set()
    first = set()
    for index, node in enumerate(nodes):
        behind_one = not made.isdisjoint(reads(node))
        if index in weighted and not behind_one:
            first.add(index)
        if index in weighted or behind_one:
            made.update(filter(None, node.output))
    wanted: set[str] = set()
    last = set()
    for index, node in reversed([*enumerate(nodes)]):
        before_one = not wanted.isdisjoint(node.output)
        if index in weighted and not before_one:
            last.add(index)
        if index in weighted or before_one:
            wanted.update(filter(None, reads(node)))
    return first | last


_FLOATS: dict[int, str] = {
    TensorProto.FLOAT: "float32",
    TensorProto.FLOAT16: "float16",
    TensorProto.BFLOAT16: "bfloat16",
    TensorProto.DOUBLE: "double",
}

_MULTIPLY = (
    *("Conv", "Gemm", "MatMul", "ConvTranspose", "Einsum", "RNN", "LSTM", "GRU"),
    *("ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul"),
)
