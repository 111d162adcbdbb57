"""The command line: one module for each group of commands, all with the same options."""

from .app import main

__all__ = ["main"]
