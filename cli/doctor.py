"""``fewbit doctor``: whether every tool is there."""

from dataclasses import asdict

import typer

from .common.console import print_json, print_table
from .common.options import Json

__all__ = ["doctor"]


def doctor(json: Json = False) -> None:
    """Each tool: where it is, its version, what it is needed for, what to do if it is missing."""
    from rich.markup import escape
    from rich.table import Table

    from .. import synth

    tools = synth.doctor()
    missing = [tool for tool in tools if tool.location is None and not tool.optional]
    if json:
        print_json({"ok": not missing, "tools": [asdict(tool) for tool in tools]})
    else:
        table = Table()
        for column in ("tool", "", "version", "needed for", "where, or what to do"):
            table.add_column(column, overflow="fold")
        for tool in tools:
            state = "found" if tool.location else "not there (optional)" if tool.optional else "MISSING"
            table.add_row(tool.name, state, tool.version or "", tool.needed_for, escape(tool.location or tool.remedy))
        print_table(table)
        count = f"{len(missing)} needed tool{'s are' if len(missing) > 1 else ' is'} missing"
        print(count if missing else "Every needed tool is there.")
    raise typer.Exit(3 if missing else 0)
