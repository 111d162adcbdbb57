"""Samples of a network come from an .npz file of its inputs by name."""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from .graph import Graph
from .network import Samples, as_samples

__all__ = ["read_samples"]

LARGEST = 1e12
"""Greatest magnitude of calibration's inputs. Calibration adds up squares of operands in float32."""


def read_samples(option: str, file: Path, graph: Graph, temporary: Path | None = None) -> Samples:
    """The samples of a file for a network. Raises OSError, and ValueError where the network cannot take them.

    Parameters
    ----------
    option: ``calibration`` or ``test``: what they are for. Scales have to be found by those of the calibration
    temporary: a folder whose files no message names
    """
    try:
        samples = as_samples(_arrays(file), graph.inputs)
        graph.check(samples)
        if option == "calibration":
            _check_range(samples)
    except ValueError as error:
        where = option if file.parent == temporary else f"{option} {str(file)!r}"
        raise ValueError(f"{where}: {error}") from None
    return samples


def _check_range(samples: Samples) -> None:
    """Raise ValueError where scales cannot be found by the numbers, since all are one or their squares overflow."""
    numbers = [values for values in samples.inputs.values() if values.dtype.kind in "biuf"]
    if numbers and not any(np.ptp(values) for values in numbers):
        raise ValueError(f"samples must differ in their numbers, not be {numbers[0].flat[0]:g} everywhere")
    largest = max((float(np.abs(values).max()) for values in numbers if values.dtype.kind == "f"), default=0.0)
    if largest > LARGEST:
        raise ValueError(f"samples must be of numbers up to {LARGEST:g}, not {largest:g}")


def _arrays(file: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (ValueError, EOFError, TypeError, zipfile.BadZipFile, zlib.error):
        raise ValueError("samples must be an .npz file of arrays of numbers, as np.savez writes") from None
