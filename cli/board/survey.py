"""``fewbit board survey``: what each board makes of each pair of formats."""

import csv
import io
import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..common.choices import choice
from ..common.command import command_line
from ..common.console import percent, print_json, print_table, say
from ..common.designs import parse_integers, parse_size
from ..common.options import Append, Json, Out, builds
from ..common.options import board as board_option
from ..common.options import fill as fill_option
from ..common.options import size as size_option
from ..common.options import timeout as timeout_option

if TYPE_CHECKING:
    from rich.table import Table

    from ...boards.survey import SurveyRow
    from ...formats import Format

__all__ = ["survey"]

NAME = "boards"


def survey(
    context: typer.Context,
    board: Annotated[
        str,
        board_option("Boards of `fewbit board list`, with commas between; or all.", "all", metavar="BOARDS"),
    ] = "icebreaker",
    pairs: Annotated[
        str | None,
        typer.Option(
            "--pairs",
            metavar="PAIRS",
            help="WEIGHT:ACTIVATION, with commas between.",
            show_default="int8:int8,e4m3:e4m3,e2m1:int4,e2m1:e2m1",
        ),
    ] = None,
    size: Annotated[str, size_option("Size of the product that is measured.")] = "128x128x128",
    search: Annotated[
        bool, typer.Option("--search", help="Search for the largest array even if one is known.")
    ] = False,
    lanes: Annotated[
        str | None,
        typer.Option(
            "--lanes",
            metavar="<str>",
            help="Of arrays that are searched, with commas between.",
            show_default="1,2,4,8,16,32",
        ),
    ] = None,
    pipeline: Annotated[
        int | None, typer.Option("--pipeline", help="Register stages of arrays that are searched.", show_default="2")
    ] = None,
    build: Annotated[
        str | None,
        choice(builds, "--build", help="How products of arrays that are searched are built.", show_default="auto"),
    ] = None,
    timeout: Annotated[float, timeout_option("Seconds after which a search ends, about.")] = 3600,
    fill: Annotated[float | None, fill_option()] = None,
    append: Append = False,
    out: Out = Path("out"),
    json: Json = False,
) -> None:
    """Build the largest array of every pair for every board and measure it; write boards.csv, .json and .md.

    The simulated board is the bitstream's own design at its clock and baud rate. Rates are those of simulated time,
    which contains the link and not the host's computer. Bitstreams are written beside the table, into bitstreams/.
    """
    from ...boards.build.route import tools_of
    from ...boards.survey import check_board
    from ...boards.survey import survey as measure
    from ...boards.targets import board_names, find_board
    from ..common.files import check_folder
    from ..common.first_start import prepare

    found = [find_board(name) for name in (board_names() if board == "all" else board.split(","))]
    if board == "all":
        found = [each for each in found if each.part.routed]
    for each in found:
        check_board(each)
    wanted = _pairs(pairs)
    wanted_size = parse_size(size)
    chosen = parse_integers("lanes", lanes) if lanes else None
    check_folder(out)
    if append:
        _read(out / f"{NAME}.json")  # what cannot be added to is told now
    prepare(*dict.fromkeys(tool for each in found for tool in tools_of(each) if tool.startswith("yowasp-")))
    rows = []
    for each in found:
        for weight, activation in wanted:
            say(f"{each.name}: {weight} x {activation}")
            rows.append(
                measure(
                    *(each, weight, activation),
                    size=wanted_size,
                    search=search,
                    lanes=chosen,
                    pipeline=pipeline,
                    build=build,
                    seconds=timeout,
                    fill=fill,
                    out=out / "bitstreams",
                    say=lambda text: say(f"  {text}"),
                )
            )
            _keep(rows, command_line(context), append, out)  # as they come: the next may take an hour
    if json:
        print_json({"rows": [row.to_dict() for row in rows]})
        return
    print_table(_table(rows))
    print(f"written: {out / NAME}.csv, .json and .md")


def _pairs(text: str | None) -> "list[tuple[Format, Format]]":
    from ...boards.survey import PAIRS
    from ...formats import parse

    if text is None:
        return [(parse(weight), parse(activation)) for weight, activation in PAIRS]
    names = [part.split(":") for part in text.split(",")]
    if any(len(name) != 2 for name in names):
        raise ValueError(f"pairs must be WEIGHT:ACTIVATION with commas between, not {text!r}")
    return [(parse(weight), parse(activation)) for weight, activation in names]


