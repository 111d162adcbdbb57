"""Programming without a board: the commands that are run, and the errors of programmers that stand in for real ones."""

import hashlib
import json
import shlex
from pathlib import Path

import pytest
from fewbit.boards.program import flash
from fewbit.boards.program.flash import Attached, NoBoard, Plan, attached, plan, program
from fewbit.boards.targets import find_board
from fewbit.synth.tools import ToolError, ToolMissing


@pytest.fixture
def made(tmp_path):
    """Writes what `fewbit board build` would."""

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
    monkeypatch.setenv("PATH", str(folder))

    def put(name, output="", status=0, options="--busdev-num arg"):
        file = folder / name
        says = f"echo {shlex.quote(output)} >&2" if output else ":"
        file.write_text(
            f'#!/bin/sh\n[ "$1" = --help ] && echo "{options}" && exit 0\n'
            f'echo "$0 $*" >> {tmp_path}/ran\n{says}\nexit {status}\n'
        )
        file.chmod(0o755)
        return file

    put.ran = lambda: (tmp_path / "ran").read_text().splitlines()
    return put


@pytest.fixture
def plugged(tmp_path):
    """Plugs in USB devices as the kernel shows them; gives the folder in which it does."""
    folder = tmp_path / "usb"

    def plug(*products, first=4, ids="0403:6010"):
        for number, product in enumerate(products, first):
            (folder / f"1-{number}:1.0").mkdir(parents=True)
            device = folder / f"1-{number}"
            device.mkdir()
            texts = dict(zip(("idVendor", "idProduct"), ids.split(":"), strict=True))
            for name, text in (texts | {"product": product, "busnum": "1", "devnum": str(number)}).items():
                (device / name).write_text(f"{text}\n")
        return folder

    return plug


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
def test_command_and_what_is_kept(made, programmer, plugged, board, persistent, wanted):
    loader, file = programmer("openFPGALoader"), made(board)
    planned = plan(file, persistent=persistent, devices=plugged())
    assert planned.command == (str(loader), *wanted, str(file))
    assert planned.persistent == ("-f" in wanted)
    program(planned)
    assert programmer.ran()[-1] == " ".join(planned.command)


def test_verify_reads_the_flash_back(made, programmer, plugged):
    loader = programmer("openFPGALoader")
    file = made("icebreaker")
    planned = plan(file, verify=True, devices=plugged())
    assert planned.command == (str(loader), "-b", "ice40_generic", "-f", "--verify", str(file))
    program(planned)
    programmer(
        "openFPGALoader", "Verifying write (May take time)\nRead flash : 100.00%\nFail\nVerification failed at 4096"
    )
    with pytest.raises(ToolError, match="openFPGALoader failed: Verification failed at 4096"):
        program(planned)
    with pytest.raises(ValueError, match="verify must be of what is in a flash, and ulx3s_12f is programmed without"):
        plan(made("ulx3s_12f"), verify=True)
    assert plan(made("ulx3s_12f"), verify=True, persistent=True).command[-3:-1] == ("-f", "--verify")
    with pytest.raises(ValueError, match="verify must be left out for orangecrab: its flash cannot be read back"):
        plan(made("orangecrab"), verify=True)


def test_iceprog_verifies_unasked(made, programmer, plugged):
    iceprog = programmer("iceprog")
    file = made("icebreaker")
    planned = plan(file, verify=True, programmer="iceprog", devices=plugged())
    assert planned.command == (str(iceprog), str(file)) and planned.verify


def test_json_stands_for_its_file(made, programmer):
    programmer("openFPGALoader")
    file = made("icebreaker")
    assert plan(file.with_suffix(".json")) == plan(file)


def test_iceprog_where_openfpgaloader_cannot_start(made, programmer, plugged):
    broken = programmer("openFPGALoader")
    missing = "error while loading shared libraries: libusb-1.0.so.0: cannot open shared object file"
    broken.write_text(f"#!/bin/sh\necho 'openFPGALoader: {missing}' >&2\nexit 127\n")
    with pytest.raises(ToolMissing, match=r"libusb-1.0.so.0, which is not there: apt-get install libusb-1.0-0"):
        plan(made("icebreaker"))
    iceprog = programmer("iceprog")
    file = made("icebreaker")
    assert plan(file, devices=plugged()).command == (str(iceprog), str(file))
    assert plan(file, devices=plugged("iCEBreaker V1.1a")).command == (str(iceprog), "-d", "d:001/004", str(file))
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
    assert f"echo '{rule}' | sudo tee /etc/udev/rules.d/70-fewbit-{board}.rules" in text
    assert 'over ssh, with GROUP="plugdev"' in text


CLAIMED = "unable to claim usb device. Make sure the default FTDI driver is not in use"


