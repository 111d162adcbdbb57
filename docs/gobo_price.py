"""LUTs of GOBO's sums by index beside those of a MAC with a table of means: `python docs/gobo_price.py`."""

from amaranth.hdl import signed
from fewbit.formats import parse
from fewbit.hdl import Design
from fewbit.hdl.elements.centroid_sums import CentroidSums
from fewbit.hdl.emit import to_rtlil
from fewbit.synth import Flow, parse_target
from netlist_luts import luts

TERMS = 4096
MEANS = {3: "codebook3e0x8bb6d5ee0723477f", 4: "codebook4e0x8faabccbd9e5f0fa040f1a2736495f7f"}
"""Tables of ResNet-8 by k-means."""


if __name__ == "__main__":
    for family in ("xc7", "ice40"):
        flow = Flow(parse_target(family), "none")
        int8 = luts(Design("mac", parse("int8"), terms=TERMS, family=family).rtlil(), "mac", flow)
        for bits, name in MEANS.items():
            sums = CentroidSums(bits, signed(8), 7 + TERMS.bit_length())
            found = luts(to_rtlil(sums, "sums"), "sums", flow)
            mac = Design("mac", parse(name), parse("int8"), terms=TERMS, family=family)
            whole = luts(mac.rtlil(), "mac", flow)
            print(f"{family}, {bits}-bit indices: {found} LUTs of sums by index, {whole} of a MAC, {int8} of int8's")
