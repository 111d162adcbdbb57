"""What synthesis is told of memories holds: no result is of a word that is read in the cycle in which it is written."""

from pathlib import Path

import pytest
from collisions import unreliable
from fewbit.formats import Dma, Engine, Requantization, parse
from fewbit.hdl import Design
from fewbit.hdl.units.network import NetworkDesign
from fewbit.tb import simulate, simulate_network
from network_programs import random_images, random_program

SIDES = {"rows": 2, "columns": 2, "lanes": 2, "tile_m": 4, "max_k": 24}


ENGINES = {
    "output-stationary": {},
    "fast, on ECP5": {"family": "ecp5", "pipeline": 3},
    "weight-stationary": {"dataflow": "weight_stationary"},
    "from memory to memory": {"dma": Dma(32, burst=4)},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ENGINES)
def test_products_are_right_whatever_such_a_read_gives(own_cache: Path, name: str) -> None:
    fields = dict(ENGINES[name])
    options = {key: fields.pop(key) for key in ("family", "pipeline") if key in fields}
    how = Requantization(parse("int8"), scale=parse("dyadic16s5"))
    made = Design.matmul(Engine(parse("int4"), parse("e2m1"), how, **{**SIDES, **fields}), **options)
    verilog, ports = unreliable(made.verilog())
    assert ports >= 2
    result = simulate(verilog, made.description(), random_cycles=500)
    assert result.ok, result.failed


@pytest.mark.slow
def test_answers_are_right_whatever_such_a_read_gives(own_cache: Path) -> None:
    program = random_program(5, layers=3, side=5, rows=1, lanes=2, columns=4)
    made = NetworkDesign(program, weight_store="loaded")
    verilog, ports = unreliable(made.verilog())
    assert ports >= 2
    result = simulate_network(verilog, made.description(), program, random_images(program, 5, 4))
    assert result.ok, result.failed


def test_a_word_that_is_read_as_it_is_written_is_inverted() -> None:
    text = "module m();\n  if (w) a[x] <= d;\n  if (r) q <= a[y];\n  if (r) p <= rom[y];\nendmodule\n"
    assert unreliable(text) == (text.replace("q <= a[y]", "q <= ((w && x == y)) ? ~a[y] : a[y]"), 1)
