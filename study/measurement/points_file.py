"""Points are written as JSON, which is read back, and as CSV and Parquet to look at."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow
from pyarrow import parquet

from ...places import alone
from ...synth import write_bytes, write_whole
from .point import Point

__all__ = ["add_points", "merge", "question_of", "read_commands", "read_points", "write_points"]

_WHAT = (
    *("network", "weight", "activation", "edges", "scale_per", "scale_format", "block_size", "techniques", "layers"),
    *("evaluation", "samples", "seed", "metric", "element", "output", "between"),
)
"""Points that differ in these fields are different points; points that do not are one point, measured again."""


def read_points(path: Path) -> list[Point]:
    """Read the points that ``write_points`` wrote as JSON. Raises OSError, ValueError."""
    try:
        return [Point.from_dict(values) for values in json.loads(path.read_text(encoding="utf-8"))["points"]]
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise ValueError(f"points must be a file that `fewbit study run` wrote, not {str(path)!r}: {error}") from None


def merge(old: Iterable[Point], new: Iterable[Point]) -> list[Point]:
    """Old and new points. A new one replaces an old one with the same network, scheme, evaluation and samples."""
    found = {question_of(point): point for point in (*old, *new)}
    return [*found.values()]


def question_of(point: Point) -> str:
    """What was asked for. Points that are alike in it are one point, measured again."""
    values = point.to_dict()
    return json.dumps([values.get(name) for name in _WHAT], sort_keys=True)


def add_points(points: Iterable[Point], folder: Path, command: str) -> None:
    """Add points to those in ``study_points`` of a folder. Other processes may do the same at the same time."""
    with alone(folder):
        kept = folder / "study_points.json"
        old, commands = (read_points(kept), read_commands(kept)) if kept.exists() else ([], [])
        write_points(merge(old, points), folder, *commands, command)


def read_commands(path: Path) -> list[str]:
    """The commands that measured the points of a JSON file, which ``read_points`` reads."""
    commands = json.loads(path.read_text(encoding="utf-8")).get("commands", [])
    if not isinstance(commands, list):
        message = f"points must be a file that `fewbit study run` wrote, not {str(path)!r}: commands are no list"
        raise ValueError(message)
    return [str(command) for command in commands]


def write_points(
    points: Sequence[Point],
    folder: Path,
    *commands: str,
    name: str = "study_points",
    more: Mapping[str, Any] | None = None,
) -> None:
    """Write ``NAME.json``, ``.csv`` and ``.parquet``, each whole or not at all.

    ``commands`` are those that measured the points. ``more`` is what else the JSON file says of all of them.
    """
    document = {"commands": [*dict.fromkeys(commands)], **(more or {}), "points": [p.to_dict() for p in points]}
    write_whole(folder / f"{name}.json", json.dumps(document, indent=1, allow_nan=False) + "\n")
    records = [_flat(point) for point in points]
    columns = [*dict.fromkeys(column for record in records for column in record)]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    write_whole(folder / f"{name}.csv", text.getvalue())
    table = pyarrow.table({column: [record.get(column) for record in records] for column in columns})
    buffer = io.BytesIO()
    parquet.write_table(table, buffer)
    write_bytes(folder / f"{name}.parquet", buffer.getvalue())


def _flat(point: Point) -> dict[str, Any]:
    """A point as one line of a table, with a column for each metric, and with text for what has parts."""
    values = point.to_dict()
    for name in ("metrics", "standard_errors", "float32", "scores", "clusters"):
        del values[name]
    for name, value in point.metrics.items():
        values |= {name: value, f"{name}_error": point.standard_errors[name], f"{name}_float32": point.float32[name]}
    values["techniques"] = " ".join(point.techniques)
    values["layers"] = "; ".join(f"{layer} {w} {a}" for layer, (w, a) in point.layers.items())
    values["skipped"] = "; ".join(f"{count} {kind}" for kind, count in point.skipped.items())
    values["notes"] = "; ".join(point.notes)
    values["versions"] = "; ".join(f"{tool} {version}" for tool, version in sorted(point.versions.items()))
    return values
