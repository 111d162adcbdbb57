"""A caller's model and samples, which are in memory or in files, become a source that other processes can read."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike

from ..places import write_bytes
from .network.graph import Graph
from .network.network import read_model
from .sweep import Source

__all__ = ["Model", "SampleArrays", "source_of"]

Model = str | Path | onnx.ModelProto | Any
"""A network of the zoo by its name, an ONNX file, a model of ONNX, or a ``torch.nn.Module``."""

SampleArrays = str | Path | ArrayLike | tuple[ArrayLike, ArrayLike] | Mapping[str, ArrayLike]
"""An .npz file; the model's inputs by name, with ``expected`` and ``clusters``; or, for a model of one input, the input
alone, or a pair of it and what is expected. All have the samples as first dimension."""

NOT_INPUTS = ("expected", "clusters")

EXPORTED_INPUT, EXPORTED_OUTPUT = "input", "output"


@contextmanager
def source_of(
    model: Model,
    calibration: SampleArrays | None,
    test: SampleArrays | None,
    *,
    name: str | None = None,
    metrics: tuple[str, ...] | None = None,
    output: str = "",
) -> Iterator[Source]:
    """While it lasts, the source that says where model and samples are. What is in memory is in temporary files then.

    Parameters
    ----------
    model: see ``Model``. A torch module is exported in evaluation mode by its own exporter, with the inputs in the
        order of the calibration's arrays
    calibration, test: see ``SampleArrays``; None with a network of the zoo
    name: the name of the network in results; unless given, that of the file, or ``model``
    metrics, output: see ``Source``

    Raises ValueError, TypeError and OSError for what is no model or no samples. Raises ModuleNotFoundError where a
    package is missing that exports torch modules.
    """
    if isinstance(model, str) and not model.endswith(".onnx"):
        if calibration is not None or test is not None or name is not None:
            raise ValueError(f"calibration, test and name must be given with a model, not with {model!r} of the zoo")
        yield Source(model, metrics=metrics, output=output)
        return
    if calibration is None or test is None:
        raise ValueError("calibration and test must be given with a model: its inputs by name")
    with TemporaryDirectory(prefix="fewbit-") as folder:
        if isinstance(model, str | Path):
            path = Path(model)
        elif isinstance(model, onnx.ModelProto):
            path = _written(model, Path(folder))
        elif _is_torch(model):
            path = _written(_exported(model, _arrays(calibration, None)), Path(folder))
        else:
            raise TypeError(f"model must be an ONNX file, an onnx.ModelProto or a torch.nn.Module, not {model!r}")
        own = isinstance(model, str | Path)
        parts = {"calibration": calibration, "test": test}
        files = {part: _file(samples, path, Path(folder, f"{part}.npz")) for part, samples in parts.items()}
        called = name or (path.stem if own else "model")
        yield Source(called, path, **files, metrics=metrics, output=output, temporary=Path(folder))


def _is_torch(model: Any) -> bool:
    """Whether it is a module of torch, which is not loaded unless the caller has done so."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(model, torch.nn.Module)


def _written(model: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "model.onnx"
    write_bytes(path, model.SerializeToString())
    return path


def _exported(module: Any, samples: Mapping[str, np.ndarray]) -> onnx.ModelProto:
    if find_spec("onnxscript") is None:
        raise ModuleNotFoundError(
            "package onnxscript must be installed to export a torch module: pip install 'fewbit[torch]'",
            name="onnxscript",
        )
    import torch

    from .zoo.export import to_onnx

    inputs = {
        name: torch.from_numpy(np.ascontiguousarray(values[np.arange(2) % len(values)]))
        for name, values in samples.items()
        if name not in NOT_INPUTS
    }
    kinds = [parameter.dtype for parameter in module.parameters() if parameter.is_floating_point()]
    for name, values in inputs.items():
        if values.is_floating_point() and kinds and values.dtype != kinds[0]:
            wanted, given = (str(kind).removeprefix("torch.") for kind in (kinds[0], values.dtype))
            raise ValueError(f"samples must be {wanted} for {name!r}, as the module's parameters, not {given}")
    training = module.training
    try:
        return to_onnx(module, inputs, EXPORTED_OUTPUT)
    finally:
        module.train(training)


def _file(samples: SampleArrays, model: Path, path: Path) -> Path:
    """The .npz file of samples, which is written at ``path`` unless there is one."""
    if isinstance(samples, str | Path):
        return Path(samples)
    arrays: dict[str, Any] = _arrays(samples, model)
    np.savez(path, **arrays)
    return path


def _arrays(samples: SampleArrays, model: Path | None) -> dict[str, np.ndarray]:
    """Samples by name. ``model``: whose input they are where they have no name; None for a module to be exported."""
    if isinstance(samples, str | Path):
        with np.load(samples, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    if isinstance(samples, Mapping):
        return {name: np.asarray(values) for name, values in samples.items()}
    parts = samples if isinstance(samples, tuple) else (samples,)
    if not 1 <= len(parts) <= 2:
        raise ValueError(f"samples must be the input, or a pair of it and what is expected, not {len(parts)} arrays")
    names = [EXPORTED_INPUT] if model is None else Graph(read_model(model)).inputs
    if len(names) != 1:
        raise ValueError(f"samples must be arrays by name for a model of the inputs {', '.join(names)}")
    return {name: np.asarray(values) for name, values in zip([*names, "expected"], parts, strict=False)}
