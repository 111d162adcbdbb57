"""The clock of 8x8 elements on ECP5, built for a fast one: `python docs/engine_clock.py WEIGHT ACTIVATION [SEED]`."""

import json
import sys
import tempfile
from pathlib import Path

from fewbit.formats import Engine, Requantization, parse
from fewbit.hdl import Design
from fewbit.synth import Flow, parse_target
from fewbit.synth.fit_runner import repeated_modules
from fewbit.synth.flow import smallest
from fewbit.synth.harness import wrap
from fewbit.synth.nextpnr import NETLIST, PlaceAndRoute
from fewbit.synth.recipes import WIDE

if __name__ == "__main__":
    weight, activation, *seeds = sys.argv[1:]
    how = Requantization(parse("int8"), scale=parse("dyadic16s5"))
    engine = Engine(parse(weight), parse(activation), how, rows=8, columns=8, lanes=1, tile_m=32)
    design, target = Design.matmul(engine, pipeline=3, family="ecp5"), parse_target("ecp5-45k")
    rtlil, cells = design.rtlil(), target.family.harness
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # Elements are mapped once and flattened then, as for boards and `fewbit engine fit`.
        found = smallest(rtlil, "matmul", Flow(target), folder, chosen=[WIDE], keep=repeated_modules(rtlil))
        print(target.family.area(found.counts), "of area,", found.counts.ff, "flip-flops")
        netlist = wrap(found.routable("matmul", target.family), "matmul", "clk", cells).netlist
        (folder / NETLIST).write_text(json.dumps(netlist))
        for seed in seeds or ("1", "2", "3"):
            mhz = PlaceAndRoute(target, "matmul", cells.options).route(folder, int(seed)).mhz
            print(f"seed {seed}: {mhz:.1f} MHz", flush=True)
