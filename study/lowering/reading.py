"""A network is read as steps that an accelerator has records for, or refused by the name of an operator."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from ...formats.network import Window
from ..network.graph import Graph
from ..network.layer import Layer
from ..network.network import Samples
from ..network.quantizer import Quantizer
from ..network.runtime import attributes_of, reads
from .axes import axes_by_rank, named, regrouped, sizes_by_axis
from .functions import ELEMENTWISE, Function, Stage
from .steps import AffineStep, ConcatStep, HostStep, InputStep, PoolStep, ProductStep, SumStep, TensorStep, Value
from .watch import Made, made
from .windows import convolution_of, mean_divisor, window_of

__all__ = ["Reading", "read"]

Array = NDArray[Any]

RENAMES = frozenset(("Flatten", "Reshape", "Squeeze", "Unsqueeze", "Transpose"))
POOLS = frozenset(
    ("AveragePool", "GlobalAveragePool", "GlobalMaxPool", "MaxPool", "ReduceMax", "ReduceMean", "ReduceSum")
)
OTHERS = frozenset(("BatchNormalization", "Concat"))
HOSTS = frozenset(("ArgMax", "Hardmax", "LogSoftmax", "Softmax"))
"""Kinds of nodes that are left to the host where the network ends with them."""

DOMAINS = ("", "ai.onnx", "com.microsoft")


@dataclass(frozen=True, eq=False)
class Reading:
    """A network as an accelerator can have it.

    Members
    -------
    graph: the network
    steps: all that its output needs, in the order in which they run; the host's are not among them
    input: the first of them
    last: the step whose result goes to the host
    result: the dimensions of that, and what they are
    tail: nodes that the host computes of it
    """

    graph: Graph
    steps: tuple[TensorStep, ...]
    input: InputStep
    last: TensorStep
    result: tuple[tuple[int, ...], tuple[str, ...]]
    tail: tuple[NodeProto, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be said of it."""
        kinds = [node.op_type for node in self.tail if node.op_type not in RENAMES]
        return (f"left to the host: {', '.join(dict.fromkeys(kinds))}",) if kinds else ()


def read(graph: Graph, samples: Samples) -> Reading:
    """The network, by what it makes of the first sample.

    Raises ValueError by the names of operator and layer where it has what no record computes.
    """
    tensors = made(graph, samples)
    return _Reader(graph, tensors, _needed(graph, tensors)).reading()


def _needed(graph: Graph, tensors: dict[str, Made]) -> set[str]:
    """The tensors that the output needs.

    Raises ValueError by all kinds of nodes that are not known, or that the host would have to compute in between.
    """
    needed, leads = {graph.output}, set[str]()
    refused: dict[str, str] = {}

    def refuse(kind: str, name: str) -> None:
        refused.pop(kind, None)
        refused[kind] = name

    for step in reversed(graph.steps):
        if isinstance(step, Layer):
            if step.output in needed:
                needed.update(step.inputs)
                leads.update(step.inputs)
                if step.weight is None:
                    refuse("MatMul of two activations", step.name)
            continue
        for node in reversed([] if isinstance(step, Quantizer) else step.nodes):
            outputs = {*node.output}
            if needed.isdisjoint(outputs):
                continue
            needed.update(reads(node))
            if not leads.isdisjoint(outputs):
                leads.update(reads(node))
            known = node.domain in DOMAINS and node.op_type in ELEMENTWISE | RENAMES | POOLS | OTHERS | HOSTS
            between = node.op_type in HOSTS and not leads.isdisjoint(outputs)
            real = any(tensors[name].real for name in node.output if name in tensors)
            if between or (not known and real):
                refuse(node.op_type, node.name or node.output[0])
        if isinstance(step, Quantizer) and step.output in needed:
            needed.update(step.inputs)
            leads.update(step.inputs)
    if refused:
        listed = ", ".join(f"{kind} in {name!r}" for kind, name in reversed(refused.items()))
        raise ValueError(f"model must be of operators that a network accelerator has, not {listed}")
    return needed


