"""The proof: cocotb testbenches of emitted Verilog against the golden model, on Verilator or Icarus."""

from .errors import BuildError, ToolMissingError
from .lint import lint, lint_many
from .netlist import simulate_netlist
from .runner import SIMULATORS, Failure, Result, simulate
from .space import Verified, verify_space

__all__ = [
    "SIMULATORS",
    "BuildError",
    "Failure",
    "Result",
    "ToolMissingError",
    "Verified",
    "lint",
    "lint_many",
    "simulate",
    "simulate_netlist",
    "verify_space",
]
