"""Emitted Verilog of every unit passes its testbench."""

import os
from pathlib import Path
from typing import Any

import pytest
from fewbit.formats import parse
from fewbit.hdl import Design
from fewbit.tb import Result, simulate
from trial_elements import Halves

pytestmark = pytest.mark.usefixtures("own_cache")


def check(unit: str, pair: str, **parameters: Any) -> Result:
    weight, activation = map(parse, pair.split())
    design = Design(unit, weight, activation, **parameters)
    result = simulate(design.verilog(), design.description(command=""), random_cycles=1500)
    assert result.ok, result.failed
    return result


@pytest.mark.slow
def test_one_of_each() -> None:
    check("decode", "float8_e5m2 float8_e5m2")
    assert check("multiply", "e3m2 int5", pipeline=0).operand_pairs == 1 << 11
    assert check("mac", "e2m1 int4", terms=4096).operand_pairs == 1 << 8


@pytest.mark.slow
@pytest.mark.parametrize("pair", ["0 e4m3 int8", "1 bfloat16 int4", "2 float8_e5m2 float8_e4m3fn", "3 uint8 sm5"])
def test_mac(pair: str) -> None:
    pipeline, _, formats = pair.partition(" ")
    check("mac", formats, pipeline=int(pipeline), terms=300)


@pytest.mark.slow
@pytest.mark.parametrize("pair", ["0 e2m1 int8", "2 float8_e5m2 e3m2", "3 e3m2 e2m3"])
def test_dot(pair: str) -> None:
    pipeline, _, formats = pair.partition(" ")
    check("dot", formats, pipeline=int(pipeline), lanes=5, terms=333)


@pytest.mark.slow
@pytest.mark.parametrize("pair", ["1 e4m3 e5m2", "3 float8_e5m2 float8_e4m3fnuz"])
def test_multiply(pair: str) -> None:
    pipeline, _, formats = pair.partition(" ")
    check("multiply", formats, pipeline=int(pipeline))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["int8", "uint5", "sm6", "e4m3", "ue4m3", "float8_e8m0fnu", "float8_e4m3fnuz", "bfloat16"]
)
def test_decode(name: str) -> None:
    check("decode", f"{name} {name}")


@pytest.mark.slow
def test_dot_of_an_element_from_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEWBIT_ELEMENTS", "trial_elements")
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    check("dot", "int4 e2m1", lanes=3, terms=333, element=Halves())
