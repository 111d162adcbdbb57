"""What an FPGA family is: its cells, its devices and what they hold, the arguments of the tools. A file a family."""

from .family import BlockRam, Capacity, CellCounts, DspBlock, Family, FpgaDevice, HarnessCell, HarnessCells, Nextpnr
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
    "Nextpnr",
    "Target",
    "parse_target",
    "parse_targets",
    "targets",
]
