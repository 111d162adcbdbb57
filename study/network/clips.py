"""A Relu or a Clip behind a layer becomes part of it, which saves a pass over memory and a call of onnxruntime."""

from dataclasses import replace

import numpy as np

from .graph import Graph, Segment
from .layer import Clip, Layer
from .quantizer import Quantizer
from .runtime import attributes_of

__all__ = ["with_clips"]


def with_clips(graph: Graph) -> Graph:
    """The same network, in which a layer whose result only a Relu or a Clip reads clips it itself.

    It gives the same outputs, for clipping rounds nothing.
    """
    steps: list[Layer | Segment | Quantizer] = []
    for step, unneeded in zip(graph.steps, graph.last_uses, strict=True):
        last = steps[-1] if steps else None
        if isinstance(last, Layer) and isinstance(step, Segment) and last.output in unneeded:
            clip = _clip(graph, step)
            if clip is not None and step.inputs == [last.output] and step.outputs:
                steps[-1] = replace(last, output=step.outputs[0], clip=clip)
                continue
        steps.append(step)
    return graph.in_steps(steps)


def _clip(graph: Graph, segment: Segment) -> Clip | None:
    """What a segment clips float32 numbers to; None where it does anything else."""
    if len(segment.nodes) > 1 or segment.nodes[0].op_type not in ("Relu", "Clip"):
        return None
    node = segment.nodes[0]
    if node.op_type == "Relu":
        return 0.0, np.inf
    given = attributes_of(node)  # where bounds were before they became inputs
    bounds = [given.get("min", -np.inf), given.get("max", np.inf)]
    for index, name in enumerate(node.input[1:]):
        if name:
            constant = graph.constant(name)
            if constant is None:
                return None
            bounds[index] = constant.item()
    return bounds[0], bounds[1]
