"""``fewbit board flash``: a bitstream into a board."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from ..common.choices import choice, known
from ..common.console import status
from ..common.options import board as board_option

__all__ = ["flash"]


def flash(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="What `fewbit board build` wrote: .bin, .bit, .fs or .json.")
    ],
    board: Annotated[
        str | None,
        board_option(shown="the one that it was built for"),
    ] = None,
    persistent: Annotated[
        bool, typer.Option("--persistent", help="Write the flash, so that it is there after power-up.")
    ] = False,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Read the flash back and compare, which may take minutes; iceprog always does."),
    ] = False,
    programmer: Annotated[
        str,
        choice(
            known("auto", "openFPGALoader", "iceprog"),
            "--programmer",
            help="What programs the board; auto takes the first that is there and can.",
        ),
    ] = "auto",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the command.")] = False,
) -> None:
    """Program a board. Without --persistent, the board forgets it without power, except on boards that can only be
    programmed through their flash.
    """
    from ...boards.program.flash import plan, program

    planned = plan(file, board, persistent=persistent, verify=verify, programmer=programmer, check=not dry_run)
    if dry_run:
        print(shlex.join(planned.command))
        return
    with status(f"Programming {planned.board.title} with {planned.file} ..."):
        program(planned)
    kept = (
        "its flash: it stays" if planned.persistent else "the FPGA: it is gone with the power (--persistent keeps it)"
    )
    print(f"{planned.board.name}: {planned.file} is in {kept}")
    if verify:
        print("read back and compared: the flash has all of it")
    if planned.persistent and not persistent:
        print(f"{planned.board.name} can only be programmed by its flash")
