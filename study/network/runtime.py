"""ONNX models as onnxruntime has them: running one, computing what is constant, and what its nodes and tensors are."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
from onnx import GraphProto, ModelProto, NodeProto, helper

__all__ = ["attributes_of", "folded", "graphs_within", "reads", "session", "tensors"]


def session(model: bytes, threads: int = 0, without: tuple[str, ...] = (), optimized: bool = True) -> Any:
    """Of onnxruntime, silent; ``without``: its optimizations that must not be, ``optimized``: whether any may be.

    Raises ValueError where it refuses the model.
    """
    options = onnxruntime.SessionOptions()
    if not optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"], disabled_optimizers=[*without]
        )
    except Exception as error:
        raise ValueError(f"model must be an ONNX network that onnxruntime runs: {_one_line(error)}") from None


def folded(content: bytes) -> ModelProto:
    """The network with everything constant computed, and without training's leftovers, by onnxruntime itself."""
    options = onnxruntime.SessionOptions()
    # else weights that come as integers and a DequantizeLinear stay these, which looks like an activation
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory(prefix="fewbit-") as folder:
        options.optimized_model_filepath = os.fspath(Path(folder, "folded.onnx"))
        try:
            onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise ValueError(f"model must be an ONNX network that onnxruntime runs: {_one_line(error)}") from None
        return _parted_sums(onnx.load(options.optimized_model_filepath))


def _parted_sums(model: ModelProto) -> ModelProto:
    """A Gemm that adds an activation, as onnxruntime makes of a MatMul and the sum behind it, as a Gemm and an Add."""
    constants = {tensor.name for tensor in model.graph.initializer}
    nodes = []
    for node in model.graph.node:
        nodes.append(node)
        adds = node.op_type == "Gemm" and len(node.input) > 2 and node.input[2] not in ("", *constants)
        if adds and attributes_of(node).get("beta", 1.0) == 1.0:
            product, added, result = f"{node.output[0]}/product", node.input[2], node.output[0]
            node.input[:] = node.input[:2]
            node.output[:] = [product]
            nodes.append(helper.make_node("Add", [product, added], [result], name=f"{node.name or result}/sum"))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def tensors(model: ModelProto) -> dict[str, tuple[int, list[int | str | None] | None]]:
    """The element type and the shape of every tensor, as onnxruntime infers them; a dimension that varies by name."""
    whole = ModelProto()
    whole.CopyFrom(model)
    del whole.graph.output[:]
    made = [name for node in model.graph.node for name in node.output if name]
    whole.graph.output.extend(onnx.ValueInfoProto(name=name) for name in made)
    run = session(whole.SerializeToString(), optimized=False)
    kinds = {f"tensor({name.lower()})": number for name, number in onnx.TensorProto.DataType.items()}
    known = {entry.name: (kinds[entry.type], entry.shape) for entry in (*run.get_inputs(), *run.get_outputs())}
    return {**dict.fromkeys(made, (onnx.TensorProto.FLOAT, None)), **known}


def graphs_within(node: NodeProto) -> Iterator[GraphProto]:
    """Its branches or its loop, and those within these."""
    for attribute in node.attribute:
        for graph in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
            yield graph
            for inner in graph.node:
                yield from graphs_within(inner)


def reads(node: NodeProto) -> list[str]:
    """The tensors that a node reads; branches and loops do so without having them for inputs."""
    graphs = [*graphs_within(node)]
    own = {entry.name for graph in graphs for entry in (*graph.input, *graph.initializer)}
    own |= {name for graph in graphs for inner in graph.node for name in inner.output}
    used = [name for graph in graphs for inner in graph.node for name in inner.input]
    used += [entry.name for graph in graphs for entry in graph.output]
    return [*node.input, *(name for name in used if name and name not in own)]


def attributes_of(node: NodeProto) -> dict[str, Any]:
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
