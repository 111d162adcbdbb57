"""Flip-flops behind a block RAM become its own registers where nothing else depends on what it gives."""

import json

import pytest
from fewbit.families import FAMILIES
from fewbit.synth.flow import Synthesized
from fewbit.synth.ram_registers import use_ram_registers
from fewbit.synth.recipes import RECIPES

REGISTERS = FAMILIES["ecp5"].ram_registers
CLOCK, OTHER_CLOCK, ENABLE = 2, 3, 4


def flip_flop(data, output, clock=CLOCK, enable="1", **parameters):
    always = {"CEMUX": "1 ", "CLKMUX": "CLK", "LSRMUX": "LSR", "REGSET": "RESET", "GSR": "DISABLED"}
    pins = {"CLK": [clock], "DI": [data], "LSR": ["0"], "CE": [enable], "Q": [output]}
    directions = {pin: "output" if pin == "Q" else "input" for pin in pins}
    return {
        "type": "TRELLIS_FF",
        "parameters": always | parameters,
        "port_directions": directions,
        "connections": pins,
    }


def netlist(*flip_flops, outputs=(), reset="0", polarity="CLKB"):
    """A RAM that gives bits 10 and 11 at port B, and flip-flops."""
    ram = {
        "type": "DP16KD",
        "parameters": {"REGMODE_A": "NOREG", "REGMODE_B": "NOREG", "CLKBMUX": polarity},
        "port_directions": dict.fromkeys(("CLKA", "CLKB", "RSTB"), "input")
        | dict.fromkeys(("DOA0", "DOB0", "DOB1"), "output"),
        "connections": {"CLKA": [CLOCK], "CLKB": [CLOCK], "RSTB": [reset], "DOA0": [9], "DOB0": [10], "DOB1": [11]},
    }
    cells = {"ram": ram} | {f"ff{k}": cell for k, cell in enumerate(flip_flops)}
    ports = {"clk": {"direction": "input", "bits": [CLOCK]}, "q": {"direction": "output", "bits": [20, 21, *outputs]}}
    return {"modules": {"top": {"ports": ports, "cells": cells}}}


def test_plain_flip_flops_become_the_registers_of_their_port():
    found = netlist(flip_flop(10, 20), flip_flop(11, 21), flip_flop(20, 22))
    assert use_ram_registers(found, "top", REGISTERS) == 2
    cells = found["modules"]["top"]["cells"]
    assert sorted(cells) == ["ff2", "ram"], "the second flip-flop in a row is none of the block's"
    assert cells["ram"]["parameters"] == {"REGMODE_A": "NOREG", "REGMODE_B": "OUTREG", "CLKBMUX": "CLKB"}
    assert (cells["ram"]["connections"]["DOB0"], cells["ram"]["connections"]["DOB1"]) == ([20], [21])


@pytest.mark.parametrize(
    "flip_flops",
    [
        [flip_flop(10, 20)],  # and bit 11 goes out as it is
        [flip_flop(10, 20), flip_flop(11, 21), flip_flop(11, 22)],
        [flip_flop(10, 20), flip_flop(11, 21, clock=OTHER_CLOCK)],
        [flip_flop(10, 20), flip_flop(11, 21, enable=ENABLE)],
        [flip_flop(10, 20), flip_flop(11, 21, CEMUX="CE")],
        [flip_flop(10, 20), flip_flop(11, 21, REGSET="SET")],
    ],
    ids=["output", "twice", "clock", "enable", "never enabled", "set"],
)
def test_other_flip_flops_stay(flip_flops):
    found = netlist(*flip_flops, outputs=[11] if len(flip_flops) == 1 else [])
    before = repr(found)
    assert use_ram_registers(found, "top", REGISTERS) == 0
    assert repr(found) == before


@pytest.mark.parametrize("port", [{"reset": 5}, {"polarity": "INV"}], ids=["reset", "falling edges"])
def test_a_port_that_is_reset_or_falls_keeps_its_flip_flops(port):
    found = netlist(flip_flop(10, 20), flip_flop(11, 21), **port)
    assert use_ram_registers(found, "top", REGISTERS) == 0


def test_what_is_routed_has_the_registers_whoever_routes_it(tmp_path):
    """Units, the largest arrays and boards all route what ``Synthesized.routable`` gives."""
    (tmp_path / "0.json").write_text(json.dumps(netlist(flip_flop(10, 20), flip_flop(11, 21))))
    counts = FAMILIES["ecp5"].count({}, None)
    made = Synthesized(RECIPES[0], counts, tmp_path / "0.json")
    for name, mode in (("ecp5", "OUTREG"), ("ice40", "NOREG")):
        cells = made.routable("top", FAMILIES[name])["modules"]["top"]["cells"]
        assert cells["ram"]["parameters"]["REGMODE_B"] == mode
