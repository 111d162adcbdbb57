"""The files by which other people's tools take an engine: Vivado, FuseSoC, LiteX, and a C program."""

from .generate import design_files, generate, more_files
from .tools import DEFAULTS, TOOLS, tool_files

__all__ = ["DEFAULTS", "TOOLS", "design_files", "generate", "more_files", "tool_files"]
