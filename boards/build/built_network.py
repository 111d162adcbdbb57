"""What was written beside a bitstream with a network says which program it runs, and how its hardware was made."""

import json
from pathlib import Path

from ...formats.network import Program
from ..gateware.accelerator import Accelerator

__all__ = ["PROGRAM_SUFFIX", "read_accelerator"]

PROGRAM_SUFFIX = ".program.json"
"""What comes behind a bitstream's name in the name of its program's file."""


def read_accelerator(path: Path) -> Accelerator:
    """The network's hardware of a bitstream, whose JSON is at ``path``. Raises OSError, ValueError."""
    program = Program.read(path.with_suffix(PROGRAM_SUFFIX))
    try:
        content = json.loads(path.read_text())
        made = Accelerator.of(program, content["hardware"])
        digest = content["description"]["network"]["digest"]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} must be the JSON of a bitstream with a network: {error}") from None
    if digest != program.digest:
        raise ValueError(f"{path.with_suffix(PROGRAM_SUFFIX)} must be the program of {path}, {digest[:12]}")
    return made
