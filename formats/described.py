"""Formats as the JSON beside emitted Verilog describes them."""

from collections.abc import Mapping
from typing import Any

from .base import Format
from .catalog import parse
from .table import Table

__all__ = ["read_format"]


def read_format(described: str | Mapping[str, Any]) -> Format:
    """The format that a JSON file names, or describes as ``Format.describe`` does.

    A described table needs no name that is known here. Raises ValueError where a name is not known, or the table is not
    that of the name.
    """
    if isinstance(described, str):
        return parse(described)
    if described.get("encoding") != "table":
        return parse(described["name"])
    table = Table(described["name"], tuple(described["table"]), described["lsb_exponent"])
    try:
        known = parse(table.name)
    except ValueError:
        return table
    if (known.entries, known.lsb_exponent) != (table.entries, table.lsb_exponent):
        raise ValueError(f"table of {table.name} must be the one that the name stands for, not another")
    return known
