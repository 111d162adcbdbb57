"""nextpnr is run here and nowhere else: a netlist is packed, or placed and routed, and the report is read."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..families import Nextpnr, Target
from .ram_sites import place_rams
from .tools import TIMEOUT, ToolError, ToolTimeout, run

__all__ = ["NETLIST", "PlaceAndRoute", "RoutingReport", "timing_weight"]

NETLIST = "routed.json"
"""The name of the file with the netlist, in yosys's JSON form."""


def timing_weight(weight: int | None) -> tuple[str, ...]:
    """Options that say how much the placer heeds timing beside the length of wires; None is its default, 10."""
    return () if weight is None else ("--placer-heap-timingweight", str(weight))


@dataclass(frozen=True)
class RoutingReport:
    """What nextpnr says of a netlist.

    ``used`` says how many of each resource are used and how many there are, by nextpnr's name of it. ``fmax_mhz`` is
    that of the slowest clock, or None if the netlist was only packed.
    """

    used: dict[str, tuple[int, int]]
    fmax_mhz: float | None = None

    @property
    def mhz(self) -> float:
        """Fmax of a netlist that was routed."""
        assert self.fmax_mhz is not None
        return self.fmax_mhz


@dataclass(frozen=True)
class PlaceAndRoute:
    """How the netlist ``NETLIST`` in a folder is placed and routed, whatever the seed and the clock.

    Every method raises ToolMissing, ToolTimeout, ToolKilled, and ToolError if nextpnr fails for another reason.

    Parameters
    ----------
    target: the device; its family has ``nextpnr``
    top: the name of the module
    options: further options of every run of nextpnr, for pins, or for what a single unit needs
    give_up: the N of nextpnr's ``--placer-heap-cell-placement-timeout``. The larger it is, the sooner nextpnr gives up
        on a device that is too full. None leaves it to nextpnr
    placing: options of the placer, as ``timing_weight`` makes them
    timeout: seconds that a run may take
    other_router: whether a run that did not end in time is tried once more by the family's other router, if there is
        one
    large: whether the netlist is a large one. The family's placer for these comes first, where there is one, and may
        take half of the time; the usual one follows if that fails
    """

    target: Target
    top: str
    options: tuple[str, ...] = ()
    give_up: int | None = None
    placing: tuple[str, ...] = ()
    timeout: float = TIMEOUT
    other_router: bool = False
    large: bool = False

    @property
    def nextpnr(self) -> Nextpnr:
        found = self.target.family.nextpnr
        assert found is not None
        return found

    def pack(self, folder: Path) -> RoutingReport:
        """Pack the netlist, and report what it takes. It is not placed."""
        return self._run(folder, ["--pack-only"], "report.json")

    def route(
        self,
        folder: Path,
        seed: int,
        *,
        mhz: float | None = None,
        more: Sequence[str] = (),
        report: str = "report.json",
        say: Callable[[str], None] = lambda text: None,
    ) -> RoutingReport:
        """Place and route the netlist. It is no error if the clock is not met.

        Parameters
        ----------
        mhz: the clock that nextpnr is asked for; None stands for its own default
        more: further options of this run, for files that it is to write
        report: the name of its report, for runs that share a folder
        say: is called with a line if the other router is tried
        """
        asked = [] if mhz is None else ["--freq", f"{mhz:.4f}"]
        options = [*asked, "--timing-allow-fail", "--seed", str(seed), *more]
        placed = f"placed_{report}"
        if self.large and self._place_rams(folder, placed):
            try:
                placer = self.nextpnr.large_placer
                return self._run(folder, [*options, *placer], report, netlist=placed, timeout=self.timeout / 2)
            except ToolError as stopped:
                say(f"{stopped}: once more by the usual placer")
        try:
            return self._run(folder, options, report)
        except ToolTimeout as stopped:
            if not (self.other_router and self.nextpnr.other_router):
                raise
            say(f"{stopped}: once more by {self.nextpnr.other_router[-1]}")
            return self._run(folder, [*options, *self.nextpnr.other_router], report)

    def _place_rams(self, folder: Path, name: str) -> bool:
        """Write the netlist once more, with places for its block RAMs. Returns whether that was possible."""
        sites = self.target.device.ram_sites
        if not sites or not self.nextpnr.large_placer:
            return False
        netlist = json.loads((folder / NETLIST).read_text())
        fits = place_rams(netlist, self.top, self.nextpnr.bram, sites)
        (folder / name).write_text(json.dumps(netlist))
        return fits

    def _run(
        self, folder: Path, options: Sequence[str], report: str, *, netlist: str = NETLIST, timeout: float | None = None
    ) -> RoutingReport:
        give_up = () if self.give_up is None else ("--placer-heap-cell-placement-timeout", str(self.give_up))
        placing = (*give_up, *self.placing)
        fixed = [*self.options, *self.target.device.route, *placing, "--json", netlist, "--top", self.top, "--quiet"]
        run(self.nextpnr.tool, [*fixed, "--report", report, *options], folder, timeout or self.timeout)
        found: dict[str, Any] = json.loads((folder / report).read_text())
        clocks = [entry["achieved"] for entry in found.get("fmax", {}).values()]
        return RoutingReport(
            {name: (entry["used"], entry["available"]) for name, entry in found["utilization"].items()},
            min(clocks) if clocks else None,
        )