def _read(path: Path) -> "tuple[list[SurveyRow], list[str]]":
    from ...boards.survey import SurveyRow

    if not path.exists():
        return [], []
    try:
        content = json_module.loads(path.read_text())
        return [SurveyRow.from_dict(row) for row in content["rows"]], list(content["commands"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} must be what fewbit board survey wrote: {error}") from None


def _keep(rows: "list[SurveyRow]", command: str, append: bool, out: Path) -> None:
    """Write the rows. With ``append``, rows that are in the files stay, whoever wrote them."""
    from ...places import alone

    with alone(out):
        kept, commands = _read(out / f"{NAME}.json") if append else ([], [])
        by_key = {(row.board, row.weight, row.activation): row for row in (*kept, *rows)}
        _write([*by_key.values()], list(dict.fromkeys([*commands, command])), out)


def _write(rows: "list[SurveyRow]", commands: list[str], out: Path) -> None:
    from ...synth import write_whole

    write_whole(
        out / f"{NAME}.json",
        json_module.dumps({"commands": commands, "rows": [row.to_dict() for row in rows]}, indent=1) + "\n",
    )
    lines = io.StringIO()
    cells = [dict(zip(HEADS, _cells(row), strict=True)) for row in rows]
    writer = csv.DictWriter(lines, HEADS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(cells)
    write_whole(out / f"{NAME}.csv", lines.getvalue())
    write_whole(out / f"{NAME}.md", _page(rows, commands))


def _page(rows: "list[SurveyRow]", commands: list[str]) -> str:
    cells = ([*HEADS], ["---"] * len(HEADS), *(_cells(row) for row in rows))
    table = "\n".join(f"| {' | '.join(cell)} |" for cell in cells)
    return f"{PAGE}\n```\n{chr(10).join(commands)}\n```\n\n{table}\n"


PAGE = """# What boards make of pairs of formats

Each row is a whole bitstream: the largest matmul engine that could be placed and routed behind the serial line, at a
clock of the board's PLL that is at least 5% below Fmax. Outputs are float32. No figure here is an upper bound. Boards
without a row were not measured; `fewbit board list` has all boards.

UPduino and iCEBreaker have the same FPGA. ULX3S 12F and OrangeCrab have the same one at different speeds, and the
arrays of both are those that were found for the former. The arrays of ULX3S 85F were chosen, not searched for: they
take a third of its logic cells and no DSP, so that a place and route takes a quarter of an hour. With all 156 DSPs,
no place was found within half an hour. A command without `--search` builds the array that is known for the board by
now.

The eight flip-flops of an iCE40's logic block share one enable and one reset. So that a full iCE40 can be placed, an
enable or reset that fewer than ten flip-flops share is made of LUTs instead. Searches use one seed, and end when two
larger arrays in a row do not fit.

- **Array**: the rows, columns and lanes of processing elements; their product is the number of products a cycle at
  the peak.
- **Stages, build**: `--pipeline`, and how products are built (`--build`).
- **Logic cells, DSP, RAM**: what the whole FPGA uses, with the link. The DSPs of Tang Nano 9K are multipliers of 9 x
  9 bits, two for each of the 20 that `fewbit board list` has.
- **Peak**: products a second if every element made one in every cycle. Beside it: how many single MACs of the same
  formats would make as many, each at its own Fmax on this device (the median of three seeds, without DSPs).
- **Measured**: one product of random codes on the simulated board, which is the bitstream's own design at its clock
  and baud rate. Every bit of C was compared with the golden model. The time is simulated, from the first byte to the
  last; the link is part of it, and the host's computer is not.
- **Busy**: the share of that time that the array at its peak, the line to the board, and the line from it would need.
  The largest share bounds the product. Where that is the link, a smaller array would measure the same.

All of W goes over the line again for every `tile_m` rows of A, so block RAM decides how well the link is used.
"""

HEADS = (
    "board",
    "weight x activation",
    "array",
    "stages, build",
    "products a cycle",
    "logic cells",
    "DSP",
    "RAM",
    "Fmax MHz",
    "clock MHz",
    "peak, M products/s",
    "a single MAC's",
    "measured, M products/s",
    "m x k x n",
    "busy: array, to board, from board",
    "bound by",
)

RESOURCES = {
    "logic cells": ("ICESTORM_LC", "TRELLIS_COMB", "LUT4"),
    "DSP": ("ICESTORM_DSP", "MULT18X18D", "MULT9X9"),
    "RAM": ("ICESTORM_RAM", "DP16KD", "BSRAM"),
}


def _cells(row: "SurveyRow") -> list[str]:
    times = "" if row.times_single is None else f"{row.times_single:.1f} times"
    return [
        row.board,
        f"{row.weight} x {row.activation}",
        row.array,
        f"{row.pipeline}, {row.build}",
        str(row.rows * row.columns * row.lanes),
        *(_used(row, names) for names in RESOURCES.values()),
        f"{row.fmax_mhz:.1f}",
        f"{row.clock_mhz:.1f}",
        f"{row.peak / 1e6:,.0f}",
        times,
        f"{row.measured / 1e6:.2f}",
        "x".join(map(str, row.size)),
        ", ".join(percent(share) for share in row.busy.values()),
        row.bound,
    ]


def _used(row: "SurveyRow", names: tuple[str, ...]) -> str:
    for name in names:
        if row.available.get(name):
            return f"{row.used[name]} ({percent(row.used[name] / row.available[name])})"
    return "none"


def _table(rows: "list[SurveyRow]") -> "Table":
    from rich.table import Table

    table = Table()
    for head in HEADS:
        table.add_column(head, no_wrap=head == "board")
    for row in rows:
        table.add_row(*_cells(row))
    return table
