"""What ``auto`` takes, measured: it must be the smallest build, or next to it, on families of both kinds of LUT."""

import tempfile
from pathlib import Path

import pytest
from fewbit.formats import parse
from fewbit.hdl import BUILDS, Design
from fewbit.synth import Flow, parse_target
from fewbit.synth.flow import synthesize

PAIRS = [
    ("int4", "int4"),
    ("e2m1", "e2m1"),
    ("e2m1", "int8"),
    ("e3m2", "int4"),
    ("e2m3", "e2m3"),
    ("e4m3", "e4m3"),
    ("e1m6", "e1m6"),
]


def smallest(design: Design, family: str) -> int:
    """LUTs of the design by the best recipe."""
    flow = Flow(parse_target(family))
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "unit.il").write_text(design.rtlil())
        candidates = synthesize(design.rtlil(), design.module, flow, Path(folder))
    return min(flow.target.family.area(candidate.counts) for candidate in candidates)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["xc7", "ice40"])
@pytest.mark.parametrize(("weight", "activation"), PAIRS)
def test_auto_is_within_a_tenth_of_the_smallest_build(weight, activation, family):
    weight, activation = parse(weight), parse(activation)
    luts = {}
    for build in BUILDS:
        if build == "whole" and weight.width + activation.width > 8:
            continue
        if build == "table" and weight.precision + activation.precision > 8:
            continue
        luts[build] = smallest(Design("mac", weight, activation, terms=8192, build=build, family=family), family)
    assert luts["auto"] <= 1.1 * min(luts.values()), luts
