"""``fewbit verilog``: designs as files."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common.choices import choice
from ..common.command import command_line
from ..common.console import print_json, screen
from ..common.designs import DesignOptions, choose_targets
from ..common.engine_options import EngineOptions
from ..common.options import Json, Out
from ..common.signature import takes_options

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["verilog"]

LONGEST = 128


def _tools() -> "Sequence[str]":
    from ...integrate import TOOLS

    return [*TOOLS]


@takes_options
def verilog(
    context: typer.Context,
    unit: str,
    options: DesignOptions,
    module: Annotated[
        str | None, typer.Option("--module", help="Name of the top module and of the files.", show_default="UNIT")
    ] = None,
    tool: Annotated[
        str | None,
        choice(
            _tools,
            "--for",
            help="Add what a tool needs to take the engine, and a README.md that says what to type. Streams are 32 "
            "bits wide then unless --bus-bits is given, and for litex registers are behind Wishbone unless --control "
            "is.",
            show_default="Verilog alone",
        ),
    ] = None,
    out: Out = Path("out"),
    json: Json = False,
    engine: EngineOptions = EngineOptions(),  # noqa: B008  # frozen
) -> None:
    """Write UNIT.v and UNIT.json, in a subfolder of each design where there are several.

    The Verilog is portable without --family; with it, products are built the way that is smallest there. --module gives
    the top module another name, so that two of a unit go into one project.
    """
    from ...integrate import more_files
    from ...synth import write_whole
    from ..common.files import check_folder, emit, folders, write_design

    targets = choose_targets(options.family) if options.family else []
    families = list(dict.fromkeys(target.family.name for target in targets))
    designs = options.designs(unit, engine if tool is None else engine.suiting(tool), families or [None])
    if module is not None:
        if not 0 < len(module) <= LONGEST:
            raise ValueError(f"module must be a name of 1 to {LONGEST} letters, not {len(module)}")
        if len(designs) != 1:
            raise ValueError(f"module must be left out where there are several designs, {len(designs)} here")
        designs = [replace(designs[0], module=module)]
    check_folder(out)
    command = command_line(context)
    places = folders(designs, out)
    for design, place in zip(designs, places, strict=True):
        check_folder(place, *(f"{design.module}.{end}" for end in ("v", "json", "h")))
    more = [more_files(design, tool, command) for design in designs]
    written = []
    for design, text, place, files in zip(designs, emit(designs), places, more, strict=True):
        description = write_design(design, text, place, command)
        kinds = {"verilog": "v", "json": "json"} | ({"header": "h"} if design.header() else {})
        made: dict[str, Any] = {kind: str(place / f"{design.module}.{end}") for kind, end in kinds.items()}
        if files:
            made["more"] = [str(place / name) for name in files if name != "README.md"]
            made["readme"] = str(place / "README.md")
        for name, content in files.items():
            write_whole(place / name, content)
        written.append(made | description)
    if json:
        print_json({"designs": written})
        return
    for each in written:
        kinds_of_files = [each[kind] for kind in ("verilog", "json", "header") if kind in each]
        print(*kinds_of_files, *each.get("more", []), *([each["readme"]] if "readme" in each else []), sep="\n")
    if len(written) > 1:
        screen().print(f"{len(written)} designs")