# the numbers are of libftdi, which openFPGALoader prints
@pytest.mark.parametrize(
    "output, message",
    [
        (
            "unable to open ftdi device: -4 (usb_open() failed)",
            r"\(iCEBreaker V1.1a\) is attached but may not be opened",
        ),
        ("unable to open ftdi device: -8 (inappropriate permissions on device!)", "may not be opened; .*uaccess"),
        ("Can't find iCE FTDI USB device (vendor_id 0x0403, device_id 0x6010).", "may not be opened; .*uaccess"),
        (f"unable to open ftdi device: -5 ({CLAIMED})", "0403:6010 is attached, but another program has it open"),
        (
            "unable to open ftdi device: -3 (unable to set usb configuration. Make sure ...)",
            "another program has it open",
        ),
        ("unable to open ftdi device: -3 (device not found) (USB bus 1 addr 4)", "icebreaker is not attached"),
    ],
)
def test_why_a_board_cannot_be_opened(made, programmer, plugged, output, message):
    programmer("openFPGALoader", f"{output}\nError: Failed to claim cable", 1)
    there = plugged("iCEBreaker V1.1a")
    with pytest.raises(NoBoard, match=message):
        program(plan(made("icebreaker"), devices=there), devices=there)


def test_devices_are_found_by_their_id(plugged):
    there = plugged("iCEBreaker V1.1a", "")
    usb = find_board("icebreaker").programming.usb
    assert attached(usb, there) == [Attached("iCEBreaker V1.1a", 1, 4), Attached("a device without a name", 1, 5)]
    assert attached("0403:6015", there) == []


GENERIC = "Dual RS232-HS"


@pytest.mark.parametrize(
    "products, wanted",
    [
        (["iCEBreaker V1.1a"], "1:4"),
        ([""], "1:4"),
        ([GENERIC, "iCEBreaker V1.1a", "SIPEED JTAG"], "1:5"),
        ([GENERIC, GENERIC], None),
        (["iCEBreaker V1.1a", "iCEBreaker V1.0e"], None),
    ],
)
def test_the_programmer_is_told_which_device_is_the_board(made, programmer, plugged, products, wanted):
    programmer("openFPGALoader")
    file, there = made("icebreaker"), plugged(*products)
    if wanted is not None:
        assert plan(file, devices=there).command[1:3] == ("--busdev-num", wanted)
        return
    message = r"icebreaker must be the only USB device 0403:6010 that may be it, not one of 2 \(.* at 1:4, .*unplug"
    with pytest.raises(ValueError, match=message):
        plan(file, devices=there)


def test_a_programmer_that_cannot_be_told_gets_the_only_device(made, programmer, plugged):
    """An old openFPGALoader, and a board without an FTDI: the first of that id would be taken, whatever it is told."""
    programmer("openFPGALoader", options="--old")
    there = plugged("iCEBreaker V1.1a", GENERIC)
    with pytest.raises(ValueError, match=r"icebreaker must be the only USB device 0403:6010"):
        plan(made("icebreaker"), devices=there)
    programmer("openFPGALoader")
    plugged("OrangeCrab r0.2 DFU Bootloader", first=9, ids="1209:5af0")
    assert plan(made("orangecrab"), devices=there).command[1:3] == ("-b", "orangeCrab")


def test_a_loader_that_hangs_is_told(made, programmer, monkeypatch):
    programmer("openFPGALoader").write_text("#!/bin/sh\nexec /bin/sleep 20\n")
    monkeypatch.setattr(flash, "START_TIMEOUT", 0.2)
    with pytest.raises(ToolMissing, match=r"openFPGALoader cannot be started, nothing came of it in 0.2 s"):
        plan(made("icebreaker"))


def test_other_failures_are_passed_on(made, programmer):
    programmer("openFPGALoader", "writing\nError: verification failed", 1)
    with pytest.raises(ToolError, match="openFPGALoader failed: Error: verification failed"):
        program(plan(made("icebreaker")))


def says(tmp_path, board, *pieces):
    """A programmer that ends with 0 after these pieces; those with a ! go to stderr."""
    file = tmp_path / "says"
    lines = [f"printf '{piece.lstrip('!')}' {'>&2' if piece[0] == '!' else ''}" for piece in pieces]
    file.write_text("\n".join(["#!/bin/sh", *lines, "exit 0\n"]))
    file.chmod(0o755)
    return Plan(find_board(board), tmp_path / "FAIL" / "made.bin", (str(file),), True)


BAR = "\\rWriting: [======    ] 60.00%%"


