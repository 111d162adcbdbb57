"""The one place where nextpnr is run: a netlist is packed, or placed and routed, and its report is read."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..families import Nextpnr, Target
from .tools import TIMEOUT, ToolTimeout, run

__all__ = ["NETLIST", "PlaceAndRoute", "RoutingReport"]

NETLIST = "routed.json"
"""The file with the netlist, in yosys's JSON form."""


@dataclass(frozen=True)
class RoutingReport:
    """What nextpnr says of a netlist.

    ``used``: by its name of a resource, how many are used and how many there are. ``fmax_mhz`` of the slowest clock is
    None where the netlist was packed alone.
    """

    used: dict[str, tuple[int, int]]
    fmax_mhz: float | None = None

    @property
    def mhz(self) -> float:
        """Fmax of what was routed."""
        assert self.fmax_mhz is not None
        return self.fmax_mhz


@dataclass(frozen=True)
class PlaceAndRoute:
    """How the netlist ``NETLIST`` in a folder is placed and routed, whatever the seed and the clock.

    Every method raises ToolMissing; ToolTimeout; ToolError where nextpnr fails otherwise; ToolKilled.

    Parameters
    ----------
    target: of a family with ``nextpnr``
    top: name of the module
    options: more of nextpnr's, of every run: pins, or what a single unit needs
    give_up: N of nextpnr's ``--placer-heap-cell-placement-timeout``, by which it gives up on a device that is too full
        the sooner the larger it is; None leaves that to nextpnr
    timeout: of every run, in seconds
    other_router: whether a run that did not end in that time is tried once more by the family's other router, if any
    """

    target: Target
    top: str
    options: tuple[str, ...] = ()
    give_up: int | None = None
    timeout: float = TIMEOUT
    other_router: bool = False

    @property
    def nextpnr(self) -> Nextpnr:
        found = self.target.family.nextpnr
        assert found is not None
        return found

    def pack(self, folder: Path) -> RoutingReport:
        """What the netlist takes, not placed."""
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
        """The netlist placed and routed; a clock that is not met is no error.

        Parameters
        ----------
        mhz: what nextpnr is asked for; its own default for None
        more: options of this run, for files that it is to write
        report: name of its report, for runs that share a folder
        say: gets a line where the other router is tried
        """
        asked = [] if mhz is None else ["--freq", f"{mhz:.4f}"]
        options = [*asked, "--timing-allow-fail", "--seed", str(seed), *more]
        try:
            return self._run(folder, options, report)
        except ToolTimeout as stopped:
            if not (self.other_router and self.nextpnr.other_router):
                raise
            say(f"{stopped}: once more by {self.nextpnr.other_router[-1]}")
            return self._run(folder, [*options, *self.nextpnr.other_router], report)

    def _run(self, folder: Path, options: Sequence[str], report: str) -> RoutingReport:
        give_up = () if self.give_up is None else ("--placer-heap-cell-placement-timeout", str(self.give_up))
        fixed = [*self.options, *self.target.device.route, *give_up, "--json", NETLIST, "--top", self.top, "--quiet"]
        run(self.nextpnr.tool, [*fixed, "--report", report, *options], folder, self.timeout)
        found: dict[str, Any] = json.loads((folder / report).read_text())
        clocks = [entry["achieved"] for entry in found.get("fmax", {}).values()]
        return RoutingReport(
            {name: (entry["used"], entry["available"]) for name, entry in found["utilization"].items()},
            min(clocks) if clocks else None,
        )
