"""LUTs of a lane with complex weights, beside those of a ternary lane: `python docs/complex_price.py [FAMILY]`."""

import sys

from fewbit.formats import parse
from fewbit.hdl import Design
from fewbit.hdl.elements.complex_dot import ComplexDot
from fewbit.hdl.emit import to_rtlil
from fewbit.synth import Flow, parse_target
from netlist_luts import luts

LANES = 32


if __name__ == "__main__":
    family = sys.argv[1] if len(sys.argv) > 1 else "xc7"
    flow, format = Flow(parse_target(family), "none"), parse("int8")
    inputs = flow.target.family.lut_inputs
    pair = luts(to_rtlil(ComplexDot(format, LANES, 4096, inputs), "complex_dot"), "complex_dot", flow) / LANES
    ternary = Design("dot", parse("ternary"), format, lanes=LANES, family=family)
    lane = luts(ternary.rtlil(), "dot", flow) / LANES
    print(f"{family}: a complex lane of int8 {pair:.1f} LUTs, a ternary lane {lane:.1f}: {pair / lane:.2f} times")
