"""The commands of the program: which there are, and the names that they had before."""

from collections.abc import Callable
from functools import cache, partial
from typing import Annotated, Any

import typer

from .common.choices import close_match
from .common.command import Command, Group, made
from .demo import demo
from .doctor import doctor
from .estimate import estimate
from .formats import list_formats, show
from .units.price import price
from .units.simulate import simulate
from .units.synth import synth
from .units.units import unit_group
from .units.verify import verify
from .units.verilog import verilog

__all__ = ["COMPLETION", "complete", "program"]

COMPLETION = "_FEWBIT_COMPLETE"
"""The variable by which a shell asks for completion."""

_HELP = "Arithmetic of few-bit number formats for FPGAs: Verilog, the proof that it is right, and its price."

Functions = dict[str, Callable[..., None]]


def _engine() -> Functions:
    from .engine.cycles import cycles
    from .engine.fit import fit

    return {"cycles": cycles, "fit": fit}


def _study() -> Functions:
    from .study.checkpoint import checkpoint
    from .study.export import export
    from .study.layers import layers
    from .study.price import price as network_price
    from .study.recommend import recommend
    from .study.report import report
    from .study.run import study
    from .study.weights import weights

    return {
        "run": study,
        "price": network_price,
        "recommend": recommend,
        "layers": layers,
        "weights": weights,
        "export": export,
        "report": report,
        "checkpoint": checkpoint,
    }


def _board() -> Functions:
    from .board.build import build
    from .board.flash import flash
    from .board.list import list_boards
    from .board.prove import prove
    from .board.run import run_product
    from .board.selftest import selftest
    from .board.survey import survey

    return {
        "list": list_boards,
        "build": build,
        "flash": flash,
        "run": run_product,
        "prove": prove,
        "selftest": selftest,
        "survey": survey,
    }


_GROUPS: dict[str, tuple[str, Callable[[], Functions]]] = {
    "engine": ("Matmul engines: how long they take, and how large they can be.", _engine),
    "study": ("Networks: how accurate they are in few-bit formats, and which formats to take.", _study),
    "board": ("Boards: an engine on an FPGA, and products on it.", _board),
}
"""What help says of each group, and what imports its commands: that takes a while, and most calls need one group."""

_FLAT: Functions = {
    "list": list_formats,
    "show": show,
    "verilog": verilog,
    "simulate": simulate,
    "synth": synth,
    "price": price,
    "estimate": estimate,
    "verify": verify,
    "doctor": doctor,
    "demo": demo,
}
_OF_UNITS = ("verilog", "simulate", "synth")

_OLD = {
    **dict.fromkeys(("cycles", "fit"), "engine"),
    **dict.fromkeys(("recommend", "layers", "export", "report"), "study"),
    **dict.fromkeys(("flash", "run", "prove", "selftest", "survey"), "board"),
}
"""Commands that were in no group before, and the group that they are in now."""

_RENAMED = {"boards": ["board", "list"], "bitstream": ["board", "build"]}
"""Commands that had another name before."""


class CommandLine(Group):
    """The program itself, which takes the names that its commands had before, too."""

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # type: ignore[override]
        name, *others = args
        if name in _RENAMED:
            args = [*_RENAMED[name], *others]
        elif name in _OLD:
            args = [_OLD[name], *args]
        elif name == "study" and others[:1] not in ([], ["-h"], ["--help"]) and others[0].startswith("-"):
            args = [name, "run", *others]
        return super().resolve_command(ctx, args)  # type: ignore[arg-type]

    def intended(self, name: str) -> str | None:
        """The command that a wrong name looks most like, as it is to be typed; None where none does."""
        ways = {each: each for each in self.commands} | {old: f"{group} {old}" for old, group in _OLD.items()}
        ways |= {old: " ".join(new) for old, new in _RENAMED.items()}
        found = close_match(name, [*ways])
        return ways[found] if found else None


def _version(value: bool) -> None:
    if value:
        from .. import __version__

        print(f"fewbit {__version__}")
        raise typer.Exit


def _fewbit(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """The options that the program has without a command."""


@cache
def program() -> CommandLine:
    """The program, as it is the same for every call."""
    options = typer.Typer(add_completion=True)
    options.command(cls=Command)(_fewbit)
    makers: dict[str, Callable[[], Any]] = {name: partial(_flat, name) for name in _FLAT}
    makers |= {name: partial(_group, name) for name in _GROUPS}
    return CommandLine(
        "fewbit",
        _HELP,
        makers,
        params=typer.main.get_command(options).params,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def _flat(name: str) -> Any:
    return unit_group(_FLAT[name], name) if name in _OF_UNITS else made(_FLAT[name], name)


def _group(name: str) -> Group:
    help, members = _GROUPS[name]
    makers = {each: partial(made, function, each) for each, function in members().items()}
    return Group(name, help, makers, rich_help_panel="Groups of commands")


def complete(instruction: str) -> int:
    """Answer a shell that asks how a command goes on. Returns the exit status."""
    from typer.completion import shell_complete

    return shell_complete(program(), {}, "fewbit", COMPLETION, instruction)  # type: ignore[arg-type]
