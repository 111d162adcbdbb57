"""A layer is a node of a network that multiplies, and that is quantized. It is described here apart from ONNX."""

from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from ...formats import Format

__all__ = ["Clip", "Convolution", "Layer"]

Array = NDArray[Any]
Clip = tuple[float, float]
"""The least and the most that a result may be."""


@dataclass(frozen=True)
class Convolution:
    """A convolution over the last axes of (batch, channels, ...).

    ``kernel``, ``strides``, ``dilations`` and ``pads`` (before, after) have an entry for each of these axes. ``same``
    is ``upper`` or ``lower`` if the pads follow from the input's size instead (ONNX ``auto_pad``).
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]
    groups: int
    same: str = ""

    @property
    def padded(self) -> bool:
        """Whether there may be zeros around the input."""
        return bool(self.same) or any(map(any, self.pads))

    @property
    def unpadded(self) -> "Convolution":
        """The same for an input that has its border already."""
        return replace(self, pads=tuple((0, 0) for _ in self.kernel), same="")

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
    name: the name of the node, or that of its output
    activation: the tensor of the left operand, (..., k), or (batch, channels, ...) for a convolution
    weight: the weights, (groups, k, n); None if the right operand is an activation
    other: the tensor of the right operand if it is an activation, (..., k, n)
    bias: (groups * n,) or None
    output: the tensor of the result, (..., n), or (batch, channels, ...) for a convolution
    convolution: its shape if it is a convolution; None otherwise
    edge: whether it has weights, and no other layer with weights is before it, or none is behind it
    factor: (groups * n,) or of shape (), what the sum and its bias are multiplied by; None for nothing
    weight_format, weight_scale: where the weights came quantized: what they are rounded to, and (groups * n,) or ()
    clip: what the result is clipped to, for a layer with the activation function behind it (``with_clips``)
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
    clip: Clip | None = None

    @property
    def kind(self) -> str:
        """The kind of layer in ONNX's words. Everything but a convolution is a MatMul, whatever node it was."""
        return "MatMul" if self.convolution is None else "Conv"

    @property
    def inputs(self) -> list[str]:
        return [self.activation] if self.other is None else [self.activation, self.other]

    def by_channel(self, values: Array) -> Array:
        """Reshape a number, or one for each channel, so that it broadcasts to the left operand or to the result."""
        if values.ndim == 0 or self.convolution is None:
            return values
        return values.reshape(1, -1, *[1] * len(self.convolution.kernel))
