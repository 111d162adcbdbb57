"""The commands for boards: what they print, and how wrong arguments end."""

import hashlib
import json
import zipfile
from collections import Counter
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
from fewbit.boards import Description, Event, Status
from fewbit.boards.host.channel import Channel, Statistics
from fewbit.boards.host.simulated import default_description
from fewbit.boards.targets import board_names
from fewbit.cli.app import run
from simulated_boards import SMALL


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
        (
            ["--board", "icebreaker", "--mhz", "3"],
            "clock must be at least 12 MHz, the lowest there is, not 3.00 MHz",
        ),
        (["--board", "icebreaker", "--baud", "9600"], "baud must be one of 3000000, "),
        (["--board", "icebreaker", "--largest", "--rows", "2"], "must be left out with --largest"),
        (
            ["--board", "icebreaker", "--name", "../made"],
            "name must be that of a file, without a folder, not '../made'",
        ),
        (["--board", "icebreaker", "--name", ".."], "name must be that of a file, without a folder, not '..'"),
        (["--board", "icebreaker", "--name", ""], "--name must have a value, not ''"),
        (["--board", "icebreaker", "--name", "a\nb"], r"without a folder, not 'a\nb'"),
        (["--board", "icebreaker", "--name", "x" * 201], "name must be of at most 200 bytes, not 201"),
        (["--board", "icebreaker", "--pipeline", "9"], "pipeline must be 1 to 4, not 9"),
        (
            ["--board", "icebreaker", "--control", "wishbone"],
            "option must be one of `fewbit board build --help`, not '--control'",
        ),
        (["--board", "icebreaker", "--recipe", "abc9", "--largest", "--seconds", "nan"], "seconds must be 0 or more"),
    ],
)
def test_wrong_bitstreams_end_with_a_line(capsys, in_folder, arguments, message):
    assert run(["bitstream", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.splitlines()) == 1
    assert not list(in_folder.iterdir())


def test_names_that_are_folders_are_refused_before_anything_is_built(capsys, in_folder, prepared):
    (in_folder / "made.json").mkdir()
    assert run(["bitstream", "--board", "icebreaker", "--name", "made", "--out", "."]) == 2
    assert "name must be that of files, and made.json is a folder" in capsys.readouterr().err


def test_all_boards_of_a_survey_are_looked_at_before_any_is_built(capsys, in_folder, monkeypatch):
    monkeypatch.setattr("fewbit.boards.survey.survey", lambda *_, **__: pytest.fail("built"))
    assert run(["survey", "--board", "icebreaker,arty_a7"]) == 2
    assert "board must be one with open place and route, not arty_a7" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--board", "tang_nano_9k"], "board must be one with an iCE40 or an ECP5 to be proven, not 'tang_nano_9k'"),
        (["--board", "icebreaker", "--dsp", "all"], "dsp must be one of none, auto, not 'all'"),
        (
            ["--board", "icebreaker", "--sizes", "0x1x1"],
            "each of 1 to 65535, as 256x256x256, not '0x1x1'",
        ),
        (["--board", "icebreaker", "--results", "kept"], "board_proofs.json must be what fewbit board prove wrote: "),
    ],
)
def test_wrong_proofs_end_with_a_line(capsys, in_folder, arguments, message):
    (in_folder / "kept").mkdir()
    (in_folder / "kept" / "board_proofs.json").write_text('{"rows": [1]}')
    assert run(["prove", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.splitlines()) == 1


def test_flash_shows_its_command(capsys, in_folder):
    (in_folder / "made.bit").write_bytes(b"bits")
    described = {"board": "ulx3s_12f", "file": "made.bit", "sha256": hashlib.sha256(b"bits").hexdigest()}
    (in_folder / "made.json").write_text(json.dumps(described))
    assert run(["flash", "made.json", "--dry-run", "--persistent"]) == 0
    assert capsys.readouterr().out.strip().endswith("-b ulx3s -f made.bit")
    assert run(["flash", "none.bit"]) == 2
    assert "none.bit" in capsys.readouterr().err
    for folder in (".", ""):
        assert run(["flash", folder]) == 2
        error = capsys.readouterr().err
        assert "one that `fewbit board build` wrote, not the folder '.'" in error and error.count("\n") == 1


@pytest.fixture
def unattached(tmp_path, monkeypatch):
    """Files in the current folder, and no serial port; gives the folder where the kernel shows USB devices."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: [])
    monkeypatch.setattr("fewbit.boards.program.flash.DEVICES", tmp_path / "usb")
    np.save("A.npy", np.ones((2, 3), dtype=np.int64))
    np.save("W.npy", np.ones((3, 2), dtype=np.int64))
    np.savez("codes.npz", codes=1)
    np.savez("a.npz", a=1)
    np.savez_compressed("packed.npz", scale=np.arange(1000))
    packed = (tmp_path / "packed.npz").read_bytes()
    (tmp_path / "spoilt.npz").write_bytes(packed.replace(packed[60:70], bytes(10)))
    (tmp_path / "cut.npz").write_bytes(packed[:100])
    header = b"{'descr': '<i8', 'fortran_order': False, 'shape': (99999999999, 999), }"
    (tmp_path / "huge.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    (tmp_path / "deep.json").write_text('{"description": ' + "[" * 100_000)
    described = json.loads(Description("ulx3s_12f", SMALL, 18_000_000, 3_000_000).text())
    (tmp_path / "made.json").write_text(json.dumps({"description": described}))
    (tmp_path / "folder").mkdir()
    assert zipfile.is_zipfile("spoilt.npz")
    return tmp_path / "usb"


WRONG = {
    "run A.npy W.npy --board sim --parameters codes.npz": "parameters must be of scale, tensor_scale, bias, ",
    "run A.npy W.npy --board sim --parameters a.npz": "not 'a'",
    "run A.npy W.npy --board sim --parameters spoilt.npz": "spoilt.npz must be a file of numpy.savez: ",
    "run A.npy W.npy --board sim --parameters cut.npz": "cut.npz must be a file of numpy.savez: ",
    "run A.npy W.npy --board sim --parameters A.npy": "A.npy must be a file of numpy.savez: it is one array",
    "run cut.npz W.npy --board sim": "cut.npz must be a file of numpy.save: ",
    "run huge.npy W.npy --board sim": "huge.npy must be a file of numpy.save: ",
    "run A.npy W.npy --board sim -o folder": "out must be a file, not the folder 'folder'",
    "run A.npy W.npy --board sim -o W.npy": "out must be another file than W.npy, which is read",
    "run A.npy W.npy --board sim --lanes 0": "lanes must be 1 to 64, not 0",
    "run A.npy W.npy --port /dev/none --lanes 0": "--lanes must be left out with a board at /dev/none",
    "run A.npy W.npy --board sim --timeout nan": "timeout must be above 0 seconds, not nan",
    "selftest --board sim --timeout -1": "timeout must be above 0 seconds, not -1.0",
    "selftest --seconds inf": "seconds must be above 0 and at most 604800, a week, not inf",
    "selftest --most 100000000000": "most must be 2 to 1048576, not 100000000000",
    "selftest --like deep.json": "--like must be what `fewbit board build` wrote: deep.json ",
    "selftest --like made.json --port /dev/none": "port must be left out with --like, which is for the simulated board",
    "selftest --seconds soon": "--seconds must be a valid number",
    "flash one.bin two.bin": "arguments must be those of `fewbit board flash --help`, without two.bin",
    "selftest --like made.json --board icebreaker": "board must be left out with --like, which is for the simulated",
    "selftest --board orangecrab": "port must be that of your USB serial adapter, which is how orangecrab is linked",
    "selftest --board icebreaker": "board icebreaker must be attached: no serial port has USB id 0403:6010 and its",
}


@pytest.mark.parametrize("command", WRONG)
def test_wrong_arguments_of_boards_are_one_line(capsys, unattached, command):
    assert run(command.split()) == 2
    captured = capsys.readouterr()
    assert WRONG[command] in captured.err
    assert captured.err.count("\n") == 1 and not captured.out
    assert not (unattached.parent / "C.npy").exists()


def plug_in(usb, product):
    (usb / "1-2").mkdir(parents=True)
    texts = {"idVendor": "0403", "idProduct": "6010", "product": product, "busnum": "1", "devnum": "7"}
    for name, text in texts.items():
        (usb / "1-2" / name).write_text(f"{text}\n")


def test_a_board_without_a_serial_port_is_told(capsys, unattached, monkeypatch):
    def simulated(*_):
        raise ValueError("simulated")

    plug_in(unattached, "iCEBreaker V1.1a")
    hint = "USB device 0403:6010 (iCEBreaker V1.1a) may be a board: plug it in again if it has no serial port"
    assert run(["selftest", "--board", "icebreaker"]) == 2
    assert f"and its name; {hint}" in capsys.readouterr().err
    monkeypatch.setattr("fewbit.cli.common.attached._simulated", simulated)
    assert run(["run", "A.npy", "W.npy"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"{hint}, else name its port by --port",
        "no board is attached: the simulated board computes, as int8 x int8; --weight and others, or --like FILE.json "
        "of a bitstream, make it another",
        "fewbit: simulated",
    ]


def test_the_simulated_board_has_the_output_of_bitstreams(unattached, capsys, monkeypatch):
    seen = []

    def simulated(description, *_):
        seen.append(description.engine.requantization)
        raise ValueError("simulated")

    monkeypatch.setattr("fewbit.cli.common.attached._simulated", simulated)
    for options in ([], ["--weight", "e2m1"], ["--scale", "float8_e8m0fnu"]):
        assert run(["run", "A.npy", "W.npy", "--board", "sim", *options]) == 2
    assert [str(each.output) for each in seen] == ["float32", "float32", "int8"]
    assert [each.scale for each in seen[:2]] == [None, None]
    assert seen[0] == default_description().engine.requantization


def test_a_check_is_of_bits(capsys, device, unattached):
    device.matmul = lambda *_, **__: np.zeros((2, 2), np.float32)
    device.statistics = Statistics()
    for golden, differ in ((-0.0, 4), (0.0, 0)):
        device.golden = lambda *_, value=golden, **__: np.full((2, 2), value, np.float32)
        assert run(["run", "A.npy", "W.npy", "--check", "--json"]) == bool(differ)
        assert json.loads(capsys.readouterr().out)["differences"] == differ


@pytest.fixture
def device(monkeypatch):
    """A board that does nothing, in the place of the one that the commands open."""
    found = SimpleNamespace(
        **{"engine": SMALL, "description": Description("ulx3s_12f", SMALL, 18_000_000, 3_000_000), "simulated": None},
        statistics=SimpleNamespace(sent=0, received=0, retries=Counter()),
    )

    @contextmanager
    def attached(*_, **__):
        yield found

    for command in ("board.run", "board.selftest"):
        monkeypatch.setattr(f"fewbit.cli.{command}.attached", attached)
    return found


def test_a_selftest_makes_a_product_however_short_it_is(capsys, device, monkeypatch):
    monkeypatch.setattr("fewbit.boards.host.challenge.compute", lambda *_: (True, 0.0))
    assert run(["selftest", "--seconds", "1e-9"]) == 0
    shown = capsys.readouterr().out
    assert ": 1 matmuls of random sizes in 0 s of time on the link, 0 wrong" in shown and "SIMULATED" not in shown


def test_a_selftest_of_the_simulated_board_says_so_last(capsys, device, monkeypatch):
    monkeypatch.setattr("fewbit.boards.host.challenge.compute", lambda *_: (True, 0.0))
    device.simulated = SimpleNamespace(seconds=lambda: 0.0)
    assert run(["selftest", "--seconds", "1e-9"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "the SIMULATED board was tested, no hardware"


def test_a_refused_product_is_one_line_and_an_error_of_others_is_not_hidden(capsys, device, unattached):
    def refused(*_, **__):
        Channel._heed(SimpleNamespace(has_network=False), Status(Event.TOO_LARGE, 0, 0, 0))

    def broken(*_, **__):
        raise RuntimeError("of a library")

    device.matmul = refused
    assert run(["run", "A.npy", "W.npy"]) == 1
    error = capsys.readouterr().err
    assert "the board refused a PRODUCT with TOO_LARGE" in error and error.count("\n") == 1
    device.matmul = broken
    with pytest.raises(RuntimeError, match="of a library"):
        run(["run", "A.npy", "W.npy"])
