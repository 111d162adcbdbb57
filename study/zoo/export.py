"""Networks from torch to ONNX, with names that say which layer a node is. Needs torch and onnxscript."""

import logging
import warnings
from collections import Counter
from collections.abc import Iterator

import onnx
import torch

__all__ = ["OPSET", "to_onnx"]

OPSET = 20  # the first with Gelu as one node
MULTIPLY = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def to_onnx(network: torch.nn.Module, inputs: dict[str, torch.Tensor], output: str) -> onnx.ModelProto:
    """The network in evaluation mode, with the batch as first dimension of every input, of any size.

    ``inputs``: of any values and at least two samples, in the order of ``forward``; each a tensor of its own. What is
    constant is folded. Nodes are named for the modules that they come from: ``blocks.0.attention.query`` is the product
    in the linear layer of that name, ``blocks.0.attention.query.add`` adds its bias.
    """
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    batch = torch.export.Dim("batch")
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network.eval(),
            tuple(inputs.values()),
            dynamo=True,
            opset_version=OPSET,
            dynamic_shapes=tuple({0: batch} for _ in inputs),
            input_names=list(inputs),
            output_names=[output],
            external_data=False,
            verbose=False,
        )
    assert program is not None
    model: onnx.ModelProto = program.model_proto
    _rename(model)
    onnx.checker.check_model(model, full_check=True)
    return model


def _rename(model: onnx.ModelProto) -> None:
    """Name nodes, their results and nameless weights by modules; drop the exporter's notes, which hold paths."""
    graph = model.graph
    fixed = {value.name for value in (*graph.input, *graph.output)}
    anonymous = {value.name for value in graph.initializer if value.name.startswith("val_")}
    weights = {value.name for value in graph.initializer if value.name.endswith(".weight")}
    used: Counter[str] = Counter()
    names: dict[str, str] = {}
    for node in graph.node:
        node.name = _numbered(_title(node, weights), used)
        for number, result in enumerate(name for name in node.output if name and name not in fixed):
            names[result] = f"{node.name}:{number}"
        for operand in node.input:
            if operand in anonymous and operand not in names:
                kind = "weight" if node.op_type in MULTIPLY else "constant"
                names[operand] = _numbered(f"{node.name}.{kind}", used)
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for value in (*graph.initializer, *graph.value_info):
        value.name = names.get(value.name, value.name)
    for part in _parts(model):
        del part.metadata_props[:]
        part.doc_string = ""


def _title(node: onnx.NodeProto, weights: set[str]) -> str:
    """The module that a node comes from, and what it does there unless it is the multiplication."""
    if node.op_type in MULTIPLY and node.input[1] in weights:
        return node.input[1].removesuffix(".weight")
    notes = {entry.key: entry.value for entry in node.metadata_props}
    scopes = notes.get("pkg.torch.onnx.name_scopes", "[]").strip("[]").replace("'", "").split(", ")
    module = scopes[-2] if len(scopes) > 1 else ""  # the last one is the operation
    if module and node.op_type in MULTIPLY:
        return module
    return f"{module}.{node.op_type.lower()}".lstrip(".")


def _numbered(name: str, used: Counter[str]) -> str:
    used[name] += 1
    return name if used[name] == 1 else f"{name}_{used[name]}"


Part = onnx.ModelProto | onnx.GraphProto | onnx.NodeProto | onnx.TensorProto | onnx.ValueInfoProto


def _parts(model: onnx.ModelProto) -> Iterator[Part]:
    graph = model.graph
    yield from (model, graph)
    for parts in (graph.node, graph.initializer, graph.value_info, graph.input, graph.output):
        yield from parts
