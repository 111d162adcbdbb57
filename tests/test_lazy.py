"""Rooms whose names are loaded when they are asked for: each is there, and what is missing is told in one line."""

import subprocess
import sys
from importlib import import_module

import pytest

ROOMS = {"fewbit.study": ("onnx", "study", "study"), "fewbit.boards": ("serial", "boards", "Device")}


@pytest.mark.parametrize("room", ROOMS)
def test_every_name_of_a_room_is_there(room):
    module = import_module(room)
    assert dir(module) == sorted(module.__all__)
    for name in module.__all__:
        assert getattr(module, name).__name__ == name
    with pytest.raises(AttributeError, match=f"module '{room}' has no attribute 'nothing'"):
        _ = module.nothing


@pytest.mark.parametrize("room", ROOMS)
def test_a_missing_package_is_one_line(room):
    """In a process of its own: what has loaded a package once keeps it."""
    package, part, name = ROOMS[room]
    code = f"import sys, {room}; sys.modules['{package}'] = None; from {room} import {name}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    line = f"package {package} must be installed for {room}.{name}: pip install 'fewbit[{part}]'"
    assert done.stderr.splitlines()[-1] == f"ModuleNotFoundError: {line}"
