"""The commands for boards: what they print, and how wrong arguments end."""

import hashlib
import json

import pytest
from fewbit.boards.targets import board_names
from fewbit.cli.app import run


def test_boards_are_listed(capsys):
    assert run(["boards"]) == 0
    shown = capsys.readouterr().out
    for name in board_names():
        assert name in shown
    assert "Lattice iCE40-UP5K" in shown and "FT2232H, 3 Mbaud" in shown and "5,280 LUT4" in shown
    assert "no open place and route in PyPI" in shown


def test_boards_as_json(capsys):
    assert run(["boards", "--json"]) == 0
    boards = {board["name"]: board for board in json.loads(capsys.readouterr().out)["boards"]}
    assert set(boards) == set(board_names())
    assert boards["icebreaker"]["pins"] == {"clk": "35", "rx": "6", "tx": "9", "busy": "37", "error": "11"}
    assert (boards["icebreaker"]["block_ram_kib"], boards["arty_a7"]["bitstream"]) == (15, False)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--board", "icebraker"], "did you mean 'icebreaker'?"),
        (["--board", "icebreaker", "--weight", "int8,int4"], "must be one format each for a bitstream, not 2 pairs"),
        (["--board", "icebreaker", "--rows", "0"], "rows must be 1 to 64, not 0"),
        (["--board", "icebreaker", "--mhz", "3"], "clock must be at least 12 MHz here, not 3.00 MHz"),
        (["--board", "icebreaker", "--baud", "9600"], "baud must be one of 3000000, "),
        (["--board", "icebreaker", "--largest", "--rows", "2"], "must be left out with --largest"),
    ],
)
def test_wrong_bitstreams_end_with_a_line(capsys, in_folder, arguments, message):
    assert run(["bitstream", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.splitlines()) == 1
    assert not list(in_folder.iterdir())


def test_flash_shows_its_command(capsys, in_folder):
    (in_folder / "made.bit").write_bytes(b"bits")
    described = {"board": "ulx3s_12f", "file": "made.bit", "sha256": hashlib.sha256(b"bits").hexdigest()}
    (in_folder / "made.json").write_text(json.dumps(described))
    assert run(["flash", "made.json", "--dry-run", "--persistent"]) == 0
    assert capsys.readouterr().out.strip().endswith("-b ulx3s -f made.bit")
    assert run(["flash", "none.bit"]) == 2
    assert "none.bit" in capsys.readouterr().err
