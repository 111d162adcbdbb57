"""``fewbit board build``: a matmul engine or a network for a board."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..common.command import command_line
from ..common.console import print_json, say
from ..common.engine_options import EngineOptions, takes_engine_on_a_board
from ..common.options import Json, Out
from ..common.options import fill as fill_option
from ..common.options import name as name_option
from ..common.options import timeout as timeout_option
from ..common.program_options import ProgramOptions
from .bitstream_options import DEFAULT_ARRAY, SHOWN, BitstreamOptions

if TYPE_CHECKING:
    from ...boards.build.bitstream import Bitstream
    from ...boards.build.bitstream_request import BitstreamRequest, Request

__all__ = ["build"]


@takes_engine_on_a_board(**SHOWN)
def build(
    context: typer.Context,
    options: BitstreamOptions,
    network: ProgramOptions,
    largest: Annotated[
        bool, typer.Option("--largest", help="Find the largest array that fits, and build that; it takes a while.")
    ] = False,
    timeout: Annotated[float, timeout_option("Seconds after which the search for it ends.")] = 3600,
    fill: Annotated[float | None, fill_option()] = None,
    name: Annotated[str | None, name_option("board and engine")] = None,
    out: Out = Path("out"),
    json: Json = False,
    engine: EngineOptions = EngineOptions(),  # noqa: B008  # frozen
) -> None:
    """Build a bitstream: a matmul engine or, with --model, a network behind the board's serial line, at a clock that
    meets timing with a margin.

    Unless rows, columns or lanes are given, the array is the largest that was found to fit (`fewbit board list`), or a
    small one if none was searched. Outputs are float32 without a scale: sums of up to 24 bits are exact, and longer
    ones are rounded once. The command writes NAME.bin (.bit, .fs) and NAME.json, both or neither. `fewbit board flash`
    programs the board with them. With --model, NAME.program.json is what the board runs, and what
    `fewbit board run --program` takes; the options of outputs and blocks are of engines alone. For a network that does
    not fit, the bitstream has a matmul engine, through which the host computes the network layer by layer.
    """
    from ...boards.build.bitstream import build as build_bitstream
    from ...boards.build.bitstream import check_name
    from ...boards.build.bitstream_request import Request
    from ...boards.build.largest import largest as find_largest
    from ...boards.build.route import tools_of
    from ...synth.fit_search import LANES
    from ..common.files import check_folder
    from ..common.first_start import prepare

    check_name(name)
    check_folder(out)
    request = options.request(engine, network)
    if fill is not None and not largest:
        raise ValueError("--fill must be left out without --largest: it is of the search")
    if isinstance(request, Request):
        own = (engine.rows, engine.columns, options.lanes)
        _check_array(request, own, engine.tile_m, largest)
    elif largest:
        raise ValueError("--largest must be left out with a network: the search is of matmul engines")
    prepare(*(tool for tool in tools_of(request.board) if tool.startswith("yowasp-")))
    if largest and isinstance(request, Request):
        chosen = LANES if options.lanes is None else (options.lanes,)
        request, _ = find_largest(request, lanes=chosen, seconds=timeout, fill=fill, say=say)
        say(_as_default(request))
    made = build_bitstream(request, out, name, say=say, command=command_line(context))
    if json:
        print_json({**made.to_dict(), **_layers(made, request)})
    else:
        _show(made, request)


def _layers(made: "Bitstream", request: "BitstreamRequest") -> dict[str, dict[str, object]]:
    """What JSON says of a network that the host computes layer by layer; empty if there is none."""
    from ...boards.build.layers_request import LayersRequest

    if not isinstance(request, LayersRequest):
        return {}
    rate = request.images_a_second(made.description.baud)
    program = request.program
    return {
        "layer_by_layer": {"network": program.name, "digest": program.digest, "images_a_second_at_most": rate},
    }


def _check_array(
    request: "Request", own: tuple[int | None, int | None, int | None], tile_m: int | None, largest: bool
) -> None:
    """Tell that an array was not searched for, and raise ValueError if one is named and searched for.

    ``own``: rows, columns and lanes as they were given
    """
    board, pair = request.board, (request.engine.weight.name, request.engine.activation.name)
    if not largest and own == (None, None, None) and pair not in board.arrays:
        say(
            f"note: how large an array of {' x '.join(pair)} goes into {board.name} was not searched: "
            f"{DEFAULT_ARRAY[0]} x {DEFAULT_ARRAY[1]} here; --largest searches, --rows and --columns name another"
        )
    if largest and (*own[:2], tile_m) != (None, None, None):
        raise ValueError("--rows, --columns and --tile-m must be left out with --largest, which finds them")


def _as_default(request: "Request") -> str:
    from ...boards.targets.board import KnownArray

    engine = request.engine
    pair = engine.weight.name, engine.activation.name
    known = KnownArray(engine.rows, engine.columns, engine.lanes, request.dsp, request.pipeline, request.build)
    return f"arrays={{{pair}: {known}}} in boards/targets/{request.board.name}.py makes it the default"


def _show(made: "Bitstream", request: "BitstreamRequest") -> None:
    from ...boards.build.layers_request import LayersRequest
    from ...boards.link.network import BoardNetwork
    from ..common.console import percent

    described, computes = made.description, made.description.computes
    if isinstance(computes, BoardNetwork):
        what = f"{computes.name} in {described.formats}, {computes.between} between layers"
        products = computes.rows * computes.columns * computes.lanes
    else:
        what, products = f"{described.formats} to {computes.requantization.output}", computes.products
    print(
        f"{made.board}: {what}, {computes.rows} x {computes.columns} x {computes.lanes}, {products} products a cycle, "
        f"{products * described.clock_hz / 1e6:,.0f} M products/s at the peak"
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
    if isinstance(request, LayersRequest):
        rate = request.images_a_second(described.baud)
        print(f"  {request.program.name}, layer by layer: at most {rate:.2f} images a second over this link")
    print(f"written: {', '.join(str(path) for path in made.files)} in {made.seconds:.0f} s")
