"""The cost of one element of a matmul engine's array is put beside that of the MAC of the same formats."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from ..formats import EXACT
from ..hdl import MatmulDesign, array_element, hardware_of, priced_unit
from ..hdl.emit import to_rtlil
from .cache import Cache
from .flow import Flow, rtl_hash, smallest

__all__ = ["ElementCost", "element_cost"]


@dataclass(frozen=True)
class ElementCost:
    """LUTs of one element of the array, with its ``lanes`` products a cycle, and of ``lanes`` single MACs.

    The MACs are exact where the element's kind makes none alone.
    """

    element: float
    macs: int


def element_cost(design: MatmulDesign, flow: Flow, store: Cache) -> ElementCost:
    """The cost of an element that is synthesized alone, by the smallest of the flow's recipes.

    In a weight-stationary array, it is an element's share of a column.

    Raises ToolMissing and ToolError.
    """
    engine = design.engine
    family, dsp = flow.target.family.name, flow.dsp == "auto" and flow.target.multiplies
    design = replace(design, family=family, dsp=dsp)
    makes_macs = not hardware_of(engine.arithmetic).keeps_weights
    arithmetic = engine.arithmetic if makes_macs else replace(engine.arithmetic, element=EXACT)
    alone = priced_unit(arithmetic, engine.block_terms)
    alone = replace(alone, family=family, dsp=dsp, pipeline=design.pipeline, build=design.build)
    share = 1 if engine.output_stationary else engine.rows
    element = to_rtlil(array_element(engine, design.chosen_build), "element")
    luts = _luts(element, "element", flow, store) / share
    return ElementCost(luts, engine.lanes * _luts(alone.rtlil(), alone.module, flow, store))


def _luts(rtlil: str, top: str, flow: Flow, store: Cache) -> int:
    key = f"luts-{flow.identity(rtl_hash(rtlil))}"
    known = store.get(key)
    if isinstance(known, int):
        return known
    with tempfile.TemporaryDirectory(prefix="fewbit-") as folder:
        luts = smallest(rtlil, top, flow, Path(folder)).counts.luts
    store.put(key, luts)
    return luts