# as openFPGALoader and iceprog print it: FAIL and Error on stderr, ends of lines on stdout late
@pytest.mark.parametrize(
    "board, pieces, line",
    [
        ("icebreaker", ["Parse file DONE\\n", "Wait for CDONE ", "!FAIL\\n"], "Wait for CDONE FAIL"),
        ("icebreaker", [f"{BAR}\\nDone\\n", "!Error: block protection is set\\n"], "Error: block protection is set"),
        (
            "icebreaker",
            ["Detected: flash", "!Error: block protection is set\\n", "\\n"],
            "Error: block protection is set",
        ),
        ("icebreaker", ["Read flash ", "!\\nFail\\n", "!Verification failed at 77\\n"], "Verification failed at 77"),
        ("icebreaker", ["write en: Error\\n", "Wait for CDONE DONE\\n"], "write en: Error"),
        ("icebreaker", ["flash overflow\\nWait for CDONE DONE\\n"], "flash overflow"),
        ("icebreaker", ["VERIFY OK\\ncdone: low\\nBye.\\n"], "cdone: low"),
        ("tang_nano_9k", ["erase SRAM Done\\n", "!CRC check : FAIL\\n"], "CRC check : FAIL"),
        (
            "orangecrab",
            ["Open device 1209:5af0 DONE\\n", "download: failed 10 5\\n", "!\\nFail\\n"],
            "download: failed",
        ),
    ],
)
def test_a_failure_is_one_at_exit_status_0_too(tmp_path, board, pieces, line):
    with pytest.raises(ToolError, match=f"says failed: .*{line}"):
        program(says(tmp_path, board, *pieces), devices=tmp_path)


@pytest.mark.parametrize(
    "board, pieces",
    [
        ("icebreaker", ["Parse file DONE\\n00\\n", f"{BAR}\\nDone\\n", "Wait for CDONE DONE\\n"]),
        ("icebreaker", ["init..\\ncdone: low\\nerase 64kB sector at 0x000000..\\nVERIFY OK\\ncdone: high\\nBye.\\n"]),
        ("icebreaker", ["!Extended Device String Length is 0xFF, this is likely a read error. Ignoring\\n"]),
        ("icebreaker", ["Wait for CDONE DONE", "!release interface failed -5\\n", "\\n"]),
        ("tang_nano_9k", ["displayReadReg 5\\n\\tCRC Error\\n\\tID Verify Failed\\nDONE\\nCRC check: Success\\n"]),
        ("tang_nano_9k", ["Parse file Parse {file}: \\nDone\\nDONE\\n"]),
        ("orangecrab", ["Open device 1209:5af0 DONE\\n", f"{BAR}\\nDone", "!Error: fail to change state -1\\n"]),
    ],
)
def test_what_success_looks_like(tmp_path, board, pieces):
    program(says(tmp_path, board, *(piece.format(file=tmp_path / "FAIL" / "made.bin") for piece in pieces)))


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
    with pytest.raises(ValueError, match=r"file must be one that `fewbit board build` wrote"):
        plan(file)
    (tmp_path / "alone.bin").write_bytes(b"bits")
    with pytest.raises(ValueError, match=r"board must be given for alone.bin"):
        plan(tmp_path / "alone.bin")
    with pytest.raises(ValueError, match=r"file must be a bitstream, and '.*alone.bin' does not begin as one for iceb"):
        plan(tmp_path / "alone.bin", "icebreaker")
    renamed = tmp_path / "renamed.bin"
    renamed.write_bytes(b"bits, and more")
    renamed.with_suffix(".json").write_text(made("icebreaker").with_suffix(".json").read_text())
    with pytest.raises(ValueError, match=r"file must be what renamed.json describes, not another"):
        plan(renamed)
    renamed.write_bytes(b"bits")
    assert plan(renamed).file == renamed
    begins = b"\xff\x00\x00\xff\x7e\xaa\x99\x7e\x51"
    (tmp_path / "alone.bin").write_bytes(begins.ljust(135_100))
    with pytest.raises(ValueError, match=r"file must have 104090 bytes for icebreaker, and '.*alone.bin' has 135100"):
        plan(tmp_path / "alone.bin", "icebreaker")
    (tmp_path / "alone.bin").write_bytes(begins.ljust(104_090))
    assert plan(tmp_path / "alone.bin", "icebreaker").board.name == "icebreaker"
    with pytest.raises(ValueError, match=r"file must be there: 'none.bin' is not"):
        plan(Path("none.bin"))
    with pytest.raises(ValueError, match=r"file must be there: '.*none.bin' is not"):
        plan(tmp_path / "none.bin", "icebreaker")
    for folder in (Path(), Path(""), tmp_path):
        with pytest.raises(ValueError, match=r"file must be one that `fewbit board build` wrote, not the folder"):
            plan(folder)
    file.with_suffix(".json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match=r"file must be one that `fewbit board build` wrote"):
        plan(file)
    with pytest.raises(ValueError, match=r"use the maker's tools"):
        plan(tmp_path / "alone.bin", "arty_a7")
