"""``fewbit bitstream``: a matmul engine for a board."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common.console import print_json, say
from ..common.engine_options import EngineOptions, takes_engine_on_a_board
from ..common.options import Build, Fill, Json, OneActivation, Out, Weight, choose_pairs, command_line, parse_integers

if TYPE_CHECKING:
    from ...boards.build.bitstream import Bitstream
    from ...boards.build.bitstream_request import Request
    from ...boards.targets.board import Board
    from ...formats import Engine, Format

__all__ = [
    *("BoardName", "Lanes", "Dsp", "Stages", "Mhz", "Margin", "Baud", "Pll", "Seeds", "Recipe"),
    *("bitstream", "request_for"),
]

DEFAULT_SHAPE = (2, 2, 1, "none")

BoardName = Annotated[str, typer.Option("--board", metavar="BOARD", help="One of `fewbit boards`.")]
Lanes = Annotated[
    int | None, typer.Option("--lanes", help="Products a cycle of an element.", show_default="the board's, or 1")
]
Dsp = Annotated[
    str | None,
    typer.Option("--dsp", help="none, or auto: products by DSPs as far as they go.", show_default="the board's"),
]
Stages = Annotated[int, typer.Option("--pipeline", help="Register stages, 1 to 3.")]
Mhz = Annotated[
    float | None, typer.Option("--mhz", help="Highest clock to use.", show_default="the highest that is met")
]
Margin = Annotated[float, typer.Option("--margin", help="Share of Fmax that the clock stays below it.")]
Baud = Annotated[
    int | None, typer.Option("--baud", help="Of the serial line.", show_default="the fastest that board and clock do")
]
Pll = Annotated[bool, typer.Option("--pll/--no-pll", help="Without, the clock is the oscillator's.")]
Seeds = Annotated[str, typer.Option("--seeds", help="Of place and route; the next where one fails.")]
Recipe = Annotated[str, typer.Option("--recipe", help="Of synthesis, by name; auto takes the smallest.")]

SHOWN = {"rows": "the board's", "columns": "the board's", "max_k": "256 or 1024", "tile_m": "as RAM allows"}
"""Defaults of the engine here."""


@takes_engine_on_a_board(**SHOWN)
def bitstream(
    context: typer.Context,
    board: BoardName,
    weight: Weight = None,
    activation: OneActivation = None,
    lanes: Lanes = None,
    dsp: Dsp = None,
    pipeline: Stages = 2,
    build: Build = "auto",
    mhz: Mhz = None,
    margin: Margin = 0.05,
    baud: Baud = None,
    pll: Pll = True,
    seeds: Seeds = "1,2,3",
    recipe: Recipe = "auto",
    largest: Annotated[
        bool, typer.Option("--largest", help="Find the largest array that fits, and build that; it takes a while.")
    ] = False,
    seconds: Annotated[float, typer.Option("--seconds", help="Of the search for it.")] = 3600,
    fill: Fill = None,
    name: Annotated[str | None, typer.Option("--name", help="Of the files.", show_default="board and engine")] = None,
    out: Out = Path("out"),
    json: Json = False,
    engine: EngineOptions = EngineOptions(),  # noqa: B008  # frozen
) -> None:
    """Build a bitstream: a matmul engine behind the board's serial line, at a clock that meets timing with a margin.

    The array is the largest that was found to fit (`fewbit boards`), a small one where none was searched, unless rows,
    columns or lanes are given. Outputs are float32 without a scale: exact up to 24 bits, else rounded once. Writes
    NAME.bin (.bit, .fs) and NAME.json, both or neither; `fewbit flash` programs the board with them.
    """
    from ...boards.build.bitstream import build as build_bitstream
    from ...boards.build.bitstream import check_name
    from ...boards.build.largest import LANES
    from ...boards.build.largest import largest as find_largest
    from ...boards.build.route import tools_of
    from ..common.files import check_folder
    from ..common.first_start import prepare

    request = request_for(
        *(board, weight, activation, engine, lanes, dsp),
        pipeline=pipeline,
        build=build,
        mhz=mhz,
        margin=margin,
        baud=baud,
        seeds=parse_integers("seeds", seeds),
        recipe=recipe,
        pll=pll,
    )
    found, pair = request.board, (request.engine.weight.name, request.engine.activation.name)
    if fill is not None and not largest:
        raise ValueError("--fill must be left out without --largest: it is of the search")
    own = (engine.rows, engine.columns, lanes)
    if not largest and own == (None, None, None) and pair not in found.shapes:
        say(
            f"note: how large an array of {' x '.join(pair)} goes into {found.name} was not searched: "
            f"{DEFAULT_SHAPE[0]} x {DEFAULT_SHAPE[1]} here; --largest searches, --rows and --columns name another"
        )
    if largest and (engine.rows, engine.columns, engine.tile_m) != (None, None, None):
        raise ValueError("--rows, --columns and --tile-m must be left out with --largest, which finds them")
    check_name(name)
    check_folder(out)
    prepare(*(tool for tool in tools_of(found) if tool.startswith("yowasp-")))
    if largest:
        chosen = LANES if lanes is None else (lanes,)
        request, _ = find_largest(request, lanes=chosen, seconds=seconds, fill=fill, say=say)
        say(_as_default(request))
    made = build_bitstream(request, out, name, say=say, command=command_line(context))
    if json:
        print_json(made.to_dict())
    else:
        _show(made, request)


def request_for(
    board: str,
    weight: str | None,
    activation: str | None,
    engine: EngineOptions,
    lanes: int | None,
    dsp: str | None,
    **others: Any,
) -> "Request":
    """The bitstream that the options stand for: of the board's array unless they name another. Raises ValueError.

    ``others``: of ``Request``.
    """
    from ...boards.build.bitstream_request import Request
    from ...boards.targets import find_board

    found = find_board(board)
    pairs = choose_pairs(weight, activation)
    if len(pairs) != 1:
        raise ValueError(f"weight and activation must be one format each for a bitstream, not {len(pairs)} pairs")
    shape = found.shapes.get((pairs[0][0].name, pairs[0][1].name), DEFAULT_SHAPE)
    array = _engine(engine, found, *pairs[0], shape[:2], shape[2] if lanes is None else lanes)
    return Request(found, array, dsp=shape[3] if dsp is None else dsp, **others)


def _engine(
    options: EngineOptions, board: "Board", weight: "Format", activation: "Format", sides: tuple[int, int], lanes: int
) -> "Engine":
    from ...boards.build.largest import default_max_k, default_tile_m

    rows = sides[0] if options.rows is None else options.rows
    columns = sides[1] if options.columns is None else options.columns
    max_k = default_max_k(board) if options.max_k is None else options.max_k
    given: dict[str, Any] = {"rows": rows, "columns": columns, "max_k": max_k}
    if options.tile_m is None and rows > 0 and max_k > 0:
        given["tile_m"] = default_tile_m(board, activation.width, rows, max_k)
    return replace(options.on_a_board(), **given).engine(weight, activation, lanes)


def _as_default(request: "Request") -> str:
    engine = request.engine
    pair, shape = (engine.weight.name, engine.activation.name), (engine.rows, engine.columns, engine.lanes, request.dsp)
    return f"shapes={{{pair}: {shape}}} in boards/targets/{request.board.name}.py makes it the default"


def _show(made: "Bitstream", request: "Request") -> None:
    from ..common.console import percent

    engine, described = made.description.engine, made.description
    print(
        f"{made.board}: {engine.weight} x {engine.activation} to {engine.requantization.output}, "
        f"{engine.rows} x {engine.columns} x {engine.lanes}, {engine.products} products a cycle, "
        f"{engine.products * described.clock_hz / 1e6:,.0f} M products/s at the peak"
    )
    shown = {name: pair for name, pair in made.utilization.items() if pair[0] and pair[1] > 1}
    for name, (used, there) in shown.items():
        print(f"  {name}: {used} of {there}, {percent(used / there)}")
    if made.fmax_mhz is None:
        print(
            f"  clock: {made.clock_mhz:g} MHz, not proven: no place and route for {request.board.part.name} in PyPI; "
            "the maker's tools take the netlist and the constraints from here"
        )
    else:
        fmax = f"Fmax {made.fmax_mhz:.2f} MHz, margin {made.margin:.0%}, seed {made.seed}"
        print(f"  clock: {made.clock_mhz:.2f} MHz, {fmax}")
    note = f"; {request.board.link.note}" if request.board.link.note else ""
    print(f"  link: {described.baud / 1e6:g} Mbaud, {request.board.link.chip}{note}")
    print(f"written: {', '.join(str(path) for path in made.files)} in {made.seconds:.0f} s")
