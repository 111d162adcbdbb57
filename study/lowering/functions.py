"""Functions of one value: what a network does to each value of a tensor by itself."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper

from ..network.graph import Graph
from ..network.runtime import attributes_of, reads, run_session, session

__all__ = ["ELEMENTWISE", "IDENTITY", "Function", "Ramp", "Stage"]

Array = NDArray[Any]
Constant = Callable[[str], Array | None]

_KINDS = """
    Abs Acos Acosh Add Asin Asinh Atan Atanh Cast Ceil Celu Clip Cos Cosh Div Dropout Elu Erf Exp FastGelu Floor Gelu
    HardSigmoid HardSwish Identity LeakyRelu Log Max Min Mish Mul Neg PRelu Pow QuickGelu Reciprocal Relu Round Selu
    Shrink Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Sub Sum Swish Tan Tanh ThresholdedRelu
"""
ELEMENTWISE = frozenset(_KINDS.split())
"""Kinds of nodes whose result is, value by value, a function of their inputs."""


class Ramp(NamedTuple):
    """``clip(slope * x + offset, low, high)`` with a slope above 0."""

    slope: float = 1.0
    offset: float = 0.0
    low: float = -inf
    high: float = inf

    @property
    def clips(self) -> bool:
        return self.low > -inf or self.high < inf

    def scaled(self, factor: float) -> "Ramp":
        """Times a factor above 0."""
        return Ramp(*(part * factor for part in self))

    def moved(self, by: float) -> "Ramp":
        return Ramp(self.slope, self.offset + by, self.low + by, self.high + by)

    def clipped(self, low: float, high: float) -> "Ramp":
        return Ramp(self.slope, self.offset, min(max(self.low, low), high), max(min(self.high, high), low))


IDENTITY = Ramp()


class Stage(NamedTuple):
    """Nodes from one tensor to another, in their order, each with its place in the network."""

    input: str
    nodes: tuple[tuple[int, NodeProto], ...]
    output: str


@dataclass(frozen=True, eq=False)
class Function:
    """Stages one after the other; none for what changes nothing.

    Members
    -------
    graph: has the constants
    """

    graph: Graph
    stages: tuple[Stage, ...] = ()

    @property
    def ramp(self) -> Ramp | None:
        """The ramp that it is; None where it is none."""
        found = IDENTITY
        for stage in self.stages:
            tensor = stage.input
            for _, node in stage.nodes:
                after = _after(found, node, tensor, self.graph.constant)
                if after is None:
                    return None
                found, tensor = after, node.output[0]
        return found

    @property
    def key(self) -> Ramp | tuple[str, ...]:
        """Equal for functions that are equal as far as that is seen."""
        return self.ramp or tuple(stage.output for stage in self.stages)

    def after(self, first: "Function") -> "Function":
        """This one of what another one gives."""
        return Function(self.graph, (*first.stages, *self.stages))

    def __call__(self, values: Array) -> NDArray[np.float32]:
        """Of values (n,), as onnxruntime computes it."""
        found = values.astype(np.float32)
        for stage in self.stages:
            found = self._run(stage, found)
        return found

    def _run(self, stage: Stage, values: Array) -> Array:
        nodes = [node for _, node in stage.nodes]
        used = {name for node in nodes for name in reads(node)}
        made = helper.make_graph(
            nodes,
            "function",
            [helper.make_tensor_value_info(stage.input, TensorProto.FLOAT, [len(values)])],
            [onnx.ValueInfoProto(name=stage.output)],
            [tensor for name, tensor in self.graph.constants.items() if name in used],
        )
        whole = self.graph.model
        version = min(whole.ir_version, onnx.IR_VERSION)
        model = helper.make_model(made, opset_imports=[*whole.opset_import], ir_version=version)
        run = session(model.SerializeToString())
        return np.asarray(run_session(run, [stage.output], {stage.input: values})[0], np.float32).reshape(-1)


def _after(ramp: Ramp, node: NodeProto, tensor: str, constant: Constant) -> Ramp | None:
    """A ramp and a node behind it that reads ``tensor``, as one ramp; None where they are none."""
    kind = node.op_type
    if kind in ("Identity", "Dropout", "Cast"):
        return ramp
    if kind == "Relu":
        return ramp.clipped(0.0, inf)
    if kind == "Clip":
        return ramp.clipped(*_bounds(node, constant))
    if kind not in ("Add", "Sub", "Mul", "Div", "Max", "Min") or len(node.input) != 2:
        return None
    known = [constant(name) for name in node.input]
    if sum(value is not None for value in known) != 1:
        return None
    number = float(next(value for value in known if value is not None).reshape(()))
    if kind in ("Max", "Min"):
        return ramp.clipped(number, inf) if kind == "Max" else ramp.clipped(-inf, number)
    if kind == "Add":
        return ramp.moved(number)
    if kind == "Mul":
        return ramp.scaled(number) if number > 0 else None
    if known[1] is None:
        return None
    if kind == "Sub":
        return ramp.moved(-number)
    return ramp.scaled(1 / number) if number > 0 else None


def _bounds(node: NodeProto, constant: Constant) -> tuple[float, float]:
    """Of a Clip, whose bounds are inputs, or attributes in older versions."""
    attributes = attributes_of(node)
    bounds = [float(attributes.get("min", -inf)), float(attributes.get("max", inf))]
    for place, name in enumerate(node.input[1:3]):
        value = constant(name) if name else None
        if value is not None:
            bounds[place] = float(value.reshape(()))
    return bounds[0], bounds[1]
