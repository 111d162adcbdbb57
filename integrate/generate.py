"""A design becomes files: Verilog, the JSON that describes it, a C header, and what other people's tools want."""

import json
from collections.abc import Mapping
from pathlib import Path

from .. import __version__
from ..hdl import Design, MatmulDesign, NetworkDesign, verilog_of
from ..places import write_whole
from .tools import network_files, tool_files

__all__ = ["design_files", "generate", "more_files"]


def generate(design: Design, folder: Path | str | None = None, *, tool: str | None = None) -> dict[str, str]:
    """The files of a design by name, which ``fewbit verilog`` writes: ``MODULE.v``, ``MODULE.json``, and ``MODULE.h``
    for a unit with registers; for a network also ``MODULE.program.json`` and ``MODULE.weights.hex``.

    Parameters
    ----------
    design: what to generate, as ``hdl.Design("mac", weight, activation)`` makes it
    folder: where the files are written, each whole or not at all; for None, nothing is written
    tool: a key of ``TOOLS``, whose files are added, with a README.md that says what to type. The design is a matmul
        engine or a network then

    Raises ValueError for a tool that is not known or cannot take the design, YosysError, and OSError for the folder.

    >>> from fewbit.formats import parse
    >>> from fewbit.hdl import Design
    >>> sorted(generate(Design("mac", parse("e2m1"), parse("int8"), terms=4096)))
    ['mac.json', 'mac.v']
    """
    added = more_files(design, tool, "fewbit.integrate.generate")
    (verilog,) = verilog_of([design])
    files = {**design_files(design, verilog, "fewbit.integrate.generate"), **added}
    if folder is not None:
        for name, text in files.items():
            write_whole(Path(folder) / name, text)
    return files


def design_files(design: Design, verilog: str, command: str) -> dict[str, str]:
    """MODULE.v and MODULE.json, MODULE.h for a unit with registers, and a network's program and weights, by name.

    ``verilog`` is what ``hdl.verilog_of`` gave for the design. ``command`` is what made the files, which is told in
    them.
    """
    description = design.description(command=command, version=__version__)
    formats = " x ".join(str(description[key]["name"]) for key in ("weight", "activation") if key in description)
    about = (
        f"// {formats}: {description['contract']}; latency {design.latency}.\n// {command} (version {__version__})\n"
    )
    header = design.header()
    return {
        f"{design.module}.v": about + verilog,
        f"{design.module}.json": json.dumps(description, indent=1) + "\n",
        **({} if header is None else {f"{design.module}.h": header}),
        **(_program_files(design) if isinstance(design, NetworkDesign) else {}),
    }


def _program_files(design: NetworkDesign) -> dict[str, str]:
    """What a network runs, and its words of weights, one a line, for memories that are loaded."""
    program = design.program
    digits = -(-program.shape.weight_word // 4)
    return {
        f"{design.module}.program.json": program.text(),
        f"{design.module}.weights.hex": "".join(f"{word:0{digits}x}\n" for word in program.words()),
    }


def more_files(design: Design, tool: str | None, command: str) -> Mapping[str, str]:
    """What a tool wants beside the files of a design, by name; nothing for None. Raises ValueError."""
    if tool is None:
        return {}
    if isinstance(design, NetworkDesign):
        return network_files(design, tool, command)
    if not isinstance(design, MatmulDesign):
        raise ValueError(f"design must be a matmul engine or a network for {tool}, not {design.unit}")
    return tool_files(design, tool, command)
