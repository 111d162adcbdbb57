"""A network in float32 with other weights, as one model that onnxruntime runs as a whole."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, helper, numpy_helper

from .float_layer import layer_nodes
from .graph import Graph, Segment
from .layer import Layer
from .runtime import reads

__all__ = ["with_weights"]

Array = NDArray[Any]


def with_weights(graph: Graph, weights: Mapping[str, Array]) -> bytes:
    """The content of an ONNX file with the network, and these weights (groups, k, n) in the place of the layers' own.

    It has the judged output alone. Raises ValueError for a network that came quantized.
    """
    if graph.quantized:
        raise ValueError("model must be float32 to get other weights, not quantized already")
    nodes: list[NodeProto] = []
    constants = dict(graph.constants)
    for step in graph.steps:
        if isinstance(step, Segment):
            nodes += step.nodes
        elif isinstance(step, Layer):
            made, values = _nodes_of(step, weights.get(step.name, step.weight))
            nodes += made
            constants |= {name: numpy_helper.from_array(each, name) for name, each in values.items()}
    used = {name for node in nodes for name in reads(node)}
    whole = helper.make_graph(
        nodes,
        "network",
        [entry for entry in graph.model.graph.input if entry.name in graph.inputs],
        [entry for entry in graph.model.graph.output if entry.name == graph.output],
        [tensor for name, tensor in constants.items() if name in used],
    )
    version = min(graph.model.ir_version, onnx.IR_VERSION)
    return helper.make_model(whole, opset_imports=[*graph.model.opset_import], ir_version=version).SerializeToString()


def _nodes_of(layer: Layer, weight: Array | None) -> tuple[list[NodeProto], dict[str, Array]]:
    """The nodes of a layer by the names of the network's tensors, and its constants."""
    nodes, constants = layer_nodes(layer, weight, layer.bias, None, None)
    # no tensor of a network has the name of a layer's output and a name of its own behind it
    names = {local: f"{layer.output}/fewbit/{local}" for local in (*constants, *(node.output[0] for node in nodes))}
    names |= {"x": layer.activation, nodes[-1].output[0]: layer.output}
    if layer.other is not None:
        names["w"] = layer.other
    for node in nodes:
        node.input[:] = [names[name] for name in node.input]
        node.output[:] = [names[name] for name in node.output]
    return nodes, {names[local]: np.asarray(values, np.float32) for local, values in constants.items()}
