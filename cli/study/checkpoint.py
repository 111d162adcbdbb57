"""``fewbit study checkpoint``: which formats the weights of a file of others have."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common.console import print_json, print_table, say
from ..common.options import Json

if TYPE_CHECKING:
    from ...study.checkpoints.stored_tensor import CheckpointEntry

__all__ = ["checkpoint"]


def checkpoint(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A .gguf file, or a .safetensors file with NF4 of bitsandbytes.")
    ],
    json: Json = False,
) -> None:
    """The tensors of a checkpoint: their formats, block sizes and scales, as fewbit reads them.

    Each tensor that is read is compared, value by value and bit by bit, with what the package gguf makes of it, or with
    the table of values that bitsandbytes wrote beside it. The exit status is 1 where any value differs.
    """
    from ...study.checkpoints.read import read_checkpoint

    rows = [_row(entry) for entry in read_checkpoint(file)]
    if json:
        print_json({"tensors": rows})
    else:
        _show(rows)
    wrong = [row["name"] for row in rows if row["equal"] is False]
    if wrong:
        say(f"fewbit: values differ from the reference's in {', '.join(wrong)}")
        raise typer.Exit(1)


def _row(entry: "CheckpointEntry") -> dict[str, Any]:
    tensor = entry.tensor
    row: dict[str, Any] = {"name": entry.name, "shape": list(entry.shape), "stored_as": entry.stored_as}
    if tensor is None:
        return row | {"format": None, "equal": None}
    return row | {
        "format": tensor.format.name,
        "block_size": tensor.block_size,
        "scale": tensor.scale_format,
        "offset": tensor.offsets is not None,
        "bits_per_value": tensor.stored_bits / tensor.codes.size,
        "equal": entry.equal,
    }


def _show(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table

    table = Table()
    for column in ("tensor", "shape", "stored as", "format", "block size", "scale", "offset", "bits a value", "equal"):
        table.add_column(column, justify="right" if column in ("block size", "bits a value") else "left")
    for row in rows:
        read = ["", "", "", "", "not read"]
        if row["format"] is not None:
            offset, equal = ("yes" if row[name] else "no" for name in ("offset", "equal"))
            read = [str(row["block_size"]), row["scale"], offset, f"{row['bits_per_value']:.3f}", equal]
        shape = " x ".join(map(str, row["shape"]))
        table.add_row(row["name"], shape, row["stored_as"], row["format"] or "", *read)
    print_table(table)
