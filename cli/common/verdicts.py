"""Simulations that passed are remembered: the same Verilog, testbench and tools are not simulated again."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from ...places import sources_hash

if TYPE_CHECKING:
    from ...synth import Cache
    from ...tb import Result

__all__ = ["recall", "remember", "simulation_tools", "verdict_key"]


@cache
def simulation_tools(simulator: str = "verilator") -> dict[str, str]:
    """The tools that a verdict depends on besides fewbit's own code, with their versions. Raises ToolMissing."""
    from ...synth.tools import version as tool_version

    packages = {name: version(name) for name in ("cocotb", "numpy")}
    programs = ("verilator", "make", "g++") if simulator == "verilator" else ("iverilog",)
    return packages | {name: tool_version(name) for name in programs}


def verdict_key(verilog: str, description: Mapping[str, Any], kind: str, simulator: str = "verilator") -> str:
    """The key of a verdict, a hash of all that it depends on. ``kind`` tells testbenches and their settings apart."""
    contract = {name: value for name, value in description.items() if name not in ("command", "version")}
    parts = (verilog, contract, kind, simulator, simulation_tools(simulator), sources_hash("formats", "sim", "tb"))
    return "verdict-" + hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def recall(store: "Cache", key: str) -> "Result | None":
    """The result that was kept under a key; None if there is none that is whole."""
    from ...tb import Result

    try:
        values = store.get(key)
        return Result(**{**values, "passed": tuple(values["passed"]), "failed": ()}) if values else None
    except (TypeError, KeyError, ValueError):
        return None


def remember(store: "Cache", key: str, result: "Result") -> None:
    """Keep a result that passed. Simulations that failed, or that left waves, are run again."""
    if result.ok and result.waves is None:
        store.put(key, asdict(result))
