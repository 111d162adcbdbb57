"""The windows of convolutions and pools, as records have them."""

from collections.abc import Sequence
from typing import Any

from onnx import NodeProto

from ...formats.network import Window
from ..network.layer import Convolution
from ..network.runtime import attributes_of

__all__ = ["convolution_of", "mean_divisor", "window_of"]


def convolution_of(node: NodeProto, axes: int) -> Convolution:
    """The window of a pool over so many axes, read as a convolution has it."""
    attributes = attributes_of(node)
    same = {b"SAME_UPPER": "upper", b"SAME_LOWER": "lower"}.get(attributes.get("auto_pad", b""), "")
    pads = attributes.get("pads", [0] * (2 * axes))
    return Convolution(
        tuple(attributes["kernel_shape"]),
        tuple(attributes.get("strides", [1] * axes)),
        tuple(attributes.get("dilations", [1] * axes)),
        tuple(zip(pads[:axes], pads[axes:], strict=True)),
        1,
        same,
    )


def window_of(shape: Convolution, sizes: Sequence[int]) -> Window:
    """As a record has it, for a source of these sizes; of one axis the rows are 1.

    Raises ValueError where it has more than two axes, or is larger than a record can have it.
    """
    if len(shape.kernel) not in (1, 2):
        raise ValueError(f"windows must have one axis or two, not {len(shape.kernel)}")
    pads = [before for before, _ in shape.pads_of(tuple(sizes))]
    parts: list[Sequence[int]] = [shape.kernel, shape.strides, shape.dilations, pads]
    fill = [1, 1, 1, 0]
    rows, pixels = zip(*([number, *part][-2:] for number, part in zip(fill, parts, strict=True)), strict=True)
    fields: dict[str, Any] = {}
    for axis, numbers in (("y", rows), ("x", pixels)):
        fields |= dict(
            zip((f"kernel_{axis}", f"stride_{axis}", f"dilation_{axis}", f"pad_{axis}"), numbers, strict=True)
        )
    return Window(**fields)


def mean_divisor(node: NodeProto, shape: Convolution, sizes: Sequence[int], results: Sequence[int]) -> int | None:
    """What an AveragePool divides its sums by; None where that differs from pixel to pixel."""
    counted = bool(attributes_of(node).get("count_include_pad", 0))
    divisor = 1
    pads = shape.pads_of(tuple(sizes))
    for axis, (size, result) in enumerate(zip(sizes, results, strict=True)):
        before, after = pads[axis]
        kernel, stride, dilation = shape.kernel[axis], shape.strides[axis], shape.dilations[axis]
        first, last = -before, (result - 1) * stride + (kernel - 1) * dilation - before
        inside = last < size + after if counted else first >= 0 and last < size
        if not inside:
            return None
        divisor *= kernel
    return divisor
