"""The files by which other people's tools take an engine: Vivado, FuseSoC, LiteX, and a C program."""

from .tools import DEFAULTS, TOOLS, tool_files

__all__ = ["DEFAULTS", "TOOLS", "tool_files"]
