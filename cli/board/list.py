"""``fewbit board list``: the boards that bitstreams can be built for."""

from typing import TYPE_CHECKING, Any

from ..common.console import PLAIN_WIDTH, print_json, print_table, screen
from ..common.options import Json

if TYPE_CHECKING:
    from ...boards.targets.board import Board, KnownArray

__all__ = ["list_boards"]

SHOWN = ("int8", "int8")


def list_boards(json: Json = False) -> None:
    """List the boards, each with its FPGA, its link to the host, and the largest array that was found to fit beside it.

    Rows x columns x lanes is the number of products a cycle at the peak. `fewbit board build` takes that array unless
    told otherwise.
    """
    from rich.table import Table

    from ...boards.targets import board_names, find_board

    found = [find_board(name) for name in board_names()]
    if json:
        print_json({"boards": [_described(board) for board in found]})
        return
    table = Table()
    table.add_column("board", no_wrap=True)
    for column in ("", "FPGA", "LUTs", "DSPs", "block RAM", "link"):
        table.add_column(column)
    narrow = screen().width < PLAIN_WIDTH
    table.add_column("largest arrays", no_wrap=narrow)
    for board in found:
        capacity = board.part.target.device.capacity
        assert capacity is not None
        arrays = ("\n" if narrow else ", ").join(
            f"{weight} x {activation}: {_array(known)}" for (weight, activation), known in sorted(board.arrays.items())
        )
        table.add_row(
            board.name,
            board.title,
            board.part.name,
            f"{capacity.luts:,} LUT{board.part.target.family.lut_inputs}",
            str(capacity.dsps),
            f"{_kilobytes(board)} KiB",
            f"{board.link.chip}, {board.link.top_baud / 1e6:g} Mbaud",
            arrays or ("not searched" if board.part.routed else "netlist only"),
        )
    print_table(table)
    for board in found:
        if board.link.note:
            print(f"{board.name}: {board.link.note}")
        if not board.part.routed:
            print(f"{board.name}: netlist only, no open place and route in PyPI")


def _array(known: "KnownArray") -> str:
    return "x".join(map(str, known[:3]))


def _kilobytes(board: "Board") -> int:
    from ...boards.build.largest import ram_bits

    return ram_bits(board) // 8192


def _described(board: "Board") -> dict[str, Any]:
    capacity = board.part.target.device.capacity
    assert capacity is not None
    return {
        "name": board.name,
        "title": board.title,
        "fpga": board.part.name,
        "luts": capacity.luts,
        "lut_inputs": board.part.target.family.lut_inputs,
        "dsps": capacity.dsps,
        "block_ram_kib": _kilobytes(board),
        "oscillator_hz": board.oscillator_hz,
        "link": {"chip": board.link.chip, "top_baud": board.link.top_baud, "note": board.link.note},
        "pins": {name: pin.name for name, pin in board.pins.items()},
        "usb": str(board.programming.usb),
        "bitstream": board.part.routed,
        "largest": [
            {"weight": weight, "activation": activation, "array": list(known[:3]), "dsp": known.dsp}
            | {"pipeline": known.pipeline, "build": known.build}
            for (weight, activation), known in sorted(board.arrays.items())
        ],
    }
