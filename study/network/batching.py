"""How many samples a network takes at a time: so many as suit memory and caches, or one where it is made for one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .execute import Multiply, execute
from .float_layer import plain_engine
from .graph import Graph
from .layer import Layer
from .network import Samples
from .runtime import any_number

__all__ = ["Batching", "batching", "by_sample", "joined", "opened_graph"]

Array = NDArray[Any]

MOST_SAMPLES, MOST_VALUES = 100, 1 << 20
"""In a batch, and in the largest tensor of one: more does not fit the processor's caches and takes up to three times as
long."""

MIXED = 1e-4
"""A sample whose output changes by more than this share of its energy beside another one is mixed with it. Float32 in
another order changes far less."""


@dataclass(frozen=True)
class Batching:
    """Of a network on samples of one shape.

    Members
    -------
    alone: whether it computes one sample at a time
    largest: values of one sample in the largest operand of a layer
    note: what is to be said of it, if anything
    """

    alone: bool
    largest: int
    note: str = ""

    def size(self, most: int = MOST_SAMPLES) -> int:
        """Samples in a batch, at most so many."""
        return 1 if self.alone else max(1, min(most, MOST_VALUES // self.largest))


def batching(graph: Graph, samples: Samples, multiply: Multiply) -> Batching:
    """Found by trying the first two samples, each by itself and both together.

    Raises ValueError where the network does not even run on one.
    """
    largest = 1

    def watched(layer: Layer, operands: list[Array]) -> Array:
        nonlocal largest
        largest = max(largest, *(operand.size for operand in operands))
        return multiply(layer, operands)

    place = graph.outputs.index(graph.output)
    pair = {name: values[[0, min(1, len(samples) - 1)]] for name, values in samples.inputs.items()}
    single = [
        execute(graph, {name: values[index : index + 1] for name, values in pair.items()}, watched)[place]
        for index in range(2)
    ]
    if graph.alone:
        return Batching(True, largest)
    try:
        both = execute(graph, pair, multiply)[place]
    except ValueError:
        both = None
    if both is not None and _apart(both, single):
        return Batching(False, largest)
    note = "takes any number of samples by its inputs' shapes, and runs right with one only: one after the other"
    return Batching(True, largest, note)


def opened_graph(content: bytes, samples: Samples, threads: int, output: str) -> tuple[Graph, bytes]:
    """The network taken apart, and its content. One of a fixed batch of one takes several samples at a time where that
    gives what one after the other does."""
    graph = Graph(content, threads, output)
    if graph.alone:
        wider = any_number(content)
        try:
            free = Graph(wider, threads, output)
            if not batching(free, samples, plain_engine(threads)).alone:
                return free, wider
        except ValueError:  # a node has the one sample in its shapes
            pass
    return graph, content


def by_sample(output: Array, alone: bool) -> Array:
    """An output as (samples, ...); what one sample gives may come without such a dimension."""
    return output[None] if alone and output.shape[:1] != (1,) else output


def joined(outputs: Sequence[Array], name: str) -> Array:
    """The outputs of batches as one: (samples, ...). Raises ValueError where samples differ in their shapes."""
    shapes = {output.shape[1:]: None for output in outputs}
    if len(shapes) > 1:
        first, second, *_ = shapes
        raise ValueError(f"outputs must have one shape for all samples, not {first} and {second} as {name!r}")
    return np.concatenate(outputs)


def _apart(both: Array, single: Sequence[Array]) -> bool:
    """Whether an output of two samples is that of each by itself, but for what float32 rounds differently."""
    alone = [by_sample(output, True) for output in single]
    if any(output.shape != (1, *both.shape[1:]) for output in alone) or both.shape[:1] != (2,):
        return False
    expected = np.nan_to_num(np.concatenate(alone).astype(np.float64), posinf=0, neginf=0)
    difference = np.nan_to_num(both.astype(np.float64), posinf=0, neginf=0) - expected
    return bool(np.sum(difference**2) <= MIXED * np.sum(expected**2))
