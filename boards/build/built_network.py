"""What was written beside a bitstream with a network says which program it runs, and how its hardware was made."""

import json
from pathlib import Path
from typing import Any

from ...formats.network import Program
from ...hdl import NetworkDesign

__all__ = ["PROGRAM_SUFFIX", "describe_hardware", "read_hardware"]

PROGRAM_SUFFIX = ".program.json"
"""What comes behind a bitstream's name in the name of its program's file."""


HARDWARE = ("weight_store", "memory_ports", "piece", "dsp_elements", "pipeline", "build", "family")
"""The fields of a ``NetworkDesign`` besides its program."""


def describe_hardware(design: NetworkDesign) -> dict[str, Any]:
    """How a network's hardware is made, in plain values."""
    return {name: getattr(design, name) for name in HARDWARE}


def read_hardware(path: Path, program: Program | None = None) -> NetworkDesign:
    """The network's hardware of a bitstream, whose JSON is at ``path``. Raises OSError, ValueError.

    ``program``: what it runs; None for that of the file beside it
    """
    given = program is not None
    program = program or Program.read(path.with_suffix(PROGRAM_SUFFIX))
    try:
        content = json.loads(path.read_text())
        made = NetworkDesign(program, **content["hardware"])
        digest = content["description"]["network"]["digest"]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} must be the JSON of a bitstream with a network: {error}") from None
    if digest != program.digest:
        which = f"program {program.digest[:12]}" if given else path.with_suffix(PROGRAM_SUFFIX)
        raise ValueError(f"{which} must be the program of {path}, {digest[:12]}")
    return made
