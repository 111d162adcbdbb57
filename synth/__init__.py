"""What a design costs on an FPGA: tools, families, recipes, measurement, cache, sweeps, tables."""

from ..families import FAMILIES, CellCounts, Family, Target, parse_target, parse_targets, targets
from ..places import write_bytes, write_whole
from .cache import Cache, cache_folder
from .fit_runner import FitQuestion
from .fit_search import NothingFits
from .fit_table import Fit
from .flow import DSP_POLICIES, SEEDS, Flow, measure
from .peers import DOT_FAMILY, PEER_FAMILIES, Comparison, Match, compare, dot_pairs, peer_pairs, peers
from .row import Cost, Row
from .sweep import SweepError, sweep
from .table import read_json, screen_table, write_csv, write_json
from .tools import ToolError, ToolKilled, ToolMissing, ToolStatus, doctor

__all__ = [
    "DOT_FAMILY",
    "DSP_POLICIES",
    "FAMILIES",
    "PEER_FAMILIES",
    "SEEDS",
    "Cache",
    "CellCounts",
    "Comparison",
    "Cost",
    "Family",
    "Fit",
    "FitQuestion",
    "Flow",
    "Match",
    "NothingFits",
    "Row",
    "SweepError",
    "Target",
    "ToolError",
    "ToolKilled",
    "ToolMissing",
    "ToolStatus",
    "cache_folder",
    "compare",
    "doctor",
    "dot_pairs",
    "measure",
    "parse_target",
    "parse_targets",
    "peer_pairs",
    "peers",
    "read_json",
    "screen_table",
    "sweep",
    "targets",
    "write_bytes",
    "write_csv",
    "write_json",
    "write_whole",
]
