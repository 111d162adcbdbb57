"""The cache survives whatever happens to its files."""

import pickle
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from fewbit.synth import Cache, cache_folder


def test_values_come_back_in_another_instance(tmp_path):
    Cache(tmp_path).put("key", {"luts": 3, "seeds": [1, 2]})
    assert Cache(tmp_path).get("key") == {"luts": 3, "seeds": [1, 2]}
    assert Cache(tmp_path).get("other") is None


def test_folder_is_chosen_by_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("FEWBIT_CACHE", str(tmp_path / "chosen"))
    assert cache_folder() == tmp_path / "chosen"
    monkeypatch.delenv("FEWBIT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "fewbit"


@pytest.mark.parametrize("damage", ["", "{", '{"luts": 4}', '0123456789abcdef {"luts": 4}', b"\0\1"])
def test_damaged_entry_is_absent(tmp_path, damage):
    cache = Cache(tmp_path)
    cache.put("key", {"luts": 3})
    with cache._store:
        cache._store.execute("UPDATE entries SET value = ?", (damage,))
    assert cache.get("key") is None
    cache.put("key", {"luts": 3})
    assert cache.get("key") == {"luts": 3}


def test_damaged_file_is_begun_anew(tmp_path):
    cache = Cache(tmp_path)
    cache.put("key", 1)
    cache.close()
    (tmp_path / "measurements.db").write_bytes(b"not a database at all, whatever its name says" * 100)
    cache = Cache(tmp_path)
    assert cache.get("key") is None
    cache.put("key", 2)
    assert Cache(tmp_path).get("key") == 2


def test_file_damaged_while_open_is_begun_anew(tmp_path):
    cache = Cache(tmp_path)
    with cache._store:
        fillers = [(f"filler{key}", "x" * 200) for key in range(2000)]
        cache._store.executemany("INSERT INTO entries VALUES (?, ?)", fillers)
    cache.put("key", 1)
    cache._store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    file = tmp_path / "measurements.db"
    content = file.read_bytes()
    file.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    assert Cache(tmp_path).get("key") is None
    fresh = Cache(tmp_path)
    fresh.put("key", 3)
    assert fresh.get("key") == 3


def test_busy_file_is_waited_for_or_done_without(tmp_path, monkeypatch):
    monkeypatch.setattr("fewbit.synth.cache._PATIENCE", 0.1)
    cache = Cache(tmp_path)
    cache.put("key", 1)
    other = sqlite3.connect(tmp_path / "measurements.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    cache.put("key", 2)
    other.execute("ROLLBACK")
    assert cache.get("key") == Cache(tmp_path).get("key") == 1
    cache.put("key", 3)
    assert Cache(tmp_path).get("key") == 3


def test_nothing_that_was_planted_is_executed(tmp_path):
    """A pickle is bytes of no known form here, whatever column it stands in (CVE-2025-69872 of another cache)."""
    marker = tmp_path / "executed"
    cache = Cache(tmp_path)
    with cache._store:
        cache._store.execute("REPLACE INTO entries VALUES ('key', ?)", (pickle.dumps(_Planted(marker)),))
    assert cache.get("key") is None and not marker.exists()


class _Planted:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


def test_folder_that_cannot_be_written_is_said_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"cache folder must be writable, not '.*file/below' .*FEWBIT_CACHE"):
        Cache(tmp_path / "file" / "below")


_PUT_MANY = """
import sys
from pathlib import Path
from fewbit.synth import Cache
cache = Cache(Path(sys.argv[1]))
for key in range(int(sys.argv[2]), int(sys.argv[2]) + 50):
    cache.put(str(key), key)
"""


def test_processes_share_it(tmp_path):
    processes = [subprocess.Popen([sys.executable, "-c", _PUT_MANY, str(tmp_path), first]) for first in ("0", "50")]
    assert [process.wait(timeout=30) for process in processes] == [0, 0]
    cache = Cache(tmp_path)
    assert [cache.get(str(key)) for key in range(100)] == list(range(100))
