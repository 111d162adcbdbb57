"""Verilator's linter on emitted Verilog, one design or many in a single run."""

import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

from . import verilator
from .batch import rename_modules

__all__ = ["lint", "lint_many"]


def lint(verilog: str) -> list[str]:
    """Every warning and error of ``verilator --lint-only -Wall``, one line each; empty where the Verilog is clean.

    The command line waives ``DECLFILENAME``, because the file is named for none of its modules, and in ``lint_many``
    also ``MULTITOP``.
    """
    return lint_many([("", verilog)])[""]


def lint_many(designs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """The warnings of every design, by its name. One run of the linter reads all, each as a top module of its own.

    Parameters
    ----------
    designs: the name and the Verilog of each, with all modules that it needs
    """
    found: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory(prefix="fewbit-") as scratch:
        sources: dict[Path, str] = {}
        for k, (name, verilog) in enumerate(designs):
            path = Path(scratch) / f"design_{k}.v"
            path.write_text(rename_modules(verilog, f"d{k}_"))
            sources[path] = name
            found[name] = []
        for line in verilator.lint([*sources]) if sources else []:
            file = re.search(r"(\S+design_\d+\.v):", line)
            name = sources[Path(file[1])] if file else ""
            found.setdefault(name, []).append(line.replace(scratch + "/", ""))
    return found
