"""An ONNX network as what multiplies, which is quantized, and what lies between, which stays float32."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from .layer import Layer
from .layer_read import LayerReader
from .network import Samples
from .products import may_multiply, quantized_already
from .qonnx_read import GivenWeight, cut, is_qonnx, ordinary
from .quantizer import Quantizer, is_quantizer
from .runtime import folded, graphs_within, opened, reads, run_session, session, tensors
from .uses import last_uses

__all__ = ["Graph", "Segment"]

Array = NDArray[Any]


class Segment:
    """Nodes between layers, as onnxruntime runs them in float32."""

    def __init__(self, nodes: list[NodeProto], graph: "Graph", outputs: list[str]):
        made = {name for node in nodes for name in node.output}
        used = list(dict.fromkeys(name for node in nodes for name in reads(node) if name))
        self.inputs = [name for name in used if name not in made and name not in graph.constants]
        self.nodes, self.outputs = nodes, outputs
        model = graph.model_of(nodes, self.inputs, outputs)
        self._session = session(model.SerializeToString(), graph.threads)

    def run(self, tensors: dict[str, Any]) -> list[Any]:
        """What it makes; sequences and maps, which no layer reads, as onnxruntime has them."""
        feed = {name: tensors[name] for name in self.inputs}
        found = run_session(self._session, self.outputs, feed)
        return [value if value is None or isinstance(value, list | dict) else np.asarray(value) for value in found]


class Graph:
    """A network taken apart into layers and segments, in the order in which they run.

    Parameters
    ----------
    content: of the ONNX file. onnxruntime folds what is constant in it first
    threads: of onnxruntime; 0 for one a core
    output: which output is judged; where empty, the first that is a tensor of floats, or a tensor at all

    Raises ValueError where it is no ONNX network that onnxruntime runs, where it computes with integers already, where
    nothing in it multiplies, where what does is in float16 or double or has weights that are not finite, where some
    inputs' first dimension is a fixed number of samples other than one, or where no output can be judged.

    Members
    -------
    inputs, outputs: names of tensors
    output: the name of the output that is judged
    alone: whether the model takes one sample at a time, by what it says of its inputs
    layers: all that multiply
    quantized: whether it came quantized, as QONNX
    steps: layers and segments, and the quantizers of activations that it came with
    last_uses: for every step, the tensors that nothing behind it needs
    skipped: kinds of nodes that are left in float32 and multiply, or of which that is not known, with how many there
        are: recurrent ones, attention in one node, products with a constant on the left, what is within branches and
        loops, and the like
    """

    def __init__(self, content: bytes, threads: int = 1, output: str = ""):
        self.threads = threads
        content = opened(content)
        self.quantized = is_qonnx(content)
        self._given: dict[str, GivenWeight] = {}
        if self.quantized:
            parted = cut(content)
            self.model, self._given = parted.joined(folded(parted.content))
        else:
            self.model = folded(content)
        graph = self.model.graph
        self.constants = {tensor.name: tensor for tensor in graph.initializer}
        # onnxruntime leaves inputs behind whose initializers it has folded into others
        given = {entry.name for entry in onnx.load_model_from_string(content).graph.input}
        self.inputs = [entry.name for entry in graph.input if entry.name in given]
        self.outputs = [entry.name for entry in graph.output]
        self._tensors = tensors(ordinary(self.model) if self.quantized else self.model)
        self._check_sums()
        self.alone = self._takes_one()
        self.output = self._judged(output)
        if integers := quantized_already(_with_inner(graph.node)):
            raise ValueError(f"model must be float32, not quantized already to integers: it has {_counted(integers)}")
        reader = LayerReader(self.constant, self._element, self._given)
        layers = {index: layer for index, node in enumerate(graph.node) if (layer := reader.layer(node)) is not None}
        names = [layer.name for layer in layers.values()]
        layers = {
            index: layer if names.count(layer.name) == 1 else replace(layer, name=f"{layer.name}:{layer.output}")
            for index, layer in layers.items()
        }
        for index in _edges(graph.node, {index for index, layer in layers.items() if layer.weight is not None}):
            layers[index] = replace(layers[index], edge=True)
        rest = _with_inner([node for index, node in enumerate(graph.node) if index not in layers])
        kinds = [node.op_type for node in rest if may_multiply(node) and not is_quantizer(node)]
        self.skipped = {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}
        if not layers:
            other = f" but {_counted(self.skipped)}" if self.skipped else ""
            raise ValueError(f"model must have a Conv, Gemm or MatMul in float32 to quantize, not none{other}")
        absorbed = self._absorb(layers)
        self.layers = [*layers.values()]
        self.steps = [*self._steps(layers, absorbed)]
        self.last_uses = last_uses(self.steps, self.outputs)

    def in_steps(self, steps: list[Layer | Segment | Quantizer]) -> "Graph":
        """The same network in other steps."""
        found = copy.copy(self)
        found.steps, found.last_uses = steps, last_uses(steps, self.outputs)
        found.layers = [step for step in steps if isinstance(step, Layer)]
        return found

    def model_of(self, nodes: list[NodeProto], inputs: list[str], outputs: list[str]) -> ModelProto:
        """A model of some of the nodes, with the constants that they need."""
        used = {name for node in nodes for name in reads(node)}
        made = helper.make_graph(
            nodes,
            "segment",
            [onnx.ValueInfoProto(name=name, type=self._tensors[name].type) for name in inputs],
            [onnx.ValueInfoProto(name=name) for name in outputs],
            [tensor for name, tensor in self.constants.items() if name in used],
        )
        opsets = [*self.model.opset_import]
        return helper.make_model(made, opset_imports=opsets, ir_version=min(self.model.ir_version, onnx.IR_VERSION))

    def check(self, samples: Samples) -> None:
        """Raise ValueError where the model cannot take them."""
        for name in self.inputs:
            kind, shape, _ = self._tensors[name]
            if kind is None:
                raise ValueError(f"model must take tensors, not another kind of value for {name!r}")
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

    def _element(self, name: str) -> int | None:
        """The element type of a tensor."""
        constant = self.constants.get(name)
        return self._tensors[name].element if constant is None else constant.data_type

    def _check_sums(self) -> None:
        """Raise ValueError where a Gemm adds numbers of their own to so many rows, though samples may be any number."""
        products = {node.output[0]: node for node in self.model.graph.node if node.op_type == "Gemm"}
        for node in self.model.graph.node:
            added = [self.constants[name].dims for name in node.input if name in self.constants]
            product = next((products[name] for name in node.input if name in products), None)
            if node.op_type != "Add" or product is None or not added or len(added[0]) != 2 or added[0][0] == 1:
                continue
            shape = self._tensors[product.output[0]].shape
            if shape and not isinstance(shape[0], int):
                raise ValueError(
                    f"bias of a Gemm must be a number for each column, not of shape {tuple(added[0])} in "
                    f"{product.name or node.output[0]!r}"
                )

    def _takes_one(self) -> bool:
        """Whether every input has one sample for its first dimension."""
        shapes = {name: shape for name in self.inputs if (shape := self._tensors[name].shape)}
        fixed = {name: shape[0] for name, shape in shapes.items() if isinstance(shape[0], int)}
        if not fixed or (len(fixed) == len(shapes) and {*fixed.values()} == {1}):
            return bool(fixed)
        name = next((name for name, count in fixed.items() if count != 1), next(iter(fixed)))
        raise ValueError(
            f"model must take any number of samples, a first dimension by name, or one for all inputs, not "
            f"{fixed[name]} for {name!r}"
        )

    def _judged(self, output: str) -> str:
        """The output of that name, or the first that there is something to judge of."""
        if output and output not in self.outputs:
            raise ValueError(f"output must be {', '.join(self.outputs)}, not {output!r}")
        kinds = {name: self._tensors[name].element for name in ([output] if output else self.outputs)}
        numbers = [name for name, kind in kinds.items() if kind not in (None, TensorProto.STRING)]
        floats = [name for name in numbers if kinds[name] == TensorProto.FLOAT]
        if not numbers:
            raise ValueError(f"model must have an output that is a tensor of numbers, not only {', '.join(kinds)}")
        return (floats or numbers)[0]

    def _absorb(self, layers: dict[int, Layer]) -> set[int]:
        """A bias that follows a layer becomes its own, and a factor that follows one which came quantized; returns the
        nodes that they came from."""
        nodes = self.model.graph.node
        readers: dict[str, list[int]] = {}
        for index, node in enumerate(nodes):
            for name in reads(node):
                readers.setdefault(name, []).append(index)
        absorbed = set()
        for place, layer in layers.items():
            if self.quantized and layer.weight is not None and layer.weight_format is None:
                continue
            while layer.factor is None and layer.output not in self.outputs:
                follow = readers.get(layer.output, [])
                node = nodes[follow[0]] if len(follow) == 1 else None
                values = None if node is None else self._by_column(layer, node)
                if node is None or values is None or (node.op_type == "Add" and layer.bias is not None):
                    break
                if node.op_type == "Mul" and not self.quantized:
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
        if values is None or values.dtype != np.float32 or not np.isfinite(values).all():
            return None
        shape = self._tensors[layer.output].shape
        if shape is not None and values.ndim > len(shape):
            return None  # the sum has more dimensions than the layer's result
        if values.size == 1:
            return np.asarray(values.reshape(()))
        if layer.weight is None:
            return None
        axes = 0 if layer.convolution is None else len(layer.convolution.kernel)
        columns = layer.weight.shape[0] * layer.weight.shape[2]
        whole = (columns, *[1] * axes)
        ahead = values.ndim - len(whole)
        alike = ahead >= 0 and values.shape == (*[1] * ahead, *whole)
        return values.reshape(-1) if alike and (not axes or ahead <= 1) else None

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


def _with_inner(nodes: Sequence[NodeProto]) -> list[NodeProto]:
    """These, and those of their branches and loops."""
    return [*nodes, *(inner for node in nodes for graph in graphs_within(node) for inner in graph.node)]


def _counted(kinds: dict[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in kinds.items())
