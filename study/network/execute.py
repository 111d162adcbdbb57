"""Running a network: its segments by onnxruntime, its layers by whatever multiplies."""

from collections.abc import Callable, Iterator
from typing import Any

from numpy.typing import NDArray

from .graph import Graph
from .layer import Layer
from .network import Samples

__all__ = ["Multiply", "batches", "execute", "held"]

Array = NDArray[Any]
Multiply = Callable[[Layer, list[Array]], Array]
"""Of a layer and its operands that are activations, the result."""


def batches(samples: Samples, size: int) -> Iterator[dict[str, Array]]:
    for start in range(0, len(samples), size):
        yield {name: values[start : start + size] for name, values in samples.inputs.items()}


def execute(
    graph: Graph,
    inputs: dict[str, Array],
    multiply: Multiply,
    start: int = 0,
    before: Callable[[int, dict[str, Array]], None] = lambda place, tensors: None,
) -> list[Array]:
    """The network's outputs for one batch.

    Parameters
    ----------
    inputs: tensors by name: the network's inputs, or all that steps from ``start`` on read and earlier ones make
    before: called ahead of every layer with its place among the steps and with all tensors that are still needed
    """
    tensors = dict(inputs)
    for place, step in enumerate(graph.steps):
        if place < start:
            continue
        if isinstance(step, Layer):
            before(place, tensors)
            tensors[step.output] = multiply(step, [_tensor(graph, tensors, name) for name in step.inputs])
        else:
            tensors.update(zip(step.outputs, step.run(tensors), strict=True))
        for name in graph.last_uses[place]:
            tensors.pop(name, None)
    return [_tensor(graph, tensors, name) for name in graph.outputs]


def held(graph: Graph) -> set[str]:
    """The tensors that are held in float32 while a layer computes: the network's inputs, or what was made before the
    layer, that something other than a layer reads behind it. What a layer reads is held as codes instead."""
    made = dict.fromkeys(graph.inputs, -1)
    read = dict.fromkeys(graph.outputs, len(graph.steps))
    for place, step in enumerate(graph.steps):
        made |= dict.fromkeys([step.output] if isinstance(step, Layer) else step.outputs, place)
        if not isinstance(step, Layer):
            read |= {name: max(place, read.get(name, place)) for name in step.inputs}
    layers = [place for place, step in enumerate(graph.steps) if isinstance(step, Layer)]
    return {name for name, start in made.items() if any(start < place < read.get(name, -1) for place in layers)}


def _tensor(graph: Graph, tensors: dict[str, Array], name: str) -> Array:
    found = tensors.get(name)
    if found is None:
        found = graph.constant(name)
        assert found is not None, name
    return found
