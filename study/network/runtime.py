"""ONNX models as onnxruntime has them: running one, computing what is constant, and what its nodes and tensors are."""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import onnx
import onnxruntime
from onnx import GraphProto, ModelProto, NodeProto, TypeProto, helper

__all__ = [
    "Tensor",
    "any_number",
    "attributes_of",
    "folded",
    "graphs_within",
    "opened",
    "reads",
    "run_session",
    "session",
    "sized",
    "tensors",
]

_LEAST_IR = 4
"""The first version of ONNX whose initializers need not be inputs."""


class Tensor(NamedTuple):
    """What is known of a tensor, or of what else a node may make: a sequence, a map, an optional.

    Members
    -------
    element: the element type as ONNX numbers it; None for what is no tensor
    shape: a dimension that varies by name; None where nothing is known
    type: as ONNX has it
    """

    element: int | None
    shape: list[int | str | None] | None
    type: TypeProto


def session(model: bytes, threads: int = 1, without: tuple[str, ...] = (), optimized: bool = True) -> Any:
    """Of onnxruntime, silent; ``without``: its optimizations that must not be, ``optimized``: whether any may be.

    ``threads``: 0 for one a core. What comes quantized behind a DequantizeLinear is multiplied in float32 as the model
    says; onnxruntime would otherwise multiply integers, and round activations for that.

    Raises ValueError where it refuses the model.
    """
    options = _options()
    if not optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = threads
    try:
        return onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"], disabled_optimizers=[*without]
        )
    except Exception as error:
        raise ValueError(f"model must be an ONNX network that onnxruntime runs: {_one_line(error)}") from None


def run_session(of: Any, outputs: Sequence[str] | None, feed: dict[str, Any], name: str = "") -> list[Any]:
    """The outputs of a session for one batch; ``name``: of the layer that it is, if any.

    Raises ValueError where it fails.
    """
    try:
        found: list[Any] = of.run(outputs, feed, _silent())
    except Exception as error:
        where = f" in {name!r}" if name else ""
        raise ValueError(f"model must run on its samples, not fail{where}: {_one_line(error)}") from None
    return found


@cache
def _silent() -> Any:
    options = onnxruntime.RunOptions()
    options.log_severity_level = 4
    return options


def _options() -> Any:
    """What all sessions have in common.

    A study has a session for each layer. Threads that spin while they wait would take a core each from the session that
    works, and an arena keeps the most that a session ever took.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.enable_cpu_mem_arena = False
    # else weights that come as integers and a DequantizeLinear stay these, which looks like an activation
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    for kind in ("intra", "inter"):
        options.add_session_config_entry(f"session.{kind}_op.allow_spinning", "0")
    return options


def opened(content: bytes) -> bytes:
    """The network whose inputs are those that have no value in it.

    Files of ONNX's third version, and some since, list their weights as inputs too. What is no ONNX file stays as it
    is: onnxruntime tells what is wrong with it.
    """
    try:
        model = onnx.load_model_from_string(content)
    except Exception:
        return content
    given = {tensor.name for tensor in model.graph.initializer}
    given |= {tensor.values.name for tensor in model.graph.sparse_initializer}
    inputs = [entry for entry in model.graph.input if entry.name not in given]
    if len(inputs) == len(model.graph.input):
        return content
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    model.ir_version = max(model.ir_version, _LEAST_IR)
    return model.SerializeToString()


def sized(content: bytes, inputs: Mapping[str, Any]) -> bytes:
    """The network with all dimensions of its inputs but the first as these arrays have them."""
    model = onnx.load_model_from_string(content)
    for entry in model.graph.input:
        if entry.name in inputs:
            for dimension, size in zip(
                entry.type.tensor_type.shape.dim[1:], inputs[entry.name].shape[1:], strict=False
            ):
                dimension.dim_value = size
    del model.graph.value_info[:]
    return model.SerializeToString()


def any_number(content: bytes) -> bytes:
    """The network of one sample as one of any number, as far as inputs and outputs say so.

    Whether its nodes take several samples too has to be tried.
    """
    model = onnx.load_model_from_string(content)
    constants = {tensor.name for tensor in model.graph.initializer}
    for entry in (*model.graph.input, *model.graph.output):
        sizes = entry.type.tensor_type.shape.dim
        if sizes and sizes[0].dim_value == 1 and entry.name not in constants:
            sizes[0].dim_param = "samples"
    del model.graph.value_info[:]
    return model.SerializeToString()


def folded(content: bytes) -> ModelProto:
    """The network with everything constant computed, and without training's leftovers, by onnxruntime itself."""
    options = _options()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    with tempfile.TemporaryDirectory(prefix="fewbit-") as folder:
        options.optimized_model_filepath = os.fspath(Path(folder, "folded.onnx"))
        try:
            onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise ValueError(f"model must be an ONNX network that onnxruntime runs: {_one_line(error)}") from None
        return _parted_sums(onnx.load(options.optimized_model_filepath))


def _parted_sums(model: ModelProto) -> ModelProto:
    """A Gemm that adds what is no bias of its columns as a Gemm and an Add.

    onnxruntime makes such a Gemm of a MatMul and the sum of activations behind it; others add a number for each row.
    """
    constants = {tensor.name for tensor in model.graph.initializer if all(size == 1 for size in tensor.dims[:-1])}
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


def tensors(model: ModelProto) -> dict[str, Tensor]:
    """Of every tensor by name what onnxruntime infers."""
    whole = ModelProto()
    whole.CopyFrom(model)
    del whole.graph.output[:]
    made = [name for node in model.graph.node for name in node.output if name]
    whole.graph.output.extend(onnx.ValueInfoProto(name=name) for name in made)
    run = session(whole.SerializeToString(), optimized=False)
    known = {entry.name: _tensor(entry.type, entry.shape) for entry in (*run.get_inputs(), *run.get_outputs())}
    return {**dict.fromkeys(made, _tensor("tensor(float)", None)), **known}


def _tensor(kind: str, shape: list[int | str | None] | None) -> Tensor:
    """``kind``: in onnxruntime's words, as ``tensor(float)``. It says () also where it knows no shape."""
    shape = shape or None
    made = _type(kind, shape)
    if not made.HasField("tensor_type"):
        return Tensor(None, None, made)
    return Tensor(made.tensor_type.elem_type, shape, made)


def _type(kind: str, shape: list[int | str | None] | None = None) -> TypeProto:
    outer, _, inner = kind.removesuffix(")").partition("(")
    if outer == "tensor":
        return helper.make_tensor_type_proto(_ELEMENTS[inner], shape)
    if outer == "sparse_tensor":
        return helper.make_sparse_tensor_type_proto(_ELEMENTS[inner], shape)
    if outer == "map":
        key, _, value = inner.partition(",")
        return helper.make_map_type_proto(_ELEMENTS[key], _type(value))
    make = {"seq": helper.make_sequence_type_proto, "optional": helper.make_optional_type_proto}[outer]
    return make(_type(inner))


_ELEMENTS = {name.lower(): number for name, number in onnx.TensorProto.DataType.items()}


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
    """What went wrong, without line breaks and not too long."""
    return " ".join(str(error).split())[:300]
