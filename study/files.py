"""Files that appear whole or not at all, of arrays; and folders in which only one process at a time adds to files."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..synth import write_bytes

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["alone", "read_npz", "write_npz"]


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """While it lasts no other process is within the same context on the same folder, which is made if need be.

    For reading a file, adding to it and writing it again. On systems without ``fcntl`` it keeps nobody out. Raises
    OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        yield
        return
    place = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(place, fcntl.LOCK_EX)
        yield
    finally:
        os.close(place)  # which unlocks, as the end of a process does


def write_npz(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Write arrays, compressed; the same arrays give the same bytes. Raises OSError."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]  # a name could be allow_pickle's
    write_bytes(path, buffer.getvalue())


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """Every array of the file by its name. Raises OSError, ValueError."""
    with np.load(path) as arrays:
        return dict(arrays)
