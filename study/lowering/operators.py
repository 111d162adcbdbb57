"""The kinds of operators that an accelerator has, and which of a network's tensors its output needs."""

from ..network.graph import Graph
from ..network.layer import Layer
from ..network.quantizer import Quantizer
from ..network.runtime import reads
from .functions import ELEMENTWISE
from .pool_steps import POOLS
from .watch import Made

__all__ = ["HOSTS", "RENAMES", "needed"]

RENAMES = frozenset(("Flatten", "Reshape", "Squeeze", "Unsqueeze", "Transpose"))
"""Kinds that give the same values in another shape."""
OTHERS = frozenset(("BatchNormalization", "Concat"))
HOSTS = frozenset(("ArgMax", "Hardmax", "LogSoftmax", "Softmax"))
"""Kinds that are left to the host where the network ends with them."""

DOMAINS = ("", "ai.onnx", "com.microsoft")


def needed(graph: Graph, tensors: dict[str, Made]) -> set[str]:
    """The tensors that the output needs.

    Raises ValueError by all kinds of nodes that are not known, or that the host would have to compute in between.
    """
    wanted, leads = {graph.output}, set[str]()
    refused: dict[str, str] = {}

    def refuse(kind: str, name: str) -> None:
        refused.pop(kind, None)
        refused[kind] = name

    for step in reversed(graph.steps):
        if isinstance(step, Layer):
            if step.output in wanted:
                wanted.update(step.inputs)
                leads.update(step.inputs)
                if step.weight is None:
                    refuse("MatMul of two activations", step.name)
            continue
        for node in reversed([] if isinstance(step, Quantizer) else step.nodes):
            outputs = {*node.output}
            if wanted.isdisjoint(outputs):
                continue
            wanted.update(reads(node))
            if not leads.isdisjoint(outputs):
                leads.update(reads(node))
            known = node.domain in DOMAINS and node.op_type in ELEMENTWISE | RENAMES | POOLS | OTHERS | HOSTS
            between = node.op_type in HOSTS and not leads.isdisjoint(outputs)
            real = any(tensors[name].real for name in node.output if name in tensors)
            if between or (not known and real):
                refuse(node.op_type, node.name or node.output[0])
        if isinstance(step, Quantizer) and step.output in wanted:
            wanted.update(step.inputs)
            leads.update(step.inputs)
    if refused:
        listed = ", ".join(f"{kind} in {name!r}" for kind, name in reversed(refused.items()))
        raise ValueError(f"model must be of operators that a network accelerator has, not {listed}")
    return wanted
