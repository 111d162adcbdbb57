"""What can go wrong before a testbench runs."""

__all__ = ["BuildError", "ToolMissingError"]


class ToolMissingError(RuntimeError):
    """A tool that a simulation needs is not installed; the message says how to get it."""


class BuildError(RuntimeError):
    """The simulator did not accept the Verilog, or did not run; the message has its first error."""