class _Reader:
    def __init__(self, graph: Graph, tensors: dict[str, Made], needed: set[str]):
        self._graph, self._tensors, self._needed = graph, tensors, needed
        self._values: dict[str, Value] = {}
        self._place = 0
        self._same = Function(graph)
        self._places = {name: place for place, node in enumerate(graph.model.graph.node) for name in node.output}

    def reading(self) -> Reading:
        graph = self._graph
        if len(graph.inputs) != 1:
            raise ValueError(f"model must have one input for a network accelerator, not {', '.join(graph.inputs)}")
        entry = self._input(graph.inputs[0])
        for step in graph.steps:
            if isinstance(step, Layer):
                self._layer(step)
            elif isinstance(step, Quantizer):
                self._rename(step.input, step.output, step.name)
            else:
                for node in step.nodes:
                    self._node(node)
        last = self._values[graph.output].step
        while isinstance(last, HostStep):
            last = last.source.step
        if isinstance(last, InputStep):
            raise ValueError("model must have a layer that its output depends on, not none")
        result = (self._tensors[last.tensor].shape, self._values[last.tensor].axes)
        return Reading(graph, tuple(_live(last)), entry, last, result, tuple(self._tail(last.tensor)))

    def _tail(self, tensor: str) -> Iterator[NodeProto]:
        nodes = self._graph.model.graph.node
        makers = {name: place for place, node in enumerate(nodes) for name in node.output}
        wanted, places = [self._graph.output], set[int]()
        while wanted:
            name = wanted.pop()
            if name == tensor or not name or name in self._graph.constants:
                continue
            if name not in makers:
                raise ValueError(f"model must end with what depends on {tensor!r} alone, not on {name!r} too")
            if makers[name] not in places:
                places.add(makers[name])
                wanted.extend(reads(nodes[makers[name]]))
        return (nodes[place] for place in sorted(places))

    def _input(self, name: str) -> InputStep:
        readers = [node for node in self._graph.model.graph.node if name in node.input]
        shape = self._tensors[name].shape
        letters: Sequence[str] = ("c", "y", "x")[: len(shape)] if len(shape) != 2 else ("c", "x")
        last = [list(attributes_of(node).get("perm", [])) == [0, 3, 1, 2] for node in readers]
        if len(shape) == 3 and last and all(last):
            letters = ("y", "x", "c")
        if len(shape) not in (1, 2, 3):
            raise ValueError(f"input must have one, two or three dimensions for a sample, not {shape}")
        sizes = sizes_by_axis(letters, shape)
        step = InputStep(name, name, sizes["c"], sizes["y"], sizes["x"], self._next(), tuple(letters))
        self._values[name] = Value(step, self._same, name, named(letters, shape))
        return step

    def _next(self) -> int:
        self._place += 1
        return self._place - 1

    def _add(self, step: TensorStep, axes: tuple[str, ...] | None) -> None:
        assert axes is not None
        self._values[step.tensor] = Value(step, self._same, step.tensor, axes)

    def _source(self, tensor: str, kind: str, name: str) -> Value:
        found = self._values.get(tensor)
        if found is None or isinstance(found.step, HostStep):
            raise _refusal(kind, name, f"it reads {tensor!r}, which no record makes")
        return found

    def _layer(self, layer: Layer) -> None:
        if layer.output not in self._needed:
            return
        source = self._source(layer.activation, layer.kind, layer.name)
        assert layer.weight is not None
        columns = layer.weight.shape[0] * layer.weight.shape[2]
        shape = self._tensors[layer.output].shape
        form = layer.convolution
        axes: tuple[str, ...] | None
        if form is not None:
            sizes = _spatial(source, layer.kind, layer.name, len(form.kernel))
            window = _tried(layer.kind, layer.name, lambda: window_of(form, sizes))
            height, width = [1, *shape[1:]][-2:]
            axes, groups, order = axes_by_rank(shape), form.groups, "cyx"
        else:
            window, height, width, axes, order = self._linear(layer, source, shape)
            groups = 1
        step = ProductStep(
            layer.name,
            layer.output,
            columns,
            height,
            width,
            self._next(),
            layer=layer,
            source=source,
            window=window,
            groups=groups,
            order=order,
        )
        self._add(step, axes)

    def _linear(
        self, layer: Layer, source: Value, shape: tuple[int, ...]
    ) -> tuple[Window, int, int, tuple[str, ...], str]:
        """The window, the result's height, width and axes, and the order of weights of a linear layer."""
        *others, last = source.axes
        columns = "c" if shape[-1] > 1 else ""
        if not any(others):
            height, width = source.step.height, source.step.width
            window = _tried(layer.kind, layer.name, lambda: Window(kernel_y=height, kernel_x=width))
            return window, 1, 1, (*others, columns), last
        if last not in ("c", "") or "c" in "".join(others):
            raise _refusal(layer.kind, layer.name, "it must read all channels of a pixel, or all of a sample")
        return Window(), source.step.height, source.step.width, (*others, columns), "c"

    def _node(self, node: NodeProto) -> None:
        name, kind = node.name or node.output[0], node.op_type
        given = [self._values[tensor] for tensor in node.input if tensor in self._values]
        made = self._tensors.get(node.output[0])
        if not given or self._needed.isdisjoint(node.output) or made is None:
            return
        late = [value for value in given if isinstance(value.step, HostStep)]
        if late or kind in HOSTS:
            self._host(node, (late or given)[0])
        elif not made.real:
            return
        elif kind in RENAMES:
            self._rename(node.input[0], node.output[0], name, node)
        elif kind in POOLS:
            self._pool(node, kind, name, given[0])
        elif kind == "BatchNormalization":
            self._normalization(node, name, given[0])
        elif kind == "Concat":
            self._concat(node, name)
        else:
            self._elementwise(node, kind, name, given)

    def _host(self, node: NodeProto, source: Value) -> None:
        step = source.step
        made = HostStep(
            node.name or node.output[0],
            node.output[0],
            step.channels,
            step.height,
            step.width,
            self._next(),
            source=source,
            node=node,
        )
        self._values[node.output[0]] = Value(made, self._same, node.output[0], ())

    def _rename(self, tensor: str, output: str, name: str, node: NodeProto | None = None) -> None:
        source = self._values.get(tensor)
        if source is None:
            return
        step = source.step
        sizes = {"c": step.channels, "y": step.height, "x": step.width}
        if node is not None and node.op_type == "Transpose":
            order = [int(place) - 1 for place in attributes_of(node).get("perm", [])]
            axes = tuple(source.axes[place] for place in order[1:]) if order[:1] == [-1] else None
        else:
            axes = regrouped(source.axes, sizes, self._tensors[output].shape)
        if axes is None:
            kind = node.op_type if node is not None else "Quant"
            raise _refusal(kind, name, "it must keep channels, rows and pixels, or make a vector of them")
        self._values[output] = Value(step, source.function, output, axes, source.rounded or node is None)

    def _pool(self, node: NodeProto, kind: str, name: str, source: Value) -> None:
        shape = self._tensors[node.output[0]].shape
        if kind in ("MaxPool", "AveragePool"):
            if len(node.output) > 1 and node.output[1]:
                raise _refusal(kind, name, "it must have one output")
            axes = len(attributes_of(node)["kernel_shape"])
            sizes, form = _spatial(source, kind, name, axes), convolution_of(node, axes)
            window = _tried(kind, name, lambda: window_of(form, sizes))
            divisor = 1 if kind == "MaxPool" else mean_divisor(node, form, sizes, shape[1:])
            if divisor is None:
                raise _refusal(kind, name, "it must divide all sums by the same number, with its padding counted")
            height, width = [1, *shape[1:]][-2:]
            result = axes_by_rank(shape)
        else:
            window, height, width, result = self._reduction(node, kind, name, source)
            divisor = window.taps if kind in ("GlobalAveragePool", "ReduceMean") else 1
        step = PoolStep(
            name,
            node.output[0],
            source.step.channels,
            height,
            width,
            self._next(),
            source=source,
            window=window,
            kind="max" if "Max" in kind else "sum",
            divisor=divisor,
        )
        self._add(step, result)

    def _reduction(
        self, node: NodeProto, kind: str, name: str, source: Value
    ) -> tuple[Window, int, int, tuple[str, ...]]:
        rank = len(source.axes)
        attributes = attributes_of(node)
        if kind.startswith("Global"):
            places, keep = [*range(1, rank)], True
        else:
            listed = self._graph.constant(node.input[1]) if len(node.input) > 1 and node.input[1] else None
            numbers = attributes.get("axes") if listed is None else listed.tolist()
            places = [(int(number) if number >= 0 else int(number) + rank + 1) - 1 for number in numbers or []]
            keep = bool(attributes.get("keepdims", 1))
        if not places or min(places) < 0 or any("c" in source.axes[place] for place in places):
            raise _refusal(kind, name, "it must be over rows and pixels")
        gone = "".join(source.axes[place] for place in places)
        step = source.step
        high, wide = (step.height if "y" in gone else 1), (step.width if "x" in gone else 1)
        window = _tried(kind, name, lambda: Window(kernel_y=high, kernel_x=wide))
        axes = [("" if place in places else axis) for place, axis in enumerate(source.axes)]
        result = tuple(axis for place, axis in enumerate(axes) if keep or place not in places)
        return window, step.height // high, step.width // wide, result

    def _normalization(self, node: NodeProto, name: str, source: Value) -> None:
        scale, bias, mean, variance = (self._graph.constant(tensor) for tensor in node.input[1:5])
        axis = source.axes[0] if source.axes else None
        if any(part is None for part in (scale, bias, mean, variance)) or axis not in ("c", ""):
            raise _refusal("BatchNormalization", name, "it must have constants for each channel")
        assert scale is not None and bias is not None and mean is not None and variance is not None
        epsilon = attributes_of(node).get("epsilon", 1e-5)
        gain = scale / np.sqrt(variance.astype(np.float64) + epsilon)
        self._affine(node, name, source, gain, bias - mean * gain)

    def _affine(self, node: NodeProto, name: str, source: Value, gain: Array, offset: Array) -> None:
        step = source.step
        shape = (step.channels, step.height, step.width)
        gain, offset = (np.asarray(part, np.float64) for part in (gain, offset))
        made = AffineStep(name, node.output[0], *shape, self._next(), source=source, gain=gain, offset=offset)
        self._add(made, source.axes)

    def _concat(self, node: NodeProto, name: str) -> None:
        parts = [self._source(tensor, "Concat", name) for tensor in node.input]
        rank = len(parts[0].axes)
        axis = int(attributes_of(node)["axis"])
        place = (axis if axis >= 0 else axis + rank + 1) - 1
        rests = {(part.axes[:place], part.axes[place + 1 :], part.step.height, part.step.width) for part in parts}
        along = all(
            part.axes[place : place + 1] in (("c",), ("",))
            and self._tensors[part.tensor].shape[place] == part.step.channels
            for part in parts
        )
        if len(rests) > 1 or not along:
            raise _refusal("Concat", name, "it must be along the channels")
        step = parts[0].step
        channels = sum(part.step.channels for part in parts)
        made = ConcatStep(name, node.output[0], channels, step.height, step.width, self._next(), parts=tuple(parts))
        self._add(made, (*parts[0].axes[:place], "c", *parts[0].axes[place + 1 :]))

    def _elementwise(self, node: NodeProto, kind: str, name: str, given: list[Value]) -> None:
        constants = [value for tensor in node.input if (value := self._graph.constant(tensor)) is not None]
        if len(given) + len(constants) < len([tensor for tensor in node.input if tensor]):
            raise _refusal(kind, name, "it must read tensors that records make, and constants")
        if len({id(value.step) for value in given}) > 1:
            self._two(node, kind, name, given, constants)
        elif all(constant.size == 1 for constant in constants):
            self._values[node.output[0]] = self._function(node, kind, name, given)
        elif kind in ("Add", "Sub", "Mul", "Div") and len(given) == 1:
            self._by_channel(node, kind, name, given[0], constants[0])
        else:
            raise _refusal(kind, name, "its constants must be one number, or in sums and products one for each channel")

    def _two(self, node: NodeProto, kind: str, name: str, given: list[Value], constants: list[Array]) -> None:
        first, second = given[0], given[-1]
        shapes = {(value.step.channels, value.step.height, value.step.width, value.axes) for value in given}
        if kind not in ("Add", "Sum") or len(given) != 2 or constants or len(shapes) > 1:
            raise _refusal(kind, name, "of two tensors there is a sum alone, and of the same shape")
        step = first.step
        size = (step.channels, step.height, step.width)
        made = SumStep(name, node.output[0], *size, self._next(), left=first, right=second)
        self._add(made, first.axes)

    def _by_channel(self, node: NodeProto, kind: str, name: str, source: Value, constant: Array) -> None:
        rank = len(source.axes)
        sizes = [*[1] * (rank - constant.ndim), *constant.shape[max(0, constant.ndim - rank) :]]
        places = [place for place, size in enumerate(sizes) if size > 1]
        if len(places) != 1 or source.axes[places[0]] != "c" or constant.size != source.step.channels:
            raise _refusal(kind, name, "its constants must be one number, or one for each channel")
        numbers = constant.reshape(-1).astype(np.float64)
        behind = self._graph.constant(node.input[1]) is not None
        if kind in ("Add", "Sub"):
            sign = 1 if kind == "Add" or behind else -1
            offset = -numbers if kind == "Sub" and behind else numbers
            self._affine(node, name, source, np.full(len(numbers), sign), offset)
        elif kind == "Mul" or behind:
            gain = numbers if kind == "Mul" else 1 / numbers
            self._affine(node, name, source, gain, np.zeros(len(numbers)))
        else:
            raise _refusal(kind, name, "a constant for each channel must not be divided by a tensor")

    def _function(self, node: NodeProto, kind: str, name: str, given: list[Value]) -> Value:
        """One value's function and this node behind it, or several functions of one value and this node."""
        output, first = node.output[0], given[0]
        prefix, tensor, _ = _split(first)
        nodes: dict[int, NodeProto] = {}
        for value in given:
            if value.axes != first.axes or _split(value)[:2] != (prefix, tensor):
                raise _refusal(kind, name, "its operands must be functions of one tensor, of the same shape")
            nodes |= _split(value)[2]
        nodes[self._places[output]] = node
        stage = Stage(tensor, tuple(sorted(nodes.items())), output)
        rounded = any(value.rounded for value in given)
        return Value(first.step, Function(self._graph, (*prefix, stage)), output, first.axes, rounded)


