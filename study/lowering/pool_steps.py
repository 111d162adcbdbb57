"""Pools, and what reduces rows and pixels, are read as steps."""

from onnx import NodeProto

from ...formats.network import Window
from ..network.runtime import attributes_of
from .axes import axes_by_rank
from .known import Known, refusal, spatial, tried
from .steps import PoolStep, Value
from .windows import convolution_of, mean_divisor, window_of

__all__ = ["POOLS", "read_pool"]

POOLS = frozenset(
    ("AveragePool", "GlobalAveragePool", "GlobalMaxPool", "MaxPool", "ReduceMax", "ReduceMean", "ReduceSum")
)


def read_pool(known: Known, node: NodeProto, kind: str, name: str, source: Value) -> None:
    """Add a pool's step, of one of ``POOLS``. Raises ValueError where no record computes it."""
    shape = known.tensors[node.output[0]].shape
    if kind in ("MaxPool", "AveragePool"):
        if len(node.output) > 1 and node.output[1]:
            raise refusal(kind, name, "it must have one output")
        axes = len(attributes_of(node)["kernel_shape"])
        sizes, form = spatial(source, kind, name, axes), convolution_of(node, axes)
        window = tried(kind, name, lambda: window_of(form, sizes))
        divisor = 1 if kind == "MaxPool" else mean_divisor(node, form, sizes, shape[1:])
        if divisor is None:
            raise refusal(kind, name, "it must divide all sums by the same number, with its padding counted")
        height, width = [1, *shape[1:]][-2:]
        result = axes_by_rank(shape)
    else:
        window, height, width, result = _reduction(known, node, kind, name, source)
        divisor = window.taps if kind in ("GlobalAveragePool", "ReduceMean") else 1
    step = PoolStep(
        name,
        node.output[0],
        source.step.channels,
        height,
        width,
        known.next(),
        source=source,
        window=window,
        kind="max" if "Max" in kind else "sum",
        divisor=divisor,
    )
    known.add(step, result)


def _reduction(
    known: Known, node: NodeProto, kind: str, name: str, source: Value
) -> tuple[Window, int, int, tuple[str, ...]]:
    rank = len(source.axes)
    attributes = attributes_of(node)
    if kind.startswith("Global"):
        places, keep = [*range(1, rank)], True
    else:
        listed = known.graph.constant(node.input[1]) if len(node.input) > 1 and node.input[1] else None
        numbers = attributes.get("axes") if listed is None else listed.tolist()
        places = [(int(number) if number >= 0 else int(number) + rank + 1) - 1 for number in numbers or []]
        keep = bool(attributes.get("keepdims", 1))
    if not places or min(places) < 0 or any("c" in source.axes[place] for place in places):
        raise refusal(kind, name, "it must be over rows and pixels")
    gone = "".join(source.axes[place] for place in places)
    step = source.step
    high, wide = (step.height if "y" in gone else 1), (step.width if "x" in gone else 1)
    window = tried(kind, name, lambda: Window(kernel_y=high, kernel_x=wide))
    axes = [("" if place in places else axis) for place, axis in enumerate(source.axes)]
    result = tuple(axis for place, axis in enumerate(axes) if keep or place not in places)
    return window, step.height // high, step.width // wide, result
