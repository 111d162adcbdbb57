"""The rooms of the package and which may import which, as docs/rooms.md draws it."""

import ast
import tomllib
from collections import defaultdict
from collections.abc import Iterator
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
    "integrate": {"formats", "sim", "hdl"},
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

    for path in sorted((ROOT / "formats").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            assert all(name.split(".")[0] in sys.stdlib_module_names for name in names), f"{path.name} imports {names}"


def package_files() -> list[Path]:
    """Python files of the package, without tests."""
    named = [path for room in (*ROOMS, "cli") for path in sorted((ROOT / room).rglob("*.py"))]
    return [*named, *sorted(ROOT.glob("*.py"))]


def test_no_two_classes_have_one_name():
    places = defaultdict(set)
    for path in package_files():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                places[node.name].add(str(path.relative_to(ROOT)))
    twice = {name: files for name, files in places.items() if len(files) > 1}
    assert twice == {}


def test_every_folder_of_the_package_is_installed():
    """setuptools is told of each, since the checkout's root is the package."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = [path.parent.relative_to(ROOT).parts for path in package_files() if path.name == "__init__.py"]
    assert sorted(listed) == sorted(".".join(("fewbit", *parts)) for parts in folders)


def imported_files(path: Path) -> set[Path]:
    """Files of the package that a file imports by its relative imports, wherever they stand in it but for functions."""
    found = set()
    for node in outside_functions(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        folder = path.parents[node.level - 1]
        named = folder.joinpath(*node.module.split(".")) if node.module else folder
        for target in [named / alias.name for alias in node.names]:
            # What is no file is a name in the file or folder that was named.
            options = (
                target.with_suffix(".py"),
                target / "__init__.py",
                named.with_suffix(".py"),
                named / "__init__.py",
            )
            found.add(next(option for option in options if option.exists()))
    return found


def outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from outside_functions(child)


def test_no_files_import_each_other():
    """Not even for the type checker. A folder's own `__init__.py`, which gathers what is in it, is no part of a circle
    where a file of that folder does not import it."""
    graph = {path: imported_files(path) for path in package_files()}
    circles = {tuple(str(path.relative_to(ROOT)) for path in sorted(circle)) for circle in circles_of(graph)}
    assert circles == set()


def circles_of(graph: dict[Path, set[Path]]) -> list[set[Path]]:
    """Sets of files each of which imports, over others, all of its set."""
    reached = {}
    for start in graph:
        seen, waiting = set(), [*graph[start]]
        while waiting:
            path = waiting.pop()
            if path not in seen:
                seen.add(path)
                waiting += graph[path]
        reached[start] = seen
    circles = {frozenset(path for path in reached[start] if start in reached[path]) for start in graph}
    return [{*circle} for circle in circles if circle]
