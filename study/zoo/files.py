"""Files of arrays that appear whole or not at all."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...synth import write_bytes

__all__ = ["read_npz", "write_npz"]


def write_npz(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Write arrays, compressed; the same arrays give the same bytes. Raises OSError."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]  # a name could be allow_pickle's
    write_bytes(path, buffer.getvalue())


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """Every array of the file by its name. Raises OSError, ValueError."""
    with np.load(path) as arrays:
        return dict(arrays)
