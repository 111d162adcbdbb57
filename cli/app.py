"""The program itself: its commands, and how any of them ends."""

import difflib
import os
import re
import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import Any

import typer

from .board.build import bitstream
from .board.flash import flash
from .board.list import boards
from .board.prove import prove
from .board.run import run_product
from .board.selftest import selftest
from .board.survey import survey
from .common.children import ENDING, interrupt
from .common.extras import how_to_install
from .demo import demo
from .doctor import doctor
from .engine.cycles import cycles
from .engine.fit import fit
from .formats import list_formats, show
from .study.export import export
from .study.layers import layers
from .study.recommend import recommend
from .study.report import report
from .study.run import study
from .units.price import price
from .units.simulate import simulate
from .units.synth import synth
from .units.verify import verify
from .units.verilog import verilog

__all__ = ["main", "run"]

FAILED, WRONG, MISSING, INTERRUPTED = 1, 2, 3, 128
"""Exit statuses: something does not verify or cannot be measured; a wrong argument or a missing tool; this and the
signal's number, as shells have it: 130 for Ctrl-C."""

# Typer has carried its own copy of click since 0.20 and used the package before: the one that counts is its base class.
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]

app = typer.Typer(
    name="fewbit",
    help="Arithmetic of few-bit number formats for FPGAs: Verilog, the proof that it is right, and its price.",
    add_completion=False,
)
app.command("list")(list_formats)
for _command in (
    show,
    verilog,
    simulate,
    synth,
    fit,
    price,
    study,
    layers,
    recommend,
    export,
    report,
    verify,
    cycles,
    boards,
    bitstream,
    flash,
    prove,
    selftest,
    survey,
    doctor,
    demo,
):
    app.command()(_command)
app.command("run")(run_product)


@app.callback(invoke_without_command=True)
def fewbit(context: typer.Context, version: bool = typer.Option(False, "--version", help="Show the version.")) -> None:
    if version:
        from .. import __version__

        print(f"fewbit {__version__}")
    elif context.invoked_subcommand is None:
        print(context.get_help())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and leave the program with its exit status; SIGTERM and a hang-up end it as Ctrl-C does.

    The first of them is enough: what has to be tidied up is, whatever comes meanwhile.
    """
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupt)
    for number in ENDING[1:]:
        if signal.getsignal(number) == signal.SIG_DFL:  # nohup has SIGHUP ignored
            signal.signal(number, _as_interrupt)
    status = run(sys.argv[1:] if arguments is None else arguments)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status)


_ended_by = signal.SIGINT


def _as_interrupt(number: int, frame: FrameType | None) -> None:
    global _ended_by
    _ended_by = signal.Signals(number)
    handler = signal.getsignal(signal.SIGINT)  # ignored where a shell started this behind an &
    (handler if callable(handler) else interrupt)(signal.SIGINT, frame)


def run(arguments: Sequence[str]) -> int:
    """Run a command and return its exit status; what goes wrong is one line on stderr."""
    group: Any = typer.main.get_command(app)
    try:
        # not group.main(): that prints an empty line at Ctrl-C
        with group.make_context("fewbit", [*arguments], obj=[*arguments]) as context:
            group.invoke(context)
        return 0
    except typer.Exit as end:
        return end.exit_code
    except _UsageError as error:
        return _end(_usage(error, group), WRONG)
    except KeyboardInterrupt as ending:
        return _end(f"stopped{f'; {ending}' if str(ending) else ''}", INTERRUPTED + _ended_by)
    except BrokenPipeError:
        return FAILED
    except ModuleNotFoundError as error:
        remedy = how_to_install(error.name or "")
        if remedy is None:
            raise
        return _end(f"package {error.name} must be installed for this command: {remedy}", MISSING)
    except OSError as error:
        return _end(f"{error.filename}: {error.strerror}" if error.filename else str(error), WRONG)
    except Exception as error:
        status = _expected(error)
        if status is None:
            raise
        return _end(str(error), status)


def _end(message: str, status: int) -> int:
    print(f"fewbit: {' '.join(message.split())}", file=sys.stderr)
    return status


def _expected(error: Exception) -> int | None:
    """The exit status of an error that says what was wrong, so that a traceback would not help; None for any other."""
    if isinstance(error, ValueError):
        return WRONG
    from ..hdl import YosysError
    from ..synth import SweepError, ToolError, ToolKilled, ToolMissing
    from ..tb import BuildError, ToolMissingError

    if isinstance(error, YosysError | SweepError | ToolError | ToolMissing | BuildError | ToolMissingError):
        return WRONG
    failed = isinstance(error, ToolKilled) or (type(error) is RuntimeError and _own(error))
    return FAILED if failed else None


def _own(error: Exception) -> bool:
    """Whether it was raised in this package, not in one that it uses."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__")).partition(".")[0] == __name__.partition(".")[0]


def _usage(error: Any, group: Any) -> str:
    message: str = error.format_message()
    command = message.partition("No such command '")[2].partition("'")[0]
    if command:
        nearest = difflib.get_close_matches(command, group.commands, n=1, cutoff=0.0)[0]
        return f"command must be one of {', '.join(group.commands)}, not {command!r}; did you mean {nearest!r}?"
    wrong = re.match(r"Invalid value for '([^']*)'.*: Input should be ([^,]*)", message)  # of its parser
    if wrong:
        return f"{wrong[1]} must be {wrong[2]}"
    more = re.match(r"Got unexpected extra argument\S* \((.*)\)", message)
    if more:
        return f"arguments must be those of `fewbit {error.ctx.info_name} --help`, without {more[1]}"
    return message.rstrip(".")
