"""The price of a matmul engine's DMA, and what its bursts buy: `python docs/dma_price.py > results/dma.json`.

The engine is int8 x int8 with 8 x 8 elements of 4 lanes, the product 256 x 256 x 256, the memory 64 bits wide.
"""

import json
import re
import tempfile
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from fewbit.families import parse_target
from fewbit.formats import Dma, Engine, Requantization, parse
from fewbit.hdl import Design
from fewbit.hdl.dma.matmul_dma import MatmulDma
from fewbit.hdl.emit import to_rtlil
from fewbit.sim import memory_beats, memory_cycles
from fewbit.synth.flow import Flow, smallest
from fewbit.synth.recipes import NAMED

SIZE = (256, 256, 256)
INT8 = parse("int8")


def engine(burst: int, tile_m: int) -> Engine:
    how = Requantization(INT8, scale=parse("dyadic16s5"))
    shape = {"rows": 8, "columns": 8, "lanes": 4, "outputs": 4, "max_k": 256, "tile_m": tile_m}
    return Engine(INT8, INT8, how, dma=Dma(64, burst=burst), **shape)


def cycles(burst: int, tile_m: int) -> dict:
    made = engine(burst, tile_m)
    took = memory_cycles(made, *SIZE, Design.matmul(made).latencies)
    beats = memory_beats(made, *SIZE)
    return {"burst": burst, "tile_m": tile_m, "cycles": took.total, "utilization": took.utilization, **beats}


def cost(family: str, burst: int) -> dict:
    rtlil = to_rtlil(MatmulDma(engine(burst, 64)), "dma")
    with tempfile.TemporaryDirectory() as folder:
        recipe = NAMED["abc-area"]
        found = smallest(rtlil, "dma", Flow(parse_target(family)), Path(folder), chosen=[recipe])
        cells = json.loads(found.netlist.read_text())["modules"]["dma"]["cells"].values()
        # LUTs that are memory are cells of their own, and not among the LUTs.
        memories = Counter(cell["type"] for cell in cells if re.match("RAM32|RAM64|TRELLIS_DPR", cell["type"]))
    return {"family": family, "burst": burst, "recipe": recipe.name, **asdict(found.counts), "lut_memories": memories}


if __name__ == "__main__":
    result = {
        "size": SIZE,
        "cycles": [cycles(burst, tile_m) for tile_m in (32, 64, 128) for burst in (1, 4, 8, 16)],
        "cost": [cost(family, burst) for family in ("xc7", "ecp5") for burst in (4, 8)],
    }
    print(json.dumps(result, indent=1))
