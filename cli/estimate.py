"""``fewbit estimate``: what a network takes on a board, and how fast it runs there, before anything is synthesized."""

from typing import TYPE_CHECKING, Annotated

import typer

from .common.choices import choice, known
from .common.command import command_line
from .common.console import percent, print_json, print_table
from .common.engine_options import EngineOptions
from .common.network_options import size
from .common.options import Json, OneActivation, Weight
from .common.options import board as board_option
from .common.program_options import ProgramOptions
from .common.signature import takes_options

if TYPE_CHECKING:
    from ..boards.build.estimate import Estimate

__all__ = ["estimate"]

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
    board: Annotated[str, board_option()],
    weight: Weight = None,
    activation: OneActivation = None,
    rows: Annotated[int | None, size("rows", "the board's")] = None,
    columns: Annotated[int | None, size("columns", "the board's")] = None,
    lanes: Annotated[int | None, size("lanes", "the board's")] = None,
    outputs: Annotated[int | None, size("outputs", "the board's")] = None,
    dsp: Annotated[str, choice(known("none", "auto"), "--dsp", help="Use of the device's multipliers.")] = "none",
    json: Json = False,
) -> None:
    """Estimate what a network takes on a board, and how many images a second it computes there, without synthesis.

    Cycles are exact. LUTs are estimated from accelerators that were synthesized, and the clock is that of other
    bitstreams for the board's FPGA. The exit status is 1 if the network does not fit.
    """
    from ..boards.build.estimate import estimate as find_estimate
    from ..boards.build.network_request import NetworkRequest, buffer_for
    from ..boards.targets import find_board

    if not network.given:
        raise ValueError("--model or --program must be given: the network that is estimated")
    found = find_board(board)
    engine = EngineOptions(rows=rows, columns=columns, outputs=outputs)
    program = network.read(engine, weight, activation, lanes, found.network)
    made = find_estimate(NetworkRequest(found, program, dsp=dsp, buffer_bytes=buffer_for(program)))
    if json:
        print_json({"command": command_line(context), **made.to_dict()})
    else:
        _show(made)
    if not made.fits:
        raise typer.Exit(1)


def _show(made: "Estimate") -> None:
    from rich.table import Table

    from ..boards.build.estimate import reason

    shape = made.program.shape
    print(
        f"{made.program.name} on {made.board}: {shape.weight} x {shape.activation}, {shape.between} between layers, "
        f"{shape.rows} x {shape.columns} x {shape.lanes}, {shape.products_a_cycle} products a cycle"
    )
    for name, amount in made.resources.items():
        error = f", give or take {percent(made.lut_error)}," if name == "LUTs" else ""
        over = "" if amount.fits else ": too many"
        print(f"  {name}: about {amount.used:,}{error} of {amount.there:,}{over}")
    if made.clocks is None:
        print("  clock: not known; no bitstream for this FPGA is placed and routed here")
    else:
        low, high = (hz / 1e6 for hz in made.clocks)
        print(f"  clock: {low:.0f} to {high:.0f} MHz, as other bitstreams for this FPGA have it")
        for link, words in ((True, f"with the link at {made.baud / 1e6:g} Mbaud"), (False, "without the link")):
            slow, fast = (made.rate(hz, link) for hz in made.clocks)
            bound = "; the link bounds them" if link and fast < made.rate(made.clocks[1], link=False) else ""
            print(f"  images a second {words}: {slow:,.1f} to {fast:,.1f}{bound}")
    table = Table(title=f"{made.cycles:,} cycles an image, {made.pause:,} between two", title_justify="left")
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
