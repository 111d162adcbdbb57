"""A program of C++ around a module, built by Verilator for tests; its run-time library is compiled once for all."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from fewbit.tb.verilator import verilator_root

__all__ = ["build_program", "called"]

RUNTIME = ("verilated.o", "verilated_threads.o")


def build_program(folder: Path, top: str, sources: list[str], kept: Path, flags: str = "") -> None:
    """Leave the program ``V<top>`` in the folder.

    Parameters
    ----------
    sources: files in the folder, of Verilog, C++ and objects
    kept: where the run-time library is kept, as the fixture ``verilator_runtime`` gives it
    flags: for the C++ compiler
    """
    root = verilator_root()
    command = [root / "bin" / "verilator_bin", "-cc", "--exe", "--Mdir", ".", "--top-module", top, "-Wno-fatal"]
    called(folder, *command, "-Wno-lint", *(["-CFLAGS", flags] if flags else []), *sources, VERILATOR_ROOT=str(root))
    make = ["make", "-s", "-f", f"V{top}.mk", f"PYTHON3={sys.executable}", "VM_PARALLEL_BUILDS=0"]
    make += ["OPT_FAST=-O0", "OPT_GLOBAL=-O0"]
    library = kept / "for_programs"
    if library.is_dir():
        for name in RUNTIME:
            shutil.copy(library / name, folder)  # the copies are newer than the makefile, which they depend on
    else:
        called(folder, *make, *RUNTIME)
        fresh = kept / f"for_programs.{os.getpid()}"
        fresh.mkdir()
        for name in RUNTIME:
            shutil.copy(folder / name, fresh)
        try:
            fresh.rename(library)
        except OSError:  # another process was first
            shutil.rmtree(fresh)
    called(folder, *make)


def called(folder: Path, *command: object, **environment: str) -> str:
    """What a command says; it must succeed."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout
