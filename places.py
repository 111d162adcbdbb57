"""Where fewbit keeps things on disk, and how it writes them: a file whole, one process at a time adding to a folder.
What it builds is named by the content of all that went into it."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import platformdirs

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["alone", "cache_folder", "cached", "not_writable", "sources_hash", "write_bytes", "write_whole"]


def cache_folder() -> Path:
    """The folder that ``FEWBIT_CACHE`` names, else ``fewbit`` in the user's cache folder."""
    named = os.environ.get("FEWBIT_CACHE")
    if named:
        return Path(named).expanduser().resolve()
    return Path(platformdirs.user_cache_dir("fewbit", appauthor=False))


def not_writable(folder: Path, error: OSError) -> ValueError:
    """What to raise where nothing can be kept in that folder."""
    return ValueError(
        f"cache folder must be writable, not {str(folder)!r} ({error.strerror}); FEWBIT_CACHE names another"
    )


def _content_hash(parts: Iterable[str]) -> str:
    """SHA-256 of the parts, in hexadecimal; where one part ends and the next begins counts too."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode()
        digest.update(b"%d:" % len(data) + data)
    return digest.hexdigest()


@cache
def sources_hash(*rooms: str) -> str:
    """SHA-256 of all Python sources of these rooms, and of the rooms inside them: a change of any of them changes it.

    What is kept on disk has it in its key, so that nothing outlives the code that made it. Raises ValueError where a
    room has no sources, so that a room that moved is noticed.
    """
    contents = []
    for room in rooms:
        files = sorted((Path(__file__).parent / room).rglob("*.py"))
        if not files:
            raise ValueError(f"room must be one that has sources, not {room!r}")
        contents += [file.read_text() for file in files]
    return _content_hash(contents)


def cached(kind: str, parts: Iterable[str], make: Callable[[Path], None]) -> Path:
    """The folder that ``make`` filled for these parts, now or in an earlier run.

    ``make`` gets an empty folder beside the final one. Only a complete folder takes the final name, so an interrupted
    or failed build leaves nothing that a later run would take for whole, and two processes may build the same at once.
    Raises ValueError where the cache folder cannot be written.
    """
    folder = cache_folder() / kind / _content_hash(parts)[:32]
    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".making-", dir=folder.parent))
    except OSError as error:
        raise not_writable(cache_folder(), error) from None
    try:
        make(scratch)
        try:
            scratch.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder


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


def write_whole(path: Path, text: str) -> None:
    """Write a file so that nobody ever sees half of it. Raises OSError if the folder cannot be written."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes in the same way. A link stays, and what it points to is replaced; a device or pipe is written to."""
    path = path.resolve()
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
