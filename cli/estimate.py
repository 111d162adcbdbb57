"""``fewbit estimate``: what a network takes on a board, and how fast it runs there, before anything is synthesized."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .common.choices import choice, known
from .common.command import command_line
from .common.console import counted, percent, print_json, print_table
from .common.engine_options import EngineOptions
from .common.network_options import size
from .common.options import Json, OneActivation, Weight, boards
from .common.options import board as board_option
from .common.program_options import ProgramOptions
from .common.signature import takes_options

if TYPE_CHECKING:
    from ..boards.build.estimate import Estimate
    from ..boards.build.layers_request import LayersRequest

__all__ = ["estimate"]

SEARCHED = "the fastest that fits"

BOUND = {
    "taps": "the array",
    "weights": "weights that are fetched",
    "sums": "sums that are rounded and written",
    "memory": "a memory that is read and written",
    "begin and end": "its beginning and end",
}
"""What bounds a layer, in words."""


@takes_options
def estimate(
    context: typer.Context,
    network: ProgramOptions,
    board: Annotated[str | None, board_option()] = None,
    weight: Weight = None,
    activation: OneActivation = None,
    rows: Annotated[int | None, size("rows", SEARCHED)] = None,
    columns: Annotated[int | None, size("columns", SEARCHED)] = None,
    lanes: Annotated[int | None, size("lanes", SEARCHED)] = None,
    outputs: Annotated[int | None, size("outputs", SEARCHED)] = None,
    dsp: Annotated[
        str | None,
        choice(known("none", "auto"), "--dsp", help="Use of the device's multipliers.", show_default="the board's"),
    ] = None,
    chart: Annotated[
        Path | None, typer.Option("--chart", metavar="FILE.svg", help="Draw the cycles of each layer.")
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            metavar="FOLDER",
            help="In place of an estimate: estimates beside the bitstreams of a folder, as `fewbit board build` wrote.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Estimate what a network takes on a board, and how many images a second it computes there, without synthesis.

    Unless sides of the array are given, they are searched: it is the array that computes the most images a second of
    those that fit. Cycles are exact. LUTs are estimated from accelerators that were synthesized, and from bitstreams.
    The clock is that of bitstreams for the board's FPGA. If the network does not fit, the exit status is 1, and the
    speed is told at which `fewbit board build` has the host compute it layer by layer.
    """
    from ..boards.build.built_estimates import told_errors
    from ..boards.build.estimate import estimate as find_estimate
    from ..boards.build.network_request import NetworkRequest, buffer_for, usual_dsp
    from ..boards.targets import find_board
    from ..synth import write_whole
    from .board.bitstream_options import BitstreamOptions
    from .common.files import check_folder
    from .estimate_against import against as show_against
    from .estimate_chart import chart as draw

    if against is not None:
        if board is not None or network.given:
            raise ValueError("--board, --model and --program must be left out with --against, whose files say them")
        show_against(against, json)
        return
    if not network.given:
        raise ValueError("--model or --program must be given: the network that is estimated")
    if board is None:
        raise ValueError(f"--board must be given, one of {', '.join(boards())}")
    if chart is not None:
        if chart.suffix != ".svg":
            raise ValueError(f"--chart must be a file that ends in .svg, not {str(chart)!r}")
        check_folder(chart.parent, chart.name)
    found = find_board(board)
    engine = EngineOptions(rows=rows, columns=columns, outputs=outputs)
    multipliers = dsp or usual_dsp(found)
    program = network.fitting(engine, weight, activation, lanes, found, multipliers)
    request = NetworkRequest(found, program, dsp=multipliers, buffer_bytes=buffer_for(program))
    made = find_estimate(request)
    layers = None
    if not made.fits:
        options = BitstreamOptions(board, lanes=lanes, dsp=dsp)
        layers = options.by_layers(request, engine, {}) if request.lacks else None
    if chart is not None:
        write_whole(chart, draw(made))
    if json:
        rate = None if layers is None else layers.images_a_second(layers.first_baud)
        instead = {} if layers is None else {"layer_by_layer": {"images_a_second_at_most": rate}}
        print_json({"command": command_line(context), **made.to_dict(), **instead, "errors": told_errors()})
    else:
        _show(made, layers)
    if not made.fits:
        raise typer.Exit(1)


def _show(made: "Estimate", layers: "LayersRequest | None") -> None:
    """Print it. ``layers``: how the network is computed in the place of an accelerator that does not fit"""
    from rich.table import Table

    from ..boards.build.estimate import reason

    shape = made.program.shape
    print(
        f"{made.program.name} on {made.board}: {shape.weight} x {shape.activation}, {shape.between} between layers, "
        f"{shape.rows} x {shape.columns} x {shape.lanes}, {shape.products_a_cycle} products and "
        f"{counted(shape.outputs, 'output')} a cycle"
    )
    for name, amount in made.resources.items():
        give = f", give or take {percent(made.lut_error)}," if name == "LUTs" else ""
        over = "" if amount.fits else ": too many"
        print(f"  {name}: about {amount.used:,}{give} of {amount.there:,}{over}{_off(name)}")
    if not made.fits:
        _tell_that_it_does_not_fit(made, layers)
    elif made.clocks is None:
        print("  clock: not known; no bitstream for this FPGA is placed and routed here")
    else:
        low, high = (hz / 1e6 for hz in made.clocks)
        print(f"  clock: {low:.0f} to {high:.0f} MHz, as other bitstreams for this FPGA have it")
        for link, words in ((True, f"with the link at {made.baud / 1e6:g} Mbaud"), (False, "without the link")):
            slow, fast = (made.rate(hz, link) for hz in made.clocks)
            bound = "; the link bounds them" if link and fast < made.rate(made.clocks[1], link=False) else ""
            off = _off("images a second", " at their clock") if link else ""
            print(f"  images a second {words}: {slow:,.1f} to {fast:,.1f}{bound}{off}")
    title = f"{made.cycles:,} cycles an image, {made.pause:,} between two{_off('cycles')}"
    table = Table(title=title, title_justify="left")
    for name in ("layer", "cycles", "share", "array busy", "bound by"):
        table.add_column(name, justify="left" if name in ("layer", "bound by") else "right")
    for record in made.records:
        table.add_row(
            record.name,
            f"{record.cycles:,}",
            percent(record.cycles / made.cycles),
            percent(record.taps / record.cycles),
            BOUND[reason(record)],
        )
    print_table(table)
    slowest = made.slowest
    print(
        f"{slowest.name} takes {percent(slowest.cycles / made.cycles)} of an image and is bound by "
        f"{BOUND[reason(slowest)]}; the array is busy {percent(made.busy)} of the time"
    )


def _tell_that_it_does_not_fit(made: "Estimate", layers: "LayersRequest | None") -> None:
    over = " and ".join(name for name, amount in made.resources.items() if not amount.fits)
    print(f"  it does not fit: {made.board} has too few {over}")
    if layers is not None:
        rate, link = layers.images_a_second(layers.first_baud), f"{layers.first_baud / 1e6:g} Mbaud"
        print(
            "  `fewbit board build` makes a matmul engine instead, through which the host computes the network layer "
            f"by layer: at most {rate:.2f} images a second at {link}"
        )


def _off(name: str, where: str = "") -> str:
    """How far a figure was off for bitstreams that were built, as a clause."""
    from .estimate_against import error

    found = error(name)
    return f" (for bitstreams{where}: {found})" if found else ""
