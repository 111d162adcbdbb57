"""What docs/matmul.md shows is so: the testbench of 30 lines, and the register map."""

import json
import re
import subprocess
import sys
from pathlib import Path

import fewbit
import pytest
from fewbit.cli.app import run

DOCS = Path(fewbit.__file__).parent / "docs"


@pytest.mark.slow
def test_example_drives_the_engine(example_folder):
    assert run(["verilog", "matmul", "--max-k", "64"]) == 0
    done = subprocess.run([sys.executable, DOCS / "drive_matmul.py"], capture_output=True, text=True)
    assert "passed=('product',), failed=()" in done.stdout, done.stdout + done.stderr


@pytest.mark.slow
def test_registers_are_those_of_the_engine(tmp_path):
    options = ["--tensor-scale", "float32", "--zero-point", "--weight-zero-point", "--scale", "dyadic32s6"]
    assert run(["verilog", "matmul", *options, "--out", str(tmp_path)]) == 0
    registers = json.loads((tmp_path / "matmul.json").read_text())["registers"]
    rows = re.findall(r"^\| (0x[^|]*) \| ([^|]*) \| ", (DOCS / "matmul.md").read_text(), re.MULTILINE)
    documented = {
        name: int(offset, 16)
        for offsets, names in rows
        for offset, name in zip(offsets.split(", "), re.findall(r"`(\w+)`", names), strict=True)
    }
    assert documented.items() >= {register["name"]: register["offset"] for register in registers}.items()
    others = documented.keys() - {register["name"] for register in registers}
    assert others == {"tensor_scale_high", "dropped_digits"}  # of longer scales, and of elements that drop digits
