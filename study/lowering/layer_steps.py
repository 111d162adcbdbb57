"""Layers with weights are read as steps."""

from ...formats.network import Window
from ..network.layer import Layer
from .axes import axes_by_rank
from .known import Known, refusal, spatial, tried
from .steps import ProductStep, Value
from .windows import window_of

__all__ = ["read_layer"]


def read_layer(known: Known, layer: Layer) -> None:
    """Add a layer's step. Raises ValueError where it reads what no record has for it."""
    source = known.source(layer.activation, layer.kind, layer.name)
    assert layer.weight is not None
    columns = layer.weight.shape[0] * layer.weight.shape[2]
    shape = known.tensors[layer.output].shape
    form = layer.convolution
    axes: tuple[str, ...] | None
    if form is not None:
        sizes = spatial(source, layer.kind, layer.name, len(form.kernel))
        window = tried(layer.kind, layer.name, lambda: window_of(form, sizes))
        height, width = [1, *shape[1:]][-2:]
        axes, groups, order = axes_by_rank(shape), form.groups, "cyx"
    else:
        window, height, width, axes, order = _linear(known, layer, source, shape)
        groups = 1
    step = ProductStep(
        layer.name,
        layer.output,
        columns,
        height,
        width,
        known.next(),
        layer=layer,
        source=source,
        window=window,
        groups=groups,
        order=order,
    )
    known.add(step, axes)


def _linear(
    known: Known, layer: Layer, source: Value, shape: tuple[int, ...]
) -> tuple[Window, int, int, tuple[str, ...], str]:
    """The window, the result's height, width and axes, and the order of weights of a linear layer."""
    *others, last = source.axes
    columns = "c" if shape[-1] > 1 else ""
    if not any(others):
        height, width = source.step.height, source.step.width
        window = tried(layer.kind, layer.name, lambda: Window(kernel_y=height, kernel_x=width))
        return window, 1, 1, (*others, columns), last
    if last not in ("c", "") or "c" in "".join(others):
        raise refusal(layer.kind, layer.name, "it must read all channels of a pixel, or all of a sample")
    return Window(), source.step.height, source.step.width, (*others, columns), "c"
