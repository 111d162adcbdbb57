"""A network is run in float32 for the shapes of its tensors, and for values by which their scales are chosen."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto

from ..network.execute import batches
from ..network.graph import Graph
from ..network.network import Samples
from ..network.qonnx_read import ordinary
from ..network.runtime import run_session, session

__all__ = ["Made", "made", "watched"]

Array = NDArray[Any]

KEPT = 1 << 17
"""How many values of a tensor are kept for the search for a scale."""


class Made(NamedTuple):
    """Of a tensor, the shape for one sample, and whether its values are numbers with fractions."""

    shape: tuple[int, ...]
    real: bool


def made(graph: Graph, samples: Samples) -> dict[str, Made]:
    """What every node of the network makes of the first sample; tensors without a dimension for samples are left out.

    Raises ValueError where it does not run on that.
    """
    names = [name for node in graph.model.graph.node for name in node.output if name]
    first = {name: samples.inputs[name][:1] for name in graph.inputs}
    arrays = dict(zip(names, run_session(_session(graph, names), names, first), strict=True)) | first
    return {
        name: Made(array.shape[1:], array.dtype.kind == "f")
        for name, array in arrays.items()
        if isinstance(array, np.ndarray) and array.ndim and len(array) == 1
    }


def watched(graph: Graph, samples: Samples, names: Iterable[str], batch: int, seed: int = 0) -> dict[str, Array]:
    """Values of these tensors on all samples: float32, at most ``KEPT`` and the least and the greatest of a batch.

    ``batch``: samples at a time. Where a network came quantized, its quantizers do not round here.
    """
    names = [*dict.fromkeys(names)]
    random = np.random.default_rng(seed)
    run = _session(graph, names) if names else None
    drawn: dict[str, list[Array]] = {name: [] for name in names}
    share = max(1, KEPT * batch // len(samples))
    for inputs in batches(samples, batch):
        feed = {name: inputs[name] for name in graph.inputs}
        given = {name: feed[name] for name in names if name in feed}
        asked = [name for name in names if name not in feed]
        found = dict(zip(asked, run_session(run, asked, feed) if asked else [], strict=True)) | given
        for name, values in found.items():
            flat = values.reshape(-1).astype(np.float32, copy=False)
            flat = flat[np.isfinite(flat)]
            if flat.size > share:
                ends = [flat.min(), flat.max()]
                flat = np.append(flat[random.integers(0, flat.size, share)], ends).astype(np.float32)
            drawn[name].append(flat)
    return {name: np.concatenate(parts) for name, parts in drawn.items()}


def _session(graph: Graph, names: Iterable[str]) -> Any:
    whole = ModelProto()
    whole.CopyFrom(ordinary(graph.model) if graph.quantized else graph.model)
    known = {entry.name for entry in whole.graph.input}
    del whole.graph.output[:]
    whole.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in known)
    return session(whole.SerializeToString(), graph.threads)
