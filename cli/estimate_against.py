"""``fewbit estimate --against``: what is told before anything is built, beside bitstreams that were built."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .common.console import print_json, print_table, progress

if TYPE_CHECKING:
    from ..boards.build.built_estimates import BuiltEstimate, BuiltNetwork
    from ..boards.build.network_request import NetworkRequest

__all__ = ["against", "error"]

FIGURES = ("LUTs", "block RAMs", "large RAMs", "DSPs", "cycles", "images a second")


def against(folder: Path, json: bool) -> None:
    """Print the table of all bitstreams with networks in a folder. Raises OSError, ValueError."""
    from ..boards.build.built_estimates import bitstreams, compare

    known: dict[tuple[str, ...], Any] = {}
    built = [*bitstreams(folder)]
    found: list[BuiltEstimate] = []
    with progress("Estimating, bitstreams") as report:
        for each in built:
            report(len(found), len(built))
            found.append(compare(each, _request(each, known)))
    if json:
        print_json({"builds": [each.to_dict() for each in found]})
    else:
        _show(found)


def _request(bitstream: "BuiltNetwork", known: dict[tuple[str, ...], Any]) -> "NetworkRequest":
    """What the bitstream was asked for: its program is made anew unless it lies beside it.

    ``known``: the network with its samples and what gives its programs, by its name and formats
    """
    from ..boards.build.built_network import PROGRAM_SUFFIX
    from ..boards.build.network_request import NetworkRequest, buffer_for
    from ..boards.link.description import Description
    from ..boards.targets import find_board
    from ..formats.network import Program
    from .common.network_options import described_network, lowering
    from .common.study_options import SchemeOptions

    network, hardware = bitstream.network, bitstream.content["hardware"]
    board = find_board(bitstream.content["board"])
    router = board.part.target.family.nextpnr
    used = 0 if router is None else bitstream.content["utilization"].get(router.dsp, {"used": 0})["used"]
    beside = bitstream.path.with_suffix(PROGRAM_SUFFIX)
    if beside.exists():
        program = Program.read(beside)
    else:
        formats = tuple(network[name] for name in ("name", "weight", "activation", "between"))
        networks, chosen = described_network(Description.read(bitstream.path).network)
        if formats not in known:
            study = next((study for (name, *_), (study, _) in known.items() if name == formats[0]), None)
            known[formats] = lowering(networks, SchemeOptions(), chosen, study)
        program = known[formats][1](chosen.request()).program
    return NetworkRequest(
        board,
        program,
        dsp="auto" if used else "none",
        buffer_bytes=buffer_for(program),
        pipeline=hardware["pipeline"],
        build=hardware["build"],
    )


def _show(found: "list[BuiltEstimate]") -> None:
    from rich.table import Table

    from ..boards.build.network_cells import Features, logic

    table = Table(title="As estimated, and as built", title_justify="left")
    for name in ("board", "network", *FIGURES, "clock, MHz"):
        table.add_column(name, justify="left" if name in ("board", "network") else "right")
    for each in found:
        told = {**each.told, "LUTs": round(logic(Features(**each.features)))}
        band = "" if told["clock"] is None else f"{told['clock'][0]:.0f} to {told['clock'][1]:.0f}, "
        table.add_row(
            *(each.board, each.what),
            *(_both(told.get(name), each.built.get(name)) for name in FIGURES),
            f"{band}{each.built['clock']:.1f}",
        )
    print_table(table)


def _both(told: float | None, built: float | None) -> str:
    if told is None or built is None:
        return ""
    one, other = (f"{each:,.1f}" if isinstance(each, float) else f"{each:,}" for each in (told, built))
    return f"{one}, {other}" + (f" ({told / built - 1:+.1%})" if built and told != built else "")


def error(name: str) -> str:
    """How far a figure was off for bitstreams that were built, in words; empty where that is not known."""
    from ..boards.build.built_estimates import told_errors

    found = told_errors().get(name)
    if found is None:
        return ""
    if found == (0, 0):
        return "as it was"
    low, high = (f"{100 * off:+.2g}%" if off else "0" for off in found)
    return low if low == high else f"{low} to {high}"