def _split(value: Value) -> tuple[tuple[Stage, ...], str, tuple[tuple[int, NodeProto], ...]]:
    """All stages but one that nodes can be added to, the tensor that this one reads, and its nodes."""
    stages = value.function.stages
    if stages and stages[-1].output == value.tensor:
        return stages[:-1], stages[-1].input, stages[-1].nodes
    return stages, value.tensor, ()


def _spatial(source: Value, kind: str, name: str, axes: int) -> tuple[int, ...]:
    """The source's height and width, or its width alone. Raises ValueError where its channels are not first."""
    step = source.step
    sizes = (step.channels, step.height, step.width) if axes == 2 else (step.channels, step.width)
    if axes not in (1, 2):
        raise _refusal(kind, name, f"it must have one axis or two, not {axes}")
    if source.axes != axes_by_rank(sizes) or (axes == 1 and step.height > 1):
        raise _refusal(kind, name, "it must read channels, rows and pixels in this order")
    return sizes[1:]


def _live(last: TensorStep) -> Iterator[TensorStep]:
    """All steps that one needs, and it itself, in order."""
    found = {id(last): last}
    wanted = [last]
    while wanted:
        for value in wanted.pop().sources:
            if id(value.step) not in found:
                found[id(value.step)] = value.step
                wanted.append(value.step)
    return iter(sorted(found.values(), key=lambda step: step.place))


def _tried(kind: str, name: str, make: Callable[[], Window]) -> Window:
    try:
        return make()
    except ValueError as error:
        raise _refusal(kind, name, str(error)) from None


def _refusal(kind: str, name: str, why: str) -> ValueError:
    return ValueError(
        f"model must be one that a network accelerator has records for, not with the {kind} {name!r}: {why}"
    )
