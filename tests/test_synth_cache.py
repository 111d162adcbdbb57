"""The cache survives whatever happens to its files."""

import sqlite3
import subprocess
import sys

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
    cache._store.set("key", damage)
    assert cache.get("key") is None
    cache.put("key", {"luts": 3})
    assert cache.get("key") == {"luts": 3}


def test_damaged_file_is_begun_anew(tmp_path):
    cache = Cache(tmp_path)
    cache.put("key", 1)
    cache.close()
    (tmp_path / "cache.db").write_bytes(b"not a database at all, whatever its name says" * 100)
    cache = Cache(tmp_path)
    assert cache.get("key") is None
    cache.put("key", 2)
    assert Cache(tmp_path).get("key") == 2


def test_file_damaged_while_open_is_begun_anew(tmp_path):
    cache = Cache(tmp_path)
    for key in range(2000):
        cache._store.set(f"filler{key}", "x" * 200)
    cache.put("key", 1)
    cache._store._sql("PRAGMA wal_checkpoint(TRUNCATE)")
    file = tmp_path / "cache.db"
    content = file.read_bytes()
    file.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    assert Cache(tmp_path).get("key") is None
    fresh = Cache(tmp_path)
    fresh.put("key", 3)
    assert fresh.get("key") == 3


def test_busy_file_is_waited_for_or_done_without(tmp_path, monkeypatch):
    cache = Cache(tmp_path)
    cache.put("key", 1)

    def busy(*_):
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(cache._store, "get", busy)
    monkeypatch.setattr(cache._store, "set", busy)
    assert cache.get("key") is None
    cache.put("key", 2)
    assert Cache(tmp_path).get("key") == 1


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
