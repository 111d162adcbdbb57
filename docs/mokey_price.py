"""LUTs of Mokey's counters beside those of a MAC that has products from a truth table: `python docs/mokey_price.py`."""

from fewbit.formats import parse
from fewbit.hdl import Design
from fewbit.hdl.elements.index_counters import IndexCounters
from fewbit.hdl.emit import to_rtlil
from fewbit.synth import Flow, parse_target
from netlist_luts import luts

TERMS = 4096


if __name__ == "__main__":
    flow, format = Flow(parse_target("xc7"), "none"), parse("nf4_int8")
    counters = luts(to_rtlil(IndexCounters(1 + TERMS.bit_length()), "counters"), "counters", flow)
    mac = Design("mac", format, terms=TERMS, family="xc7", build="whole")
    found = luts(mac.rtlil(), "mac", flow)
    print(f"xc7: {counters} LUTs of counters, {found} of a MAC of two codes of a table: {counters / found:.1f} times")
