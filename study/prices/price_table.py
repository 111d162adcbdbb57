"""Prices are written as CSV for people and as compact JSON for programs."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ...places import alone
from ...synth import write_whole
from .price import Price

__all__ = ["add_prices", "read_prices", "write_prices"]

OPTIONAL = ("fmax_mhz", "fmax_min_mhz", "fmax_max_mhz", "logic_cells", "requantizer_luts", "requantizer")
"""Columns that a row has only if they were asked for."""


def add_prices(prices: Sequence[Price], path: Path, commands: Sequence[str]) -> tuple[list[Price], list[str]]:
    """Add prices to the files, and return all prices and commands that these have then.

    A price takes the place of one that answers the same question. If that one is of the same MAC by the same tools, its
    figures that were not asked for now (Fmax, the requantizer) are kept. Other processes may add at the same time.
    """
    with alone(path.parent):
        earlier = path.with_suffix(".json")
        said, kept = read_prices(earlier) if earlier.exists() else ([], [])
        by_question = {price.question: price for price in kept}
        for price in prices:
            by_question[price.question] = _with_what_was_known(price, by_question.get(price.question))
        found = [*by_question.values()]
        said = [*dict.fromkeys([*said, *commands])]
        write_prices(found, path, said)
    return found, said


def _with_what_was_known(price: Price, known: Price | None) -> Price:
    if known is None or known.rtl_sha256 != price.rtl_sha256:
        return price
    if any(price.tools.get(name, version) != version for name, version in known.tools.items()):
        return price
    missing = {name: getattr(known, name) for name in OPTIONAL if getattr(price, name) is None}
    return replace(price, **missing, tools={**known.tools, **price.tools})


def write_prices(prices: Sequence[Price], path: Path, commands: Sequence[str]) -> None:
    """Write ``path`` with the suffixes .csv and .json.

    The JSON has ``commands``, ``tools``, ``columns``, and ``rows`` in the order of the columns. ``tools`` lists the
    sets of versions that occur, and each row has the index of its set.
    """
    tools: list[dict[str, str]] = []
    rows = []
    whole = not all(price.is_mac for price in prices)
    for price in prices:
        if price.tools not in tools:
            tools.append(price.tools)
        rows.append({**price.to_dict(whole), "tools": tools.index(price.tools)})
    columns = list(rows[0]) if rows else []
    head = [f'"{name}": {json.dumps(value)}' for name, value in (("commands", list(commands)), ("columns", columns))]
    head.append(f'"tools": {json.dumps(tools)}')
    lines = ",\n".join(json.dumps(list(row.values()), separators=(",", ":")) for row in rows)
    write_whole(path.with_suffix(".json"), "{" + ",\n".join([*head, f'"rows": [\n{lines}\n]']) + "}\n")
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row, price in zip(rows, prices, strict=True):
        versions = "; ".join(f"{name} {version}" for name, version in sorted(price.tools.items()))
        writer.writerow({**row, "tools": versions})
    write_whole(path.with_suffix(".csv"), text.getvalue())


def read_prices(path: Path) -> tuple[list[str], list[Price]]:
    """Read the commands and the prices from a JSON that ``write_prices`` wrote. Raises OSError, ValueError."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError:
        found = None
    if not isinstance(found, dict) or not {"commands", "columns", "tools", "rows"} <= set(found):
        raise ValueError(f"file must be one that `fewbit price` wrote, not {str(path)!r}")
    try:
        if not isinstance(found["commands"], list):
            raise ValueError("commands are no list")
        rows = [dict(zip(found["columns"], row, strict=True)) for row in found["rows"]]
        return found["commands"], [Price.from_dict({**row, "tools": found["tools"][row["tools"]]}) for row in rows]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        what = f"no column {error}" if isinstance(error, KeyError) else error
        raise ValueError(f"file must be one that `fewbit price` wrote, not {str(path)!r}: {what}") from None
