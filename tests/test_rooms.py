"""The rooms of the package and which may import which, as docs/rooms.md draws it."""

import ast
from pathlib import Path

import fewbit
import pytest

ROOT = Path(fewbit.__file__).parent
ROOMS = {
    "formats": set(),
    "families": set(),
    "sim": {"formats"},
    "hdl": {"formats", "families"},
    "tb": {"formats", "sim"},
    "synth": {"formats", "families", "hdl"},
    "study": {"formats", "sim", "hdl", "synth"},
    "boards": {"formats", "families", "sim", "hdl", "synth"},
}


def imported_rooms(path: Path) -> set[str]:
    """Names of the package's rooms that a file imports."""
    room, *folders = path.relative_to(ROOT).parent.parts
    up = 2 + len(folders)
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            if node.level == up:
                found |= {node.module.split(".")[0]} if node.module else {alias.name for alias in node.names}
            elif node.level == 0 and node.module and node.module.split(".")[0] == "fewbit":
                found.add(node.module.split(".")[1] if "." in node.module else "fewbit")
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("fewbit.")}
    return found - {room, "__version__"}


@pytest.mark.parametrize("room", ROOMS)
def test_room_imports_only_what_it_may(room):
    for path in sorted((ROOT / room).rglob("*.py")):
        extra = imported_rooms(path) & {*ROOMS, "cli", "fewbit"} - ROOMS[room]
        if room == "tb" and path.name.endswith("_tb.py"):
            extra -= {"tb"}  # cocotb imports testbenches by their full name
        assert not extra, f"{path.relative_to(ROOT)} must not import {', '.join(sorted(extra))}"


def test_formats_need_the_standard_library_alone():
    import sys

    for path in sorted((ROOT / "formats").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            assert all(name.split(".")[0] in sys.stdlib_module_names for name in names), f"{path.name} imports {names}"
