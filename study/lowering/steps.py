"""A network as steps that make tensors, and functions of one value between them."""

from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray
from onnx import NodeProto

from ...formats.network import Window
from ..network.layer import Layer
from .functions import Function

__all__ = [
    "AffineStep",
    "ConcatStep",
    "HostStep",
    "InputStep",
    "PoolStep",
    "ProductStep",
    "SumStep",
    "TensorStep",
    "Value",
]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class TensorStep:
    """What makes a tensor.

    Members
    -------
    name: of the node, or of its output
    tensor: the name of what it makes
    channels, height, width: of that; a vector is one pixel
    place: among all steps
    """

    name: str
    tensor: str
    channels: int
    height: int
    width: int
    place: int

    @property
    def sources(self) -> "tuple[Value, ...]":
        """What it reads."""
        return ()


@dataclass(frozen=True, eq=False)
class Value:
    """A function of each value of what a step makes.

    Members
    -------
    tensor: its name in the network
    axes: its dimensions behind the first, each by the axes ``c``, ``y``, ``x`` that are one after the other in it; axes
        of length 1 are left out
    rounded: whether the network came with a quantizer on the way
    """

    step: TensorStep
    function: Function
    tensor: str
    axes: tuple[str, ...]
    rounded: bool = False

    @property
    def bare(self) -> bool:
        """Whether it is a multiple of what the step makes, plus a constant, and is rounded nowhere."""
        ramp = self.function.ramp
        return ramp is not None and not ramp.clips and not self.rounded


@dataclass(frozen=True, eq=False)
class InputStep(TensorStep):
    """The network's input."""

    axes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class ProductStep(TensorStep):
    """A layer with weights.

    Members
    -------
    order: of the weights of an output: ``c`` for the channels of a group, ``y`` and ``x`` for the window
    """

    layer: Layer
    source: Value
    window: Window
    groups: int = 1
    order: str = "cyx"

    @property
    def sources(self) -> tuple[Value, ...]:
        return (self.source,)


@dataclass(frozen=True, eq=False, kw_only=True)
class PoolStep(TensorStep):
    """The greatest value of a window, or the sum of all divided by a number."""

    source: Value
    window: Window = field(default_factory=Window)
    kind: str = "sum"
    divisor: int = 1

    @property
    def sources(self) -> tuple[Value, ...]:
        return (self.source,)


@dataclass(frozen=True, eq=False, kw_only=True)
class AffineStep(TensorStep):
    """``gain * source + offset``, with a number of each for every channel."""

    source: Value
    gain: Array
    offset: Array

    @property
    def sources(self) -> tuple[Value, ...]:
        return (self.source,)


@dataclass(frozen=True, eq=False, kw_only=True)
class SumStep(TensorStep):
    """The sum of two tensors."""

    left: Value
    right: Value

    @property
    def sources(self) -> tuple[Value, ...]:
        return (self.left, self.right)


@dataclass(frozen=True, eq=False, kw_only=True)
class ConcatStep(TensorStep):
    """Tensors one behind the other along the channels."""

    parts: tuple[Value, ...]

    @property
    def sources(self) -> tuple[Value, ...]:
        return self.parts


@dataclass(frozen=True, eq=False, kw_only=True)
class HostStep(TensorStep):
    """What is left to the host at the network's end."""

    source: Value
    node: NodeProto

    @property
    def sources(self) -> tuple[Value, ...]:
        return (self.source,)
