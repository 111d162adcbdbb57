"""A person sees tables on stdout, and progress and news on stderr."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = [
    *("PLAIN_WIDTH", "Report", "counted", "error_console", "percent", "print_json", "print_table", "progress"),
    *("say", "screen", "status"),
]

Report = Callable[[int, int], None]
"""A function that is called with the numbers of finished and of all pieces of work."""

PLAIN_WIDTH = 200
"""The width in columns if stdout is no terminal."""

PLAIN_SECONDS = 10


def say(text: str) -> None:
    """Print a line of news at once."""
    print(text, file=sys.stderr, flush=True)


def screen() -> "Console":
    """Stdout as a console. It is as wide as any table if it is not a terminal."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH, highlight=False)


def print_table(table: "Table", console: "Console | None" = None) -> None:
    """Print a table. If it is wider than the screen, it is printed without lines between cells.

    Columns that are the same in every row are then left out of it, and told in a line above it.
    """
    from rich import box
    from rich.measure import Measurement

    console = console or screen()
    width = Measurement.get(console, console.options.update(width=10 * PLAIN_WIDTH), table).maximum
    if width > console.width:
        table.box = box.SIMPLE_HEAD
        table.padding = (0, 1, 0, 0)
        alike = {}
        for column in (
            [column for column in table.columns if len(set(column.cells)) == 1] if table.row_count > 1 else []
        ):
            alike[str(column.header)] = str(next(iter(column.cells)))
            table.columns.remove(column)
        if alike:
            console.print(f"All rows: {', '.join(f'{name} {value}' for name, value in alike.items() if value)}")
        for column in table.columns:
            column.overflow = "fold"
    console.print(table)


def error_console() -> "Console":
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def print_json(value: Any) -> None:
    import json

    print(json.dumps(value, indent=1))


@contextmanager
def progress(what: str) -> Iterator[Report]:
    """Show progress. On a terminal, it is a bar that vanishes at the end; elsewhere, slow work prints a line now and
    then."""
    if not sys.stderr.isatty():
        last = time.monotonic()

        def report(done: int, total: int) -> None:
            nonlocal last
            if time.monotonic() - last >= PLAIN_SECONDS:
                last = time.monotonic()
                say(f"{what}: {done} of {total}")

        yield report
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=error_console(), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def status(what: str) -> Iterator[None]:
    """Say what is being done for as long as it takes."""
    if sys.stderr.isatty():
        with error_console().status(what):
            yield
    else:
        say(what)
        yield


def counted(number: int, thing: str) -> str:
    """A number of things in words, as ``1 lane`` and ``2 lanes``."""
    return f"{number:,} {thing}{'s' * (number != 1)}"


def percent(part: float) -> str:
    """A share as a percentage. It is rounded down, so that nothing is called full that is not."""
    return f"{int(part * 1000) / 10:.1f} %"
