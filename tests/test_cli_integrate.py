"""``fewbit verilog matmul --for TOOL`` leaves what the tool needs, and a README that says what to type."""

import json
import re

import pytest
from fewbit.cli.app import run

SMALL = "--rows 1 --columns 1 --tile-m 2 --max-k 4"
DMA = " --dma 32 --burst 2"


@pytest.mark.parametrize(
    ("tool", "control", "wanted", "options", "bits"),
    [
        ("vivado", "axi_lite", {"package_ip.tcl", "component.xml", "zynq_dma.tcl", "engine_ooc.xdc"}, "", 32),
        ("fusesoc", "axi_lite", {"engine.core", "engine_sim.cpp", "engine_example.h"}, "", 32),
        ("litex", "wishbone", {"fewbit_engine.py", "engine_litex.h"}, "", 32),
        ("vivado", "axi_lite", {"package_ip.tcl", "component.xml", "zynq_memory.tcl", "engine_ooc.xdc"}, DMA, None),
        ("fusesoc", "axi_lite", {"engine.core", "engine_sim.cpp", "engine_example.h"}, DMA, None),
        ("litex", "wishbone", {"fewbit_engine.py", "engine_litex.h"}, DMA, None),
    ],
)
def test_folder_of_a_tool(tool, control, wanted, options, bits, capsys, in_folder):
    command = f"verilog matmul --module engine --for {tool} {SMALL}{options}"
    assert run(command.split()) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "out/README.md"
    found = {path.name for path in (in_folder / "out").iterdir()}
    assert found == wanted | {f"engine{end}" for end in (".v", ".json", ".h", ".rdl", "_host.c", "_host.h")} | {
        "README.md"
    }
    readme = (in_folder / "out" / "README.md").read_text()
    named = re.findall(r"`([\w.]+\.\w+)`", "".join(re.findall(r"^\| (`.*?) \|", readme, re.MULTILINE)))
    assert {*named} == found - {"README.md"}
    assert f"`fewbit {command}` made this folder" in readme
    made = json.loads((in_folder / "out" / "engine.json").read_text())
    assert (made["engine"]["control"], made["engine"]["bus_bits"]) == (control, bits)
    texts = [path for path in (in_folder / "out").iterdir() if path.suffix != ".v"]
    left = [path.name for path in texts if re.search(r"@\w+@|\bmatmul_", path.read_text())]
    assert left == [], "no place is left open, and no name of another module"


def test_options_win_over_what_suits_a_tool(capsys, in_folder):
    assert run(f"verilog matmul --for litex --control axi_lite --bus-bits 64 {SMALL}".split()) == 0
    made = json.loads((in_folder / "out" / "matmul.json").read_text())
    assert (made["engine"]["control"], made["engine"]["bus_bits"]) == ("axi_lite", 64)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("matmul --for quartus", "--for must be one of vivado, fusesoc, litex, not 'quartus'"),
        ("mac --for vivado", "--for must be left out for mac; it is an option of matmul"),
        ("matmul --for vivado --control wishbone", "control must be axi_lite for vivado, not 'wishbone'"),
        ("matmul --burst 4", "--dma must be given with --burst"),
        ("matmul --dma 48", "memory_bits (--dma) must be a power of two from 32 to 1024, not 48"),
        ("matmul --dma 64 --bus-bits 32", "bus_bits must be left out with a dma, which has no streams, not 32"),
        ("matmul --for litex --bus-bits 24", "a power of two of 32 or more, not 24: the stream a has 24"),
    ],
)
def test_what_a_tool_cannot_take_is_refused(options, message, capsys, in_folder):
    assert run(["verilog", *options.split()]) == 2
    assert message in capsys.readouterr().err
    assert not [*in_folder.iterdir()]
