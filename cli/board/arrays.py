"""Arrays come from NumPy's files, and go into them."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["file_of", "load_array", "npy_bytes"]


@contextmanager
def file_of(path: Path, function: str) -> Iterator[None]:
    """Turn what NumPy raises for a file that is damaged, or not NumPy's, into a ValueError. An OSError stays as it is.

    NumPy raises ValueError, EOFError and MemoryError, and what zipfile, zlib and the parser of headers raise.
    """
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        # NumPy's advice on objects is none for numbers
        why = "it holds no array of numbers" if "pickle" in str(error) else error
        raise ValueError(f"{path} must be a file of numpy.{function}: {why}") from None


def load_array(path: Path) -> "NDArray[Any]":
    import numpy as np

    with file_of(path, "save"):
        found = np.load(path, allow_pickle=False)
    if not isinstance(found, np.ndarray):
        raise ValueError(f"{path} must be an array, as numpy.save writes it, not an archive")
    return found


def npy_bytes(array: "NDArray[Any]") -> bytes:
    import numpy as np

    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()
