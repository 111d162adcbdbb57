"""The testbench of a unit runs on its netlist, which proves that what is priced is what was verified."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .runner import Result, simulate

__all__ = ["simulate_netlist"]


# Icarus 11 cannot read default values of inputs; yosys's netlists connect every input.
_DEFINES = ("NO_ICE40_DEFAULT_ASSIGNMENTS",)


def simulate_netlist(netlist: str, description: Mapping[str, Any], cells: Sequence[Path], **options: Any) -> Result:
    """Run the unit's own testbench on what synthesis made of it.

    Timing is left out: ``specify`` blocks are skipped, and a cycle is a cycle.

    Parameters
    ----------
    netlist: Verilog after synthesis, as yosys's ``write_verilog`` leaves it, with the ports that the unit had
    description: the UNIT.json of the design that was synthesized
    cells: files of the family's cell models, as yosys's ``ice40/cells_sim.v``. Files that they include are beside them
    options: those of ``simulate``

    Raises ValueError if a file of cell models is missing, and what ``simulate`` raises.
    """
    for path in cells:
        if not path.is_file():
            raise ValueError(f"cell models must be a file, not {str(path)!r}")
    return simulate(netlist, description, cells=cells, defines=_DEFINES, **options)
