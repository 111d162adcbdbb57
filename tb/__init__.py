"""The proof: cocotb testbenches of emitted Verilog against the golden model, on Verilator or Icarus."""

from .engine import read_engine
from .errors import BuildError, ToolMissingError
from .lint import lint, lint_many
from .netlist import simulate_netlist
from .runner import (
    SIMULATORS,
    Failure,
    Result,
    run,
    simulate,
    simulate_matmul,
    simulate_network,
    simulate_product,
)
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
    "read_engine",
    "run",
    "simulate",
    "simulate_matmul",
    "simulate_netlist",
    "simulate_network",
    "simulate_product",
    "verify_space",
]
