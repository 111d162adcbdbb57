"""Files of arrays and models, which appear whole or not at all."""

import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["read_npz", "write_bytes", "write_npz"]


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that nobody ever sees half of it. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as scratch:
        whole = Path(scratch, path.name)
        whole.write_bytes(content)
        whole.replace(path)


def write_npz(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Write arrays, compressed; the same arrays give the same bytes. Raises OSError."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]  # a name could be allow_pickle's
    write_bytes(path, buffer.getvalue())


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """Every array of the file by its name. Raises OSError, ValueError."""
    with np.load(path) as arrays:
        return dict(arrays)
