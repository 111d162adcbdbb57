"""What one element of a matmul engine's array takes, beside the MAC of the same formats."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from ..hdl import Design, array_element
from ..hdl.emit import to_rtlil
from .cache import Cache
from .flow import Flow, rtl_hash, smallest

__all__ = ["ElementCost", "element_cost"]


@dataclass(frozen=True)
class ElementCost:
    """LUTs of one element of the array, with its ``lanes`` products a cycle, and of ``lanes`` single MACs."""

    element: float
    macs: int


def element_cost(design: Design, flow: Flow, store: Cache) -> ElementCost:
    """Synthesized alone, by the smallest of the flow's recipes; of a weight-stationary array the share of a column.

    Raises ToolMissing and ToolError.
    """
    engine = design.engine
    assert engine is not None
    design = replace(design, family=flow.target.family.name, dsp=flow.dsp == "auto")
    alone = Design(
        "mac",
        engine.weight,
        engine.activation,
        terms=engine.block_terms,
        pipeline=design.pipeline,
        dsp=design.dsp,
        build=design.build,
        family=design.family,
    )
    share = 1 if engine.output_stationary else engine.rows
    element = to_rtlil(array_element(engine, design.chosen_build, design.pipeline), "element")
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
