"""The code of docs/python.md runs, and gives what the page says."""

import doctest
from importlib import import_module

import numpy as np
import pytest
from docs_code import python_blocks, run_blocks

BLOCKS = ("study", "recommend", "verilog", "product", "layer")
"""What each block of the page is about, in order."""


def test_each_block_has_a_test():
    assert len(python_blocks("python.md")) == len(BLOCKS)


@pytest.mark.slow
def test_a_format_is_chosen(example_folder, capsys):
    names = {}
    run_blocks("python.md", 0, BLOCKS.index("verilog"), names)
    pair = names["found"].candidate.pair
    assert pair in ("int4 × int8", "e2m1 × int8")
    assert capsys.readouterr().out.splitlines()[:2] == [
        f"{point.weight} {point.activation} {point.metrics} {point.float32}" for point in names["points"]
    ]


def test_verilog_is_written(example_folder, capsys):
    run_blocks("python.md", BLOCKS.index("verilog"), BLOCKS.index("product"), {})
    assert capsys.readouterr().out == "3 mac.v mac.json\n"
    assert sorted(path.name for path in (example_folder / "out").iterdir()) == ["mac.json", "mac.v"]


@pytest.mark.slow
def test_a_product_is_computed_on_a_board(example_folder):
    names = {"np": np}
    run_blocks("python.md", BLOCKS.index("verilog"), BLOCKS.index("layer"), names)
    assert names["c"].shape == (5, 3) and names["c"].any()


@pytest.mark.slow
def test_a_layer_of_torch_is_computed_on_a_board(example_folder, capsys):
    pytest.importorskip("torch")
    run_blocks("python.md", BLOCKS.index("verilog"), len(BLOCKS), {"np": np})
    difference = capsys.readouterr().out.splitlines()[-1]
    assert difference.startswith("tensor(0.") and difference != "tensor(0.)"


def test_the_example_of_generate_runs():
    assert doctest.testmod(import_module("fewbit.integrate.generate")) == (0, 3)
