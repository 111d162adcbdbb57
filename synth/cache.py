"""The on-disk cache of measurements: safe between processes, and never a reason to fail."""

import hashlib
import json
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

import diskcache  # type: ignore[import-untyped]

from ..places import cache_folder, not_writable

__all__ = ["Cache", "cache_folder"]


class Cache:
    """JSON values by key. What cannot be read is as good as absent.

    A damaged entry is a miss, a damaged file is begun anew.

    Parameters
    ----------
    folder: where it is kept, ``cache_folder()`` unless given. Raises ValueError where it cannot be written
    """

    def __init__(self, folder: Path | None = None):
        self.folder = cache_folder() if folder is None else folder
        try:
            self._store = self._open()
        except OSError as error:
            raise not_writable(self.folder, error) from None

    def get(self, key: str) -> Any:
        """The value of ``key``, None where there is none that is whole."""
        try:
            entry = self._store.get(key)
        except (sqlite3.Error, diskcache.Timeout, OSError) as error:
            self._recover(error)
            return None
        if not isinstance(entry, str):
            return None
        checksum, _, text = entry.partition(" ")
        return json.loads(text) if checksum == _checksum(text) else None

    def put(self, key: str, value: Any) -> None:
        text = json.dumps(value)
        try:
            self._store.set(key, f"{_checksum(text)} {text}")
        except (sqlite3.Error, diskcache.Timeout, OSError) as error:
            self._recover(error)

    def close(self) -> None:
        self._store.close()

    def _open(self) -> diskcache.Cache:
        try:
            return self._connect()
        except sqlite3.DatabaseError:
            for file in self.folder.glob("cache.db*"):
                file.unlink(missing_ok=True)
            return self._connect()

    def _connect(self) -> diskcache.Cache:
        # nothing is evicted: a row is small, and a sweep that lost some would measure them again
        return diskcache.Cache(str(self.folder), eviction_policy="none", disk_min_file_size=1 << 20)

    def _recover(self, error: Exception) -> None:
        busy = isinstance(error, sqlite3.OperationalError | diskcache.Timeout | OSError)
        if not busy:
            self.close()
            with suppress(sqlite3.Error, OSError):
                for file in self.folder.glob("cache.db*"):
                    file.unlink(missing_ok=True)
                self._store = self._open()


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
