"""A network to study: its model, what it is calibrated and tested with, and how its outputs are judged."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto
from onnx.external_data_helper import ExternalDataInfo, load_external_data_for_tensor, uses_external_data

from .qdq_read import as_qonnx
from .runtime import graphs_within

__all__ = ["Judge", "Network", "Samples", "as_samples", "read_model"]

Array = NDArray[Any]
Judge = Callable[[Array, Array], Array]
"""Of outputs (samples, ...) and what is expected (samples, ...), a score for each sample: shape (samples,)."""


@dataclass(frozen=True)
class Samples:
    """Inputs of a network by name, each of shape (samples, ...), and what is expected of it.

    ``expected``: (samples, ...): labels for top-1, whatever the judges take; None where only outputs are compared.
    ``clusters``: an integer for each sample; samples alike (one image on several backgrounds) share one, and standard
    errors are of the clusters' means then. None where all are apart.
    """

    inputs: dict[str, Array]
    expected: Array | None = None
    clusters: Array | None = None

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def at(self, places: Array) -> "Samples":
        """The samples at these places."""
        return Samples(
            {name: values[places] for name, values in self.inputs.items()},
            None if self.expected is None else self.expected[places],
            None if self.clusters is None else self.clusters[places],
        )

    def first(self, count: int | None) -> "Samples":
        """The first so many of them; all of them for None."""
        if count is None or count >= len(self):
            return self
        cut = slice(count)
        return Samples(
            {name: values[cut].copy() for name, values in self.inputs.items()},  # a view would keep all of them
            None if self.expected is None else self.expected[cut],
            None if self.clusters is None else self.clusters[cut],
        )


@dataclass(frozen=True)
class Network:
    """Model and data are read when they are asked for.

    Members
    -------
    name: by which the command line and results know it
    title: what it is, in a few words
    model: an ONNX file with a batch as first dimension of all inputs and of the output that is judged
    calibration, test: samples; those of the calibration are not among the test's
    metrics: names (of ``metrics.METRICS`` or of ``judges``), the first being the one to compare by
    judges: metrics of the network's own, by name
    judged_by: the source of judges that are not fewbit's
    output: the output that is judged; empty for the first
    """

    name: str
    title: str
    model: Path
    calibration: Callable[[], Samples]
    test: Callable[[], Samples]
    metrics: tuple[str, ...] = ("top1",)
    judges: dict[str, Judge] | None = None
    judged_by: bytes = b""
    output: str = ""

    def content(self) -> bytes:
        """See ``read_model``."""
        return read_model(self.model)


def read_model(path: Path) -> bytes:
    """An ONNX file, with the weights inside that it may have in files beside it. See ``as_qonnx`` for one that came
    quantized by pairs of QuantizeLinear and DequantizeLinear.

    Raises OSError for the file, ValueError where one of these others is missing or all are too large for one file.
    """
    content = as_qonnx(path.read_bytes())
    try:
        model = onnx.load_model_from_string(content)
    except Exception:
        return content  # what is wrong with it is told by whoever is to run it
    beside = [tensor for tensor in _tensors(model) if uses_external_data(tensor)]
    if not beside:
        return content
    names = {ExternalDataInfo(tensor).location for tensor in beside}
    try:
        for tensor in beside:
            load_external_data_for_tensor(tensor, str(path.parent))
            tensor.data_location = TensorProto.DEFAULT
            del tensor.external_data[:]
    except Exception:
        raise ValueError(f"model must have its weights in {', '.join(sorted(names))} beside {str(path)!r}") from None
    try:
        return model.SerializeToString()
    except Exception:
        raise ValueError(f"model must have at most 2 GB of weights, as ONNX has, not more as {str(path)!r}") from None


def _tensors(model: ModelProto) -> Iterator[TensorProto]:
    """All constants: initializers and what nodes have in their attributes, within branches and functions too."""
    within = [model.graph, *(graph for node in model.graph.node for graph in graphs_within(node))]
    functions = [node for function in model.functions for node in function.node]
    within += [graph for node in functions for graph in graphs_within(node)]
    for graph in within:
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
    for node in (*functions, *(node for graph in within for node in graph.node)):
        for attribute in node.attribute:
            yield from attribute.tensors
            if attribute.HasField("t"):
                yield attribute.t
            if attribute.HasField("sparse_tensor"):
                yield from (attribute.sparse_tensor.values, attribute.sparse_tensor.indices)


def as_samples(values: dict[str, Any], inputs: list[str]) -> Samples:
    """Samples out of the arrays of an .npz file: the model's ``inputs`` by name, ``expected``, ``clusters``."""
    missing = [name for name in inputs if name not in values]
    if missing:
        raise ValueError(f"samples must have the model's inputs {', '.join(inputs)}, not {', '.join(values)}")
    for name in (*inputs, "expected", "clusters"):
        if name in values and (np.ndim(values[name]) == 0 or (name == "clusters" and np.ndim(values[name]) != 1)):
            raise ValueError(
                f"samples must have a first dimension, and clusters no other, not {np.shape(values[name])}"
            )
        if name in inputs and np.asarray(values[name]).dtype.kind == "f" and not np.isfinite(values[name]).all():
            raise ValueError(f"samples must be finite, not NaN or infinite in {name!r}")
    lengths = {name: len(values[name]) for name in (*inputs, "expected", "clusters") if name in values}
    if len(set(lengths.values())) != 1 or not min(lengths.values()):
        raise ValueError(f"samples must be as many for every array, 1 or more, not {lengths}")
    return Samples({name: np.asarray(values[name]) for name in inputs}, values.get("expected"), values.get("clusters"))
