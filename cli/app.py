"""The program runs a command, and decides how it ends."""

import os
import re
import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import Any

import typer

from .common.children import ENDING, interrupt
from .common.command import refused_option
from .program import COMPLETION, complete, program

__all__ = ["main", "run"]

WRONG_RESULT, USAGE, TOOL, SIGNAL = 1, 2, 3, 128
"""Exit statuses. 1 stands for a wrong result, or for nothing found; 2 for a wrong argument, or a file that cannot be
read or written; 3 for a tool or a board that is missing or failed. 128 plus its number stands for a signal, as shells
have it: 130 is Ctrl-C."""

# Typer has carried its own copy of click since 0.20 and used the package before: the one that counts is its base class.
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command, and leave the program with its exit status. SIGTERM and a hang-up end it as Ctrl-C does.

    The first such signal ends it. What has to be tidied up then is, whatever signals come meanwhile.
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
    """Run a command, and return its exit status. If something goes wrong, one line on stderr says what."""
    if os.environ.get(COMPLETION):
        return complete(os.environ[COMPLETION])
    group: Any = program()
    try:
        # not group.main(): that prints an empty line at Ctrl-C
        with group.make_context("fewbit", [*arguments]) as context:
            group.invoke(context)
        return 0
    except typer.Exit as end:
        return end.exit_code
    except SystemExit as end:  # of typer's own options
        return int(end.code or 0)
    except _UsageError as error:
        return _end(_usage(error), USAGE)
    except KeyboardInterrupt as ending:
        return _end(f"stopped{f'; {ending}' if str(ending) else ''}", SIGNAL + _ended_by)
    except BrokenPipeError:
        return SIGNAL + signal.SIGPIPE
    except ModuleNotFoundError as error:
        from .common.extras import how_to_install

        remedy = how_to_install(error.name or "")
        if remedy is None:
            raise
        return _end(f"package {error.name} must be installed for this command: {remedy}", TOOL)
    except Exception as error:
        status = _expected(error)
        if status is None:
            raise
        return _end(_told(error), status)


def _told(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _end(message: str, status: int) -> int:
    print(f"fewbit: {' '.join(message.split())}", file=sys.stderr)
    return status


def _expected(error: Exception) -> int | None:
    """The exit status of an error whose message says enough, so that a traceback would not help; None for any other."""
    if type(error) is ValueError:
        return USAGE  # before anything is imported that takes long
    if isinstance(error, ConnectionError):  # of a board, that is
        return TOOL
    if isinstance(error, OSError):
        return USAGE
    if isinstance(error, (*_known("synth", "NothingFits"), *_known("study.choice.recommend", "NothingSuits"))):
        return WRONG_RESULT
    if isinstance(error, _known("synth", "SweepError")):
        return USAGE if getattr(error, "refused", False) else TOOL
    tools = (
        *_known("hdl", "YosysError"),
        *_known("synth", "ToolError", "ToolKilled", "ToolMissing"),
        *_known("tb", "BuildError", "ToolMissingError"),
    )
    if isinstance(error, tools):
        return TOOL
    if isinstance(error, ValueError):
        return USAGE
    return WRONG_RESULT if type(error) is RuntimeError and _own(error) else None


def _known(room: str, *names: str) -> tuple[type[Exception], ...]:
    """The errors of a room that is loaded. A room that is not loaded, perhaps for want of a package, raised none."""
    loaded = sys.modules.get(f"{__name__.partition('.')[0]}.{room}")
    return tuple(getattr(loaded, name) for name in names if hasattr(loaded, name))


def _own(error: Exception) -> bool:
    """Whether an error was raised in this package, and not in one that it uses."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__")).partition(".")[0] == __name__.partition(".")[0]


def _usage(error: Any) -> str:
    """What is wrong with a command. Typer's own words are replaced where they differ in style from all others."""
    message: str = error.format_message()
    command: Any = error.ctx.command if error.ctx else None
    name = message.partition("No such command '")[2].partition("'")[0]
    if name:
        meant = command.intended(name)
        suggestion = f"; did you mean {meant!r}?" if meant else ""
        return f"{command.kind} must be one of {', '.join(command.commands)}, not {name!r}{suggestion}"
    option = getattr(error, "option_name", None)
    if message.startswith("No such option") and option:
        return refused_option(error.ctx, option)
    missing = re.match(r"Missing (?:option|argument) '([^']*)'", message)
    if missing:
        return f"{missing[1]} must be given; `{error.ctx.command_path} --help` says more"
    without = re.match(r"Option '([^']*)' requires an argument", message)
    if without:
        return f"{without[1]} must have a value"
    wrong = re.match(r"Invalid value for '([^']*)'.*: Input should be ([^,]*)", message)  # of its parser
    if wrong:
        return f"{wrong[1]} must be {wrong[2]}"
    more = re.match(r"Got unexpected extra argument\S* \((.*)\)", message)
    if more:
        return f"arguments must be those of `{error.ctx.command_path} --help`, without {more[1]}"
    return message.rstrip(".")
