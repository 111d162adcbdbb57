"""A checkpoint is read by what its file's name ends in."""

from collections.abc import Iterator
from pathlib import Path

from . import gguf_file, nf4_file
from .stored_tensor import CheckpointEntry

__all__ = ["read_checkpoint"]

_READERS = {".gguf": gguf_file.entries, ".safetensors": nf4_file.entries}


def read_checkpoint(path: Path) -> Iterator[CheckpointEntry]:
    """Every tensor of a file, one at a time, in the file's order.

    Raises ValueError for a file of another kind, or one that is not what its name says.
    """
    if path.suffix.lower() not in _READERS:
        raise ValueError(f"a checkpoint's file must end in {' or '.join(_READERS)}, not be {str(path)!r}")
    if not path.is_file():
        raise ValueError(f"a checkpoint must be a file that is there, not {str(path)!r}")
    return _READERS[path.suffix.lower()](path)
