"""Programming without a board: the commands that are run, and the errors of programmers that stand in for real ones."""

import hashlib
import json
import os

import pytest
from fewbit.boards.flash import NoBoard, attached, plan, program
from fewbit.boards.targets import find_board
from fewbit.synth.tools import ToolError, ToolMissing


@pytest.fixture
def made(tmp_path):
    """Writes what `fewbit bitstream` would."""

    def write(board, content=b"bits"):
        file = tmp_path / f"made.{find_board(board).part.suffix}"
        file.write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        file.with_suffix(".json").write_text(json.dumps({"board": board, "file": file.name, "sha256": sha256}))
        return file

    return write


@pytest.fixture
def programmer(tmp_path, monkeypatch):
    """Puts a program that stands in for a programmer on PATH, and nothing else."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")

    def put(name, output="", status=0):
        file = folder / name
        says = f"echo '{output}' >&2" if output else ":"
        file.write_text(
            f'#!/bin/sh\necho "$0 $*" >> {tmp_path}/ran\n[ "$1" = --Version ] && exit 0\n{says}\nexit {status}\n'
        )
        file.chmod(0o755)
        return file

    put.ran = lambda: (tmp_path / "ran").read_text().splitlines()
    return put


@pytest.mark.parametrize(
    "board, persistent, wanted",
    [
        ("ulx3s_85f", False, ["-b", "ulx3s"]),
        ("ulx3s_12f", True, ["-b", "ulx3s", "-f"]),
        ("tang_nano_9k", False, ["-b", "tangnano9k"]),
        ("icebreaker", False, ["-b", "ice40_generic", "-f"]),
        ("ice40_hx8k_b_evn", True, ["-b", "ice40_generic", "-f"]),
        ("upduino_v3", False, ["-b", "ice40_generic", "--vid", "0x0403", "--pid", "0x6014", "-f"]),
        ("orangecrab", False, ["-b", "orangeCrab", "-f"]),
    ],
)
def test_command_and_what_is_kept(made, programmer, board, persistent, wanted):
    loader, file = programmer("openFPGALoader"), made(board)
    planned = plan(file, persistent=persistent)
    assert planned.command == (str(loader), *wanted, str(file))
    assert planned.persistent == ("-f" in wanted)
    program(planned)
    assert programmer.ran()[-1] == " ".join(planned.command)


def test_json_stands_for_its_file(made, programmer):
    programmer("openFPGALoader")
    file = made("icebreaker")
    assert plan(file.with_suffix(".json")) == plan(file)


def test_iceprog_where_openfpgaloader_cannot_start(made, programmer):
    broken = programmer("openFPGALoader")
    missing = "error while loading shared libraries: libusb-1.0.so.0: cannot open shared object file"
    broken.write_text(f"#!/bin/sh\necho 'openFPGALoader: {missing}' >&2\nexit 127\n")
    with pytest.raises(ToolMissing, match=r"libusb-1.0.so.0, which is not there: apt-get install libusb-1.0-0"):
        plan(made("icebreaker"))
    iceprog = programmer("iceprog")
    file = made("icebreaker")
    assert plan(file).command == (str(iceprog), str(file))
    with pytest.raises(ToolMissing, match="libusb"):
        plan(made("ulx3s_85f"))
    with pytest.raises(ValueError, match="programmer must be openFPGALoader for ulx3s_85f, not 'iceprog'"):
        plan(made("ulx3s_85f"), programmer="iceprog")


# as the programs print it, tried without a board
@pytest.mark.parametrize(
    "board, output, usb, hint",
    [
        (
            "icebreaker",
            "unable to open ftdi device: -3 (device not found)\nError: Failed to claim cable",
            "0403:6010",
            "",
        ),
        ("ulx3s_85f", "JTAG init failed with: unable to open ftdi device", "0403:6015", ""),
        ("orangecrab", "DFU init failed with: No DFU compatible device found", "1209:5af0", "hold the button"),
    ],
)
def test_no_board_is_told_with_id_and_rule(made, programmer, tmp_path, board, output, usb, hint):
    programmer("openFPGALoader", output, 1)
    with pytest.raises(NoBoard) as raised:
        program(plan(made(board)), devices=tmp_path / "usb")
    text = str(raised.value)
    assert f"no USB device {usb}" in text and hint in text and f"{board} is not attached" in text
    vendor, product = usb.split(":")
    rule = f'ATTRS{{idVendor}}=="{vendor}", ATTRS{{idProduct}}=="{product}", MODE="0660", TAG+="uaccess"'
    assert f"echo '{rule}' | sudo tee /etc/udev/rules.d/70-fewbit.rules" in text


def test_a_board_that_may_not_be_opened_is_told_from_one_that_is_not_there(made, programmer, tmp_path):
    device = tmp_path / "usb" / "1-2"
    device.mkdir(parents=True)
    for name, text in (("idVendor", "0403"), ("idProduct", "6010"), ("product", "iCEBreaker V1.1a")):
        (device / name).write_text(f"{text}\n")
    (tmp_path / "usb" / "1-2:1.0").mkdir()
    board = find_board("icebreaker")
    assert attached(board.programming.usb, tmp_path / "usb") == ["iCEBreaker V1.1a"]
    assert attached(find_board("ulx3s_85f").programming.usb, tmp_path / "usb") == []
    programmer("openFPGALoader", "unable to open ftdi device: -4 (usb_open() failed)", 1)
    with pytest.raises(NoBoard, match=r"\(iCEBreaker V1.1a\) is attached but may not be opened; .*uaccess"):
        program(plan(made("icebreaker")), devices=tmp_path / "usb")


def test_other_failures_are_passed_on(made, programmer):
    programmer("openFPGALoader", "writing\nError: verification failed", 1)
    with pytest.raises(ToolError, match="openFPGALoader failed: Error: verification failed"):
        program(plan(made("icebreaker")))


def test_wrong_files_are_refused(made, programmer, tmp_path):
    programmer("openFPGALoader")
    file = made("icebreaker")
    with pytest.raises(ValueError, match=r"board must be icebreaker, which made.bin was built for, not 'upduino_v3'"):
        plan(file, "upduino_v3")
    with pytest.raises(ValueError, match=r"file must be a .bit for ulx3s_12f, not 'made.bin'"):
        plan(file, "ulx3s_12f")
    file.write_bytes(b"other bits")
    with pytest.raises(ValueError, match=r"file must be what made.json describes, not another"):
        plan(file)
    file.with_suffix(".json").write_text("{}")
    with pytest.raises(ValueError, match=r"file must be one that `fewbit bitstream` wrote"):
        plan(file)
    (tmp_path / "alone.bin").write_bytes(b"bits")
    with pytest.raises(ValueError, match=r"board must be given for alone.bin"):
        plan(tmp_path / "alone.bin")
    assert plan(tmp_path / "alone.bin", "icebreaker").board.name == "icebreaker"
    with pytest.raises(ValueError, match=r"file must be there, not '.*none.bin'"):
        plan(tmp_path / "none.bin", "icebreaker")
    with pytest.raises(ValueError, match=r"use the maker's tools"):
        plan(tmp_path / "alone.bin", "arty_a7")
