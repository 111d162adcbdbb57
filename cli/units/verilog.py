"""``fewbit verilog``: designs as files."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ..common.console import print_json, screen
from ..common.engine_options import EngineOptions, takes_engine
from ..common.options import (
    Activation,
    Build,
    Dsp,
    Families,
    Formats,
    Json,
    Lanes,
    Out,
    Pipeline,
    Terms,
    UnitName,
    choose_designs,
    choose_policies,
    choose_targets,
    command_line,
)

__all__ = ["verilog"]

LONGEST = 128


@takes_engine
def verilog(
    context: typer.Context,
    unit: UnitName,
    weight: Formats = None,
    activation: Activation = None,
    terms: Terms = 4096,
    lanes: Lanes = 1,
    pipeline: Pipeline = 2,
    family: Families = None,
    dsp: Dsp = "none",
    build: Build = "auto",
    module: Annotated[
        str | None, typer.Option("--module", help="Name of the top module and of the files.", show_default="UNIT")
    ] = None,
    out: Out = Path("out"),
    json: Json = False,
    engine: EngineOptions = EngineOptions(),  # noqa: B008  # frozen
) -> None:
    """Write UNIT.v and UNIT.json, in a subfolder of each design where there are several.

    A matmul engine comes with UNIT.h too, its registers for C. --module names one otherwise, so that two of a unit go
    into one project. Without --family the Verilog is portable; with it,
    products are built the way that is smallest there.
    """
    from ..common.files import check_folder, emit, folders, write_design

    families = [None] if family is None else list(dict.fromkeys(t.family.name for t in choose_targets(family)))
    designs = choose_designs(
        *(unit, weight, activation),
        terms=terms,
        lanes=lanes,
        pipeline=pipeline,
        build=build,
        families=families,
        policies=choose_policies(dsp),
        engine=engine,
    )
    if module is not None:
        if not 0 < len(module) <= LONGEST:
            raise ValueError(f"module must be a name of 1 to {LONGEST} letters, not {len(module)}")
        if len(designs) != 1:
            raise ValueError(f"module must be left out where there are several designs, {len(designs)} here")
        designs = [replace(designs[0], module=module)]
    check_folder(out)
    command = command_line(context)
    places = folders(designs, out)
    written = []
    for design, text, place in zip(designs, emit(designs), places, strict=True):
        description = write_design(design, text, place, command)
        kinds = {"verilog": "v", "json": "json"} | ({"header": "h"} if design.header() else {})
        written.append({kind: str(place / f"{design.module}.{end}") for kind, end in kinds.items()} | description)
    if json:
        print_json({"designs": written})
        return
    for files in written:
        print(*(files[kind] for kind in ("verilog", "json", "header") if kind in files), sep="\n")
    if len(written) > 1:
        screen().print(f"{len(written)} designs")
