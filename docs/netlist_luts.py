"""LUTs of a unit by the recipe that takes the fewest, for the scripts here that price units."""

import tempfile
from pathlib import Path

from fewbit.synth import Flow
from fewbit.synth.flow import smallest

__all__ = ["luts"]


def luts(rtlil: str, top: str, flow: Flow) -> int:
    with tempfile.TemporaryDirectory() as folder:
        return smallest(rtlil, top, flow, Path(folder)).counts.luts
