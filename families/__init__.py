"""What an FPGA family is: its cells, its devices and what they hold, the arguments of the tools. A file a family."""

from .block_ram import BlockRam, RamPort, RamRegisters
from .family import Capacity, CellCounts, DspBlock, Family, FpgaDevice, HarnessCell, HarnessCells, Nextpnr
from .logic_cell import LogicCell
from .target import FAMILIES, Target, parse_target, parse_targets, targets

__all__ = [
    "FAMILIES",
    "BlockRam",
    "Capacity",
    "CellCounts",
    "DspBlock",
    "Family",
    "FpgaDevice",
    "HarnessCell",
    "HarnessCells",
    "LogicCell",
    "Nextpnr",
    "RamPort",
    "RamRegisters",
    "Target",
    "parse_target",
    "parse_targets",
    "targets",
]
