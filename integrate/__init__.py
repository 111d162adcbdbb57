"""The files by which other people's tools take an engine or a network: Vivado, FuseSoC, LiteX, and a C program."""

from .generate import design_files, generate, more_files
from .tools import DEFAULTS, NETWORK_TOOLS, TOOLS, network_files, tool_files

__all__ = [
    "DEFAULTS",
    "NETWORK_TOOLS",
    "TOOLS",
    "design_files",
    "generate",
    "more_files",
    "network_files",
    "tool_files",
]
