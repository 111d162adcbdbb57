"""The accelerator of a network for other people's tools: what they get, and a simulation that answers images."""

import re

import pytest
from fewbit.cli.app import run
from fewbit.formats import parse
from fewbit.hdl import Design, NetworkDesign
from fewbit.integrate import generate, network_files
from network_programs import random_program
from test_cli_network import MODEL, model  # noqa: F401  # a fixture
from test_integrate_vivado import Vivado
from verilated_program import build_program, called

LOADED = NetworkDesign(random_program(3, layers=2, side=4), "loaded", module="net")


@pytest.mark.parametrize(
    ("tool", "wanted"),
    [
        ("vivado", {"package_ip.tcl", "component.xml", "zynq_dma.tcl", "net_ooc.xdc"}),
        ("fusesoc", {"net.core", "net_sim.cpp", "net_example.h"}),
        ("litex", {"fewbit_engine.py", "net_litex.h"}),
    ],
)
def test_folder_of_a_tool(tool, wanted, model, capsys):  # noqa: F811
    assert run(["verilog", "network", *MODEL, "--module", "net", "--for", tool, "--out", "out"]) == 0
    told = capsys.readouterr().out.splitlines()
    folder = model / "out"
    found = {path.name for path in folder.iterdir()}
    assert sorted(told) == sorted(f"out/{name}" for name in found) and told[-1] == "out/README.md"
    own = {f"net{end}" for end in (".v", ".json", ".h", ".rdl", ".program.json", ".weights.hex")}
    assert found == wanted | own | {"README.md"}
    readme = (folder / "README.md").read_text()
    assert {*re.findall(r"`([\w.]+\.\w+)`", "".join(re.findall(r"^\| (`.*?) \|", readme, re.MULTILINE)))} == found - {
        "README.md"
    }
    assert [name for name in found if re.search(r"@\w+@", (folder / name).read_text())] == [], "places left open"


def test_block_design_connects_every_pin_of_a_network_once(tmp_path):
    for name, text in network_files(LOADED, "vivado", "made").items():
        (tmp_path / name).write_text(text)
    vivado = Vivado(LOADED, tmp_path)
    vivado.source("package_ip.tcl")
    asked = {call[1] for call in vivado.called if call[0] == "ipx::get_bus_interfaces"}
    assert asked == {"clk", "rst", "irq", "s_axi", "s_axis_image", "s_axis_weights", "m_axis_answer"}
    vivado.source("zynq_dma.tcl")
    assert [cell for cell, pins in vivado.cells.items() if None in pins.values()] == []
    assert {cell for cell in vivado.cells if cell.startswith("dma_")} == {"dma_image", "dma_weights"}
    widths = {cell: vivado.settings[cell]["CONFIG.M_TDATA_NUM_BYTES"] for cell in vivado.cells if "width_" in cell}
    assert widths == {"width_image": "1", "width_weights": "1"}


def test_other_tools_are_refused(model, capsys):  # noqa: F811
    assert run(["verilog", "network", *MODEL, "--for", "quartus", "--out", "out"]) == 2
    assert "--for must be one of vivado, fusesoc, litex, not 'quartus'" in capsys.readouterr().err
    assert not (model / "out").exists()
    with pytest.raises(ValueError, match="tool must be one of vivado, fusesoc, litex for a network, not 'quartus'"):
        network_files(LOADED, "quartus", "made")


def test_a_network_is_generated_from_python(tmp_path):
    files = generate(LOADED, tmp_path, tool="litex")
    assert {path.name for path in tmp_path.iterdir()} == {*files}
    assert {"net.v", "net.json", "net.h", "net.program.json", "net.weights.hex", "net_litex.h", "README.md"} <= {*files}
    assert len(files["net.weights.hex"].splitlines()) == LOADED.program.weight_words
    with pytest.raises(ValueError, match="design must be a matmul engine or a network for litex, not mac"):
        generate(Design("mac", parse("int4")), tool="litex")


@pytest.mark.slow
def test_simulation_answers_images(tmp_path, verilator_runtime):
    (tmp_path / "net.v").write_text(LOADED.verilog())
    for name, text in network_files(LOADED, "fusesoc", "made").items():
        (tmp_path / name).write_text(text)
    build_program(tmp_path, "net", ["net.v", "net_sim.cpp"], verilator_runtime)
    sums = 3 * LOADED.program.answer.size
    assert re.fullmatch(rf"net: {sums} sums equal the golden model's, \d+ cycles\n", called(tmp_path, "./Vnet"))
    header = tmp_path / "net_example.h"
    text = header.read_text()
    start = text.index("example_answers")
    number = re.search(r"-?\d+,", text[start:])[0]
    header.write_text(text[:start] + text[start:].replace(number, f"{int(number[:-1]) + 1},", 1))
    build_program(tmp_path, "net", ["net.v", "net_sim.cpp"], verilator_runtime)
    with pytest.raises(AssertionError, match=f"sum 0 is {number[:-1]}, which is wrong"):
        called(tmp_path, "./Vnet")
