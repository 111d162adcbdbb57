"""``fewbit board run`` and ``fewbit board selftest`` on the simulated board."""

import json
from pathlib import Path

import numpy as np
import pytest
from fewbit.boards import Description
from fewbit.cli.app import run
from simulated_boards import SMALL

pytestmark = pytest.mark.slow

SIZES = ["--rows", "2", "--columns", "2", "--tile-m", "4", "--max-k", "32"]
ENGINE = ["--weight", "int4", "--output", "int16", "--scale", "none", *SIZES]


@pytest.fixture
def operands(tmp_path, monkeypatch, prepared):
    """A and W in the current folder; no board is attached."""
    generator = np.random.default_rng(7)
    found = {"A": generator.integers(-8, 8, (9, 40)), "W": generator.integers(-8, 8, (40, 5))}
    for name, values in found.items():
        np.save(tmp_path / f"{name}.npy", values)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fewbit.boards.host.transport.find_ports", lambda board=None: [])
    monkeypatch.setattr("fewbit.boards.program.flash.DEVICES", tmp_path)
    return found


def test_a_product_goes_through_the_simulated_board(operands, capsys):
    assert run(["run", "A.npy", "W.npy", "-o", "C.npy", "--check", *ENGINE]) == 0
    captured = capsys.readouterr()
    assert "no board is attached: the simulated board computes" in captured.err
    assert "C.npy: 9 x 5 int64 on sim: 6 products" in captured.out
    assert "checked: all 45 as the golden model has them" in captured.out
    assert (np.load("C.npy") == operands["A"] @ operands["W"]).all()


def test_a_difference_is_told(operands, capsys, monkeypatch):
    monkeypatch.setattr("fewbit.boards.host.device.Device.golden", lambda self, a, w, **options: np.zeros((9, 5)))
    assert run(["run", "A.npy", "W.npy", "--board", "sim", "--check", "--json", *ENGINE]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["simulated"]
    assert found["differences"] == np.count_nonzero(operands["A"] @ operands["W"])


def test_codes_go_in_and_come_out(operands, capsys):
    np.save("codes.npy", (operands["A"][:, :3] & 15).astype(np.uint8))
    np.save("more.npy", (operands["W"][:3] & 15).astype(np.uint8))
    assert run(["run", "codes.npy", "more.npy", "--codes", "--board", "sim", *ENGINE]) == 0
    assert (np.load("C.npy").astype(np.int16) == operands["A"][:, :3] @ operands["W"][:3]).all()


def test_the_simulated_board_can_be_a_bitstreams(operands, capsys):
    described = Description("ulx3s_12f", SMALL, 18_000_000, 3_000_000)
    Path("made.json").write_text(json.dumps({"board": "ulx3s_12f", "description": json.loads(described.text())}))
    assert run(["run", "A.npy", "W.npy", "--like", "made.json", "--check"]) == 0
    assert "C.npy: 9 x 5 int64 on the simulated ulx3s_12f" in capsys.readouterr().out
    assert (np.load("C.npy") == operands["A"] @ operands["W"]).all()
    assert run(["run", "A.npy", "W.npy", "--like", "made.json", "--rows", "2"]) == 2
    assert "--rows must be left out with --like" in capsys.readouterr().err
    assert run(["run", "A.npy", "W.npy", "--like", "made.json", "--board", "icebreaker"]) == 2
    said = capsys.readouterr().err
    assert "board must be left out with --like, which is for the simulated board, not 'icebreaker'" in said


def test_operands_are_checked_before_a_board_is_prepared(operands, capsys, monkeypatch):
    monkeypatch.setattr("fewbit.cli.common.attached._simulated", lambda *_: pytest.fail("prepared"))
    np.save("half.npy", operands["W"] / 2)
    for options in (["--board", "sim"], []):
        assert run(["run", "A.npy", "half.npy", *options, *ENGINE]) == 2
        assert "must be a value of the engine's int4, not" in capsys.readouterr().err
    assert run(["run", "A.npy", "A.npy", "--board", "sim", *ENGINE]) == 2
    assert "a and w must be of shapes (m, k) and (k, n)" in capsys.readouterr().err


WRONG = {
    "selftest --like text.npy": "--like must be what `fewbit board build` wrote: text.npy",
    "run A.npy W.npy --board icebreaker": "board icebreaker must be attached: no serial port has USB id 0403:6010",
    "run A.npy W.npy --board icebraker": "did you mean 'icebreaker'?",
    "run A.npy W.npy --port /dev/none": "serial port /dev/none cannot be opened",
    "run A.npy W.npy --port /dev/none --rows 2": "--rows must be left out with a board at /dev/none",
    "run A.npy none.npy": "none.npy: No such file or directory",
    "run A.npy W.npy --board sim --weight int4,int8": "weight and activation must be one format each, not 2 pairs",
    "run A.npy W.npy --codes --rounded": "--rounded must be left out with --codes",
    "run text.npy W.npy": "text.npy must be a file of numpy.save",
    "selftest --seconds 0": "seconds must be above 0 and at most 604800, a week, not 0.0",
}


@pytest.mark.parametrize("command", WRONG)
def test_wrong_arguments_are_one_line(operands, capsys, tmp_path, command):
    (tmp_path / "text.npy").write_text("1 2 3")
    failed = "cannot be opened" in WRONG[command]  # which is the board's fault
    assert run(command.split()) == (3 if failed else 2)
    captured = capsys.readouterr()
    assert WRONG[command] in captured.err
    assert captured.err.count("\n") == 1 and not captured.out


def test_a_selftest_checks_random_products(operands, capsys):
    assert run(["selftest", "--seconds", "0.5", "--board", "sim", "--most", "64", "--json", *ENGINE]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["matmuls"] > 0 and found["wrong"] == 0 and found["simulated"]
    assert found["products_a_second"] > 0 and sum(found["retries"].values()) <= 1
    assert 0 < 10 * found["received_a_second"] < found["baud"]
    assert run(["selftest", "--seconds", "0.5", "--board", "sim", "--most", "64", *ENGINE]) == 0
    shown = capsys.readouterr().out
    assert "0 wrong" in shown and shown.endswith("\nthe SIMULATED board was tested, no hardware\n")
