"""What is done to each value, sums of tensors and concatenations are read as steps, or as functions of one value."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from ..network.runtime import attributes_of
from .functions import Function, Stage
from .known import Known, refusal
from .steps import AffineStep, ConcatStep, SumStep, Value

__all__ = ["read_concat", "read_elementwise", "read_normalization"]

Array = NDArray[Any]


def read_elementwise(known: Known, node: NodeProto, kind: str, name: str, given: list[Value]) -> None:
    """Add a node that makes of each value another one, or a sum of tensors. Raises ValueError where it is neither."""
    constants = [value for tensor in node.input if (value := known.graph.constant(tensor)) is not None]
    if len(given) + len(constants) < len([tensor for tensor in node.input if tensor]):
        raise refusal(kind, name, "it must read tensors that records make, and constants")
    if len({id(value.step) for value in given}) > 1:
        _two(known, node, kind, name, given, constants)
    elif all(constant.size == 1 for constant in constants):
        known.values[node.output[0]] = _function(known, node, kind, name, given)
    elif kind in ("Add", "Sub", "Mul", "Div") and len(given) == 1:
        _by_channel(known, node, kind, name, given[0], constants[0])
    else:
        raise refusal(kind, name, "its constants must be one number, or in sums and products one for each channel")


def read_normalization(known: Known, node: NodeProto, name: str, source: Value) -> None:
    """Add a batch normalization. Raises ValueError where it has no constants."""
    scale, bias, mean, variance = (known.graph.constant(tensor) for tensor in node.input[1:5])
    axis = source.axes[0] if source.axes else None
    if any(part is None for part in (scale, bias, mean, variance)) or axis not in ("c", ""):
        raise refusal("BatchNormalization", name, "it must have constants for each channel")
    assert scale is not None and bias is not None and mean is not None and variance is not None
    epsilon = attributes_of(node).get("epsilon", 1e-5)
    gain = scale / np.sqrt(variance.astype(np.float64) + epsilon)
    _affine(known, node, name, source, gain, bias - mean * gain)


def read_concat(known: Known, node: NodeProto, name: str) -> None:
    """Add a concatenation. Raises ValueError where it is not along the channels."""
    parts = [known.source(tensor, "Concat", name) for tensor in node.input]
    rank = len(parts[0].axes)
    axis = int(attributes_of(node)["axis"])
    place = (axis if axis >= 0 else axis + rank + 1) - 1
    rests = {(part.axes[:place], part.axes[place + 1 :], part.step.height, part.step.width) for part in parts}
    along = all(
        part.axes[place : place + 1] in (("c",), ("",))
        and known.tensors[part.tensor].shape[place] == part.step.channels
        for part in parts
    )
    if len(rests) > 1 or not along:
        raise refusal("Concat", name, "it must be along the channels")
    step = parts[0].step
    channels = sum(part.step.channels for part in parts)
    made = ConcatStep(name, node.output[0], channels, step.height, step.width, known.next(), parts=tuple(parts))
    known.add(made, (*parts[0].axes[:place], "c", *parts[0].axes[place + 1 :]))


def _affine(known: Known, node: NodeProto, name: str, source: Value, gain: Array, offset: Array) -> None:
    step = source.step
    shape = (step.channels, step.height, step.width)
    gain, offset = (np.asarray(part, np.float64) for part in (gain, offset))
    made = AffineStep(name, node.output[0], *shape, known.next(), source=source, gain=gain, offset=offset)
    known.add(made, source.axes)


def _two(known: Known, node: NodeProto, kind: str, name: str, given: list[Value], constants: list[Array]) -> None:
    first, second = given[0], given[-1]
    shapes = {(value.step.channels, value.step.height, value.step.width, value.axes) for value in given}
    if kind not in ("Add", "Sum") or len(given) != 2 or constants or len(shapes) > 1:
        raise refusal(kind, name, "of two tensors there is a sum alone, and of the same shape")
    step = first.step
    size = (step.channels, step.height, step.width)
    made = SumStep(name, node.output[0], *size, known.next(), left=first, right=second)
    known.add(made, first.axes)


def _by_channel(known: Known, node: NodeProto, kind: str, name: str, source: Value, constant: Array) -> None:
    rank = len(source.axes)
    sizes = [*[1] * (rank - constant.ndim), *constant.shape[max(0, constant.ndim - rank) :]]
    places = [place for place, size in enumerate(sizes) if size > 1]
    if len(places) != 1 or source.axes[places[0]] != "c" or constant.size != source.step.channels:
        raise refusal(kind, name, "its constants must be one number, or one for each channel")
    numbers = constant.reshape(-1).astype(np.float64)
    behind = known.graph.constant(node.input[1]) is not None
    if kind in ("Add", "Sub"):
        sign = 1 if kind == "Add" or behind else -1
        offset = -numbers if kind == "Sub" and behind else numbers
        _affine(known, node, name, source, np.full(len(numbers), sign), offset)
    elif kind == "Mul" or behind:
        gain = numbers if kind == "Mul" else 1 / numbers
        _affine(known, node, name, source, gain, np.zeros(len(numbers)))
    else:
        raise refusal(kind, name, "a constant for each channel must not be divided by a tensor")


def _function(known: Known, node: NodeProto, kind: str, name: str, given: list[Value]) -> Value:
    """One value's function and this node behind it, or several functions of one value and this node."""
    output, first = node.output[0], given[0]
    prefix, tensor, _ = _split(first)
    nodes: dict[int, NodeProto] = {}
    for value in given:
        if value.axes != first.axes or _split(value)[:2] != (prefix, tensor):
            raise refusal(kind, name, "its operands must be functions of one tensor, of the same shape")
        nodes |= _split(value)[2]
    nodes[known.places[output]] = node
    stage = Stage(tensor, tuple(sorted(nodes.items())), output)
    rounded = any(value.rounded for value in given)
    return Value(first.step, Function(known.graph, (*prefix, stage)), output, first.axes, rounded)


def _split(value: Value) -> tuple[tuple[Stage, ...], str, tuple[tuple[int, NodeProto], ...]]:
    """All stages but one that nodes can be added to, the tensor that this one reads, and its nodes."""
    stages = value.function.stages
    if stages and stages[-1].output == value.tensor:
        return stages[:-1], stages[-1].input, stages[-1].nodes
    return stages, value.tensor, ()
