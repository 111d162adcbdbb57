"""The clock of an engine on ECP5 that is built for a fast one: `python docs/engine_clock.py WEIGHT ACTIVATION`."""

import argparse
import json
import tempfile
from pathlib import Path

from fewbit.formats import Engine, Requantization, parse
from fewbit.hdl import Design
from fewbit.synth import Flow, parse_target
from fewbit.synth.fit_runner import PLACERS, repeated_modules
from fewbit.synth.flow import smallest
from fewbit.synth.harness import wrap
from fewbit.synth.nextpnr import NETLIST, PlaceAndRoute, timing_weight
from fewbit.synth.recipes import WIDE

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weight", type=parse)
    parser.add_argument("activation", type=parse)
    parser.add_argument("--array", default="8x8x1", help="rows, columns and lanes")
    parser.add_argument("--pipeline", type=int, default=3, help="register stages")
    parser.add_argument("--placer", choices=PLACERS, default="auto", help="as of `fewbit engine fit`")
    parser.add_argument("--timing-weight", type=int, help="how much the placer heap heeds timing; its default is 10")
    parser.add_argument("--seeds", default="1,2,3", help="seeds of place and route")
    given = parser.parse_args()
    rows, columns, lanes = map(int, given.array.split("x"))
    how = Requantization(parse("int8"), scale=parse("dyadic16s5"))
    shape = {"rows": rows, "columns": columns, "lanes": lanes, "tile_m": 32 // rows * rows}
    engine = Engine(given.weight, given.activation, how, **shape)
    design, target = Design.matmul(engine, pipeline=given.pipeline, family="ecp5"), parse_target("ecp5-45k")
    rtlil, cells = design.rtlil(), target.family.harness
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # Elements are mapped once and flattened then, as for boards and `fewbit engine fit`.
        found = smallest(rtlil, "matmul", Flow(target), folder, chosen=[WIDE], keep=repeated_modules(rtlil))
        print(target.family.area(found.counts), "of area,", found.counts.ff, "flip-flops")
        netlist = wrap(found.routable("matmul", target.family), "matmul", "clk", cells).netlist
        (folder / NETLIST).write_text(json.dumps(netlist))
        placing, large = timing_weight(given.timing_weight), given.placer == "auto"
        job = PlaceAndRoute(target, "matmul", cells.options, placing=placing, large=large)
        for seed in map(int, given.seeds.split(",")):
            mhz = job.route(folder, seed).mhz
            print(f"seed {seed}: {mhz:.1f} MHz", flush=True)
