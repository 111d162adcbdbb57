"""A network is read as steps that an accelerator has records for, or refused by the name of an operator."""

from collections.abc import Iterator
from dataclasses import dataclass

from onnx import NodeProto

from ..network.graph import Graph
from ..network.layer import Layer
from ..network.network import Samples
from ..network.quantizer import Quantizer
from ..network.runtime import attributes_of, reads
from .axes import named, regrouped, sizes_by_axis
from .known import Known, refusal
from .layer_steps import read_layer
from .operators import HOSTS, RENAMES, needed
from .pool_steps import POOLS, read_pool
from .steps import HostStep, InputStep, ProductStep, TensorStep, Value
from .value_steps import read_concat, read_elementwise, read_normalization
from .watch import made

__all__ = ["Reading", "read"]


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
    wanted = needed(graph, tensors)
    if len(graph.inputs) != 1:
        raise ValueError(f"model must have one input for a network accelerator, not {', '.join(graph.inputs)}")
    known = Known(graph, tensors)
    entry = _input(known, graph.inputs[0])
    for step in graph.steps:
        if isinstance(step, Layer):
            if step.output in wanted:
                read_layer(known, step)
        elif isinstance(step, Quantizer):
            if step.output in wanted:
                _rename(known, step.input, step.output, step.name)
        else:
            for node in step.nodes:
                if not wanted.isdisjoint(node.output):
                    _node(known, node)
    last = known.values[graph.output].step
    while isinstance(last, HostStep):
        last = last.source.step
    steps = tuple(_live(last))
    if not any(isinstance(step, ProductStep) for step in steps):
        raise ValueError("model must have a layer with weights that its output depends on, not none")
    result = (tensors[last.tensor].shape, known.values[last.tensor].axes)
    return Reading(graph, steps, entry, last, result, tuple(_tail(graph, last.tensor)))


def _tail(graph: Graph, tensor: str) -> Iterator[NodeProto]:
    """The nodes from a tensor to the output."""
    nodes = graph.model.graph.node
    makers = {name: place for place, node in enumerate(nodes) for name in node.output}
    wanted, places = [graph.output], set[int]()
    while wanted:
        name = wanted.pop()
        if name == tensor or not name or name in graph.constants:
            continue
        if name not in makers:
            raise ValueError(f"model must end with what depends on {tensor!r} alone, not on {name!r} too")
        if makers[name] not in places:
            places.add(makers[name])
            wanted.extend(reads(nodes[makers[name]]))
    return (nodes[place] for place in sorted(places))


def _input(known: Known, name: str) -> InputStep:
    """The network's input: with channels last if all that read it move them first."""
    shape = known.tensors[name].shape
    if len(shape) not in (1, 2, 3):
        raise ValueError(f"input must have one, two or three dimensions for a sample, not {shape}")
    orders = [attributes_of(node).get("perm") for node in known.graph.model.graph.node if name in node.input]
    letters = {1: ("c",), 2: ("c", "x"), 3: ("c", "y", "x")}[len(shape)]
    if len(shape) == 3 and orders and all(order is not None and [*order] == [0, 3, 1, 2] for order in orders):
        letters = ("y", "x", "c")
    sizes = sizes_by_axis(letters, shape)
    step = InputStep(name, name, sizes["c"], sizes["y"], sizes["x"], known.next(), tuple(letters))
    known.add(step, named(letters, shape))
    return step


def _node(known: Known, node: NodeProto) -> None:
    name, kind = node.name or node.output[0], node.op_type
    given = [known.values[tensor] for tensor in node.input if tensor in known.values]
    made = known.tensors.get(node.output[0])
    if not given or made is None:
        return
    late = [value for value in given if isinstance(value.step, HostStep)]
    if late or kind in HOSTS:
        _host(known, node, (late or given)[0])
    elif not made.real:
        return
    elif kind in RENAMES:
        _rename(known, node.input[0], node.output[0], name, node)
    elif kind in POOLS:
        read_pool(known, node, kind, name, given[0])
    elif kind == "BatchNormalization":
        read_normalization(known, node, name, given[0])
    elif kind == "Concat":
        read_concat(known, node, name)
    else:
        read_elementwise(known, node, kind, name, given)


def _host(known: Known, node: NodeProto, source: Value) -> None:
    step, name = source.step, node.name or node.output[0]
    size = (step.channels, step.height, step.width)
    known.add(HostStep(name, node.output[0], *size, known.next(), source=source, node=node), ())


def _rename(known: Known, tensor: str, output: str, name: str, node: NodeProto | None = None) -> None:
    """The same values in another shape, or rounded by a quantizer where no node is given."""
    source = known.values.get(tensor)
    if source is None:
        return
    step = source.step
    sizes = {"c": step.channels, "y": step.height, "x": step.width}
    axes: tuple[str, ...] | None
    if node is None:
        axes = source.axes
    elif node.op_type == "Transpose":
        order = [int(place) - 1 for place in attributes_of(node).get("perm", [])]
        axes = tuple(source.axes[place] for place in order[1:]) if order[:1] == [-1] else None
    else:
        axes = regrouped(source.axes, sizes, known.tensors[output].shape)
    if axes is None:
        assert node is not None
        raise refusal(node.op_type, name, "it must keep channels, rows and pixels, or make a vector of them")
    known.values[output] = Value(step, source.function, output, axes, source.rounded or node is None)


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
