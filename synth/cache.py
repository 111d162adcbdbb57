"""The on-disk cache of measurements: safe between processes, and never a reason to fail."""

import hashlib
import json
import sqlite3
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..places import cache_folder, not_writable

__all__ = ["Cache", "cache_folder"]

_FILE = "measurements.db"
_PATIENCE = 60.0  # seconds that one process waits for another's write


class Cache:
    """JSON values by key, in one SQLite file. What cannot be read is as good as absent.

    A damaged entry is a miss, and a damaged file is begun anew. Entries are text and are parsed as JSON, never
    unpickled: a planted file can give wrong values and run nothing. Nothing is evicted: a row is small, and a sweep
    that lost some would measure them again.

    Parameters
    ----------
    folder: where it is kept, ``cache_folder()`` unless given. Raises ValueError where it cannot be written
    """

    def __init__(self, folder: Path | None = None):
        self.folder = cache_folder() if folder is None else folder
        self._one_at_a_time = threading.Lock()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._store = self._open()
        except (OSError, sqlite3.OperationalError) as error:
            reason = error if isinstance(error, OSError) else OSError(0, str(error))
            raise not_writable(self.folder, reason) from None

    def get(self, key: str) -> Any:
        """The value of ``key``, None where there is none that is whole."""
        try:
            with self._one_at_a_time:
                entry = self._store.execute("SELECT value FROM entries WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as error:
            self._recover(error)
            return None
        if entry is None or not isinstance(entry[0], str):
            return None
        checksum, _, text = entry[0].partition(" ")
        return json.loads(text) if checksum == _checksum(text) else None

    def put(self, key: str, value: Any) -> None:
        text = json.dumps(value)
        try:
            with self._one_at_a_time, self._store:
                self._store.execute("REPLACE INTO entries VALUES (?, ?)", (key, f"{_checksum(text)} {text}"))
        except sqlite3.Error as error:
            self._recover(error)

    def close(self) -> None:
        self._store.close()

    def _open(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except sqlite3.OperationalError:  # not writable, or busy
            raise
        except sqlite3.DatabaseError:
            self._remove()
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        # A sweep reads and writes from threads of its executor too.
        store = sqlite3.connect(self.folder / _FILE, timeout=_PATIENCE, check_same_thread=False)
        try:
            store.execute("PRAGMA journal_mode = WAL")
            store.execute("PRAGMA synchronous = NORMAL")
            store.execute("CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID")
        except sqlite3.Error:
            store.close()
            raise
        return store

    def _recover(self, error: sqlite3.Error) -> None:
        if isinstance(error, sqlite3.OperationalError | sqlite3.ProgrammingError):  # busy, or closed
            return
        self.close()
        with suppress(sqlite3.Error, OSError):
            self._remove()
            self._store = self._open()

    def _remove(self) -> None:
        for file in self.folder.glob(f"{_FILE}*"):
            file.unlink(missing_ok=True)


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
