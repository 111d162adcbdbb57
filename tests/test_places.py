"""Where things are kept, and by which hash."""

from pathlib import Path

import fewbit
import pytest
from fewbit.places import sources_hash

ROOT = Path(fewbit.__file__).parent


def test_hash_of_sources_is_of_all_of_them(monkeypatch):
    read, seen = Path.read_text, []

    def reads(path, *arguments, **options):
        seen.append(path)
        return read(path, *arguments, **options)

    monkeypatch.setattr(Path, "read_text", reads)
    sources_hash.cache_clear()
    plain = sources_hash("sim", "hdl")
    assert {ROOT / "sim" / "mac.py", ROOT / "hdl" / "emit.py", ROOT / "hdl" / "units" / "mac.py"} <= {*seen}
    monkeypatch.setattr(Path, "read_text", lambda path: read(path) + "\n" * (path.name == "mac.py"))
    sources_hash.cache_clear()
    assert sources_hash("sim", "hdl") != plain
    sources_hash.cache_clear()


def test_a_room_without_sources_is_refused():
    with pytest.raises(ValueError, match="room must be one that has sources, not 'measurement'"):
        sources_hash("formats", "measurement")
