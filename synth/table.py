"""Rows are written as CSV and JSON, whole or not at all, and shown as a table on screen."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from rich.table import Table

from ..formats import label_of
from ..places import write_whole
from .row import Row

__all__ = ["read_json", "screen_table", "write_csv", "write_json"]

AnyRow = TypeVar("AnyRow", bound=Row)


def write_json(rows: Iterable[Row], path: Path) -> None:
    """Write ``{"rows": [...]}``, where each row is what ``Row.to_dict`` gives."""
    write_whole(path, json.dumps({"rows": [row.to_dict() for row in rows]}, indent=1) + "\n")


def read_json(path: Path, kind: type[AnyRow] = Row) -> list[AnyRow]:  # type: ignore[assignment]  # a Row is one
    """Read rows of that kind from what ``write_json`` wrote. Raises OSError, ValueError."""
    return [kind.from_dict(values) for values in json.loads(path.read_text(encoding="utf-8"))["rows"]]


def write_csv(rows: Sequence[Row], path: Path) -> None:
    """Write a line for each row. Parameters and LUT sizes have columns of their own; seeds and tools are text."""
    records = [_flat(row) for row in rows]
    columns = list(dict.fromkeys(name for record in records for name in record))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    write_whole(path, text.getvalue())


def _flat(row: Row) -> dict[str, Any]:
    values = row.to_dict()
    first = {name: values.pop(name) for name in ("unit", "weight", "activation")}
    parameters, by_size = values.pop("parameters"), values.pop("luts_by_size")
    largest = int(row.lut_kind.removeprefix("lut"))
    # columns that hold several values of a row as text
    values = {name: "; ".join(value) if _is_text(value) else value for name, value in values.items()}
    return {
        **first,
        **parameters,
        **values,
        **{f"lut{size}_cells": by_size.get(str(size), 0) for size in range(1, 1 + max(6, largest))},
        "seeds": " ".join(map(str, row.seeds)),
        "tools": "; ".join(f"{name} {version}" for name, version in sorted(row.tools.items())),
    }


def _is_text(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def screen_table(rows: Iterable[Row], title: str | None = None) -> Table:
    """The figures that a person compares, a line for each row."""
    table = Table(title=title)
    for name in ("unit", "weight", "activation", "bits", "device", "DSP policy"):
        table.add_column(name)
    for name in ("LUTs", "carry", "FF", "DSP", "BRAM", "logic cells", "Fmax MHz"):
        table.add_column(name, justify="right")
    table.add_column("recipe")
    for row in rows:
        device = row.family if row.family == row.device else f"{row.family} {row.device}"
        counts = (row.carry, row.ff, row.dsp, row.bram, "" if row.logic_cells is None else row.logic_cells)
        table.add_row(
            *(
                row.unit,
                label_of(row.weight),
                label_of(row.activation),
                str(row.accumulator_bits or ""),
                device,
                row.dsp_policy,
            ),
            *(f"{row.luts} {row.lut_kind}", *map(str, counts), _fmax(row), row.recipe),
        )
    return table


def _fmax(row: Row) -> str:
    if row.fmax_mhz is None:
        return ""
    missed = " (below target)" if row.meets_target is False else ""
    return f"{row.fmax_mhz:.0f} ({row.fmax_min_mhz:.0f}-{row.fmax_max_mhz:.0f}){missed}"
