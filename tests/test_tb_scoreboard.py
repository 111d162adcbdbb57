"""The scoreboard that others' testbenches import passes what is right, and finds what is wrong."""

import subprocess
import sys

import pytest
from docs_code import DOCS
from fewbit.formats import Engine, Requantization, parse
from fewbit.hdl import Design, verilog_of
from fewbit.tb import run

pytestmark = pytest.mark.slow

INT4 = parse("int4")
ENGINE = Engine(INT4, INT4, Requantization(parse("int16")), rows=2, columns=2, tile_m=4, max_k=16)


def test_the_testbench_of_the_docs_passes(example_folder):
    from fewbit.cli.app import run as command

    assert command(["verilog", "matmul", "--max-k", "64"]) == 0
    done = subprocess.run([sys.executable, DOCS / "check_products.py"], capture_output=True, text=True)
    assert "passed=('two_products',), failed=()" in done.stdout, done.stdout + done.stderr


def test_a_wrong_product_is_found(in_folder):
    design = Design.matmul(ENGINE)
    (verilog,) = verilog_of([design])
    result, _ = run("scoreboard", verilog, "matmul", "scoreboard_bench", design.description())
    passed = {"another_product_is_found_out", "a_beat_that_nobody_expects_is_found_out", "a_reset_forgets"}
    assert set(result.passed) == passed, result.failed
