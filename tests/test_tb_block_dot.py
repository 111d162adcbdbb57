"""The block_dot unit at its AXI4-Streams: its testbench passes it, fails what is wrong, and its contract is proven."""

import shutil

import pytest
from fewbit.formats import Arithmetic, Blocks, parse
from fewbit.hdl import Build, Design
from fewbit.hdl.units.axi_block_dot import AxiBlockDot
from fewbit.synth.formal import HandshakePorts, check_stream
from fewbit.tb import lint, simulate

pytestmark = pytest.mark.usefixtures("own_cache")
icarus = pytest.mark.skipif(shutil.which("iverilog") is None, reason="iverilog is not installed")


def design(pair, scales, *, size=16, accumulate="auto", zero_points=False, lanes=4, terms=256, pipeline=2, dsp=False):
    weight, activation = map(parse, pair.split())
    return Design(
        *("block_dot", weight, activation, terms, lanes, pipeline, dsp),
        blocks=Blocks(size, *map(parse, scales.split()), accumulate, zero_points),
    )


def check(unit, simulator="verilator", cycles=1200):
    result = simulate(unit.verilog(), unit.description(), simulator=simulator, random_cycles=cycles)
    assert result.ok, result.failed
    return result


@icarus
@pytest.mark.parametrize("accumulate", ["exact", "float32"])
def test_a_block_dot_passes(accumulate):
    unit = design("e2m1 e2m1", "float8_e4m3fn float8_e4m3fn", accumulate=accumulate)
    result = check(unit, "icarus", 250)
    names = ("full_speed", "latency", "random_stalls", "special_values", "wild_scales", "extremes", "resets")
    assert result.passed == names and result.operand_pairs >= 1 << 8


CASES = [
    ("e2m1 e2m1", "float8_e8m0fnu float8_e8m0fnu", {"size": 32, "lanes": 32, "terms": 4096}),
    ("float4_e2m1fn float4_e2m1fn", "float8_e4m3fn float8_e4m3fn", {"lanes": 16, "terms": 2048}),
    ("float8_e5m2 float8_e4m3fn", "float8_e8m0fnu float8_e8m0fnu", {"size": 32, "lanes": 8, "pipeline": 3}),
    ("int8 int8", "float8_e8m0fnu float8_e8m0fnu", {"size": 32, "accumulate": "float32", "lanes": 1}),
    ("int4 uint3", "ue2m2 e1m2", {"accumulate": "exact", "lanes": 2, "terms": 100, "pipeline": 1}),
    ("int4 uint3", "ue2m2 e1m2", {"accumulate": "float32", "lanes": 16, "terms": 100, "zero_points": True}),
    # of so few bits that every combination of a code, a zero point and scales is tried
    ("int3 e1m1", "ue2m1 ue2m1", {"accumulate": "exact", "lanes": 1, "zero_points": True}),
    ("float8_e5m2 int8", "float8_e5m2 ue4m3", {"size": 64, "lanes": 2, "terms": 500, "accumulate": "float32"}),
    ("e3m2 e2m3", "float8_e5m2 int3", {"size": 128, "lanes": 4, "terms": 9, "accumulate": "exact"}),
]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=[f"{case[0]}_{case[1]}".replace(" ", "_") for case in CASES])
def test_block_dot(case):
    pair, scales, parameters = case
    unit = design(pair, scales, **parameters, dsp=CASES.index(case) % 2 == 1)
    assert lint(unit.verilog()) == []
    assert len(check(unit).passed) >= 6


def test_the_verilog_is_clean():
    verilog = [
        design("float8_e5m2 e2m1", "float8_e4m3fn ue5m3", accumulate=accumulate).verilog()
        for accumulate in ("exact", "float32")
    ]
    assert [lint(text) for text in verilog] == [[], []]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "failing"),
    [
        ({"latency": 6}, "latency"),
        ({"block_interval": 1}, "full_speed"),
        ({"lanes": 4}, None),
        (("if (rst) beat <=", "if (1'h0) beat <="), "resets"),
        (("assign advance =", "assign advance = 1'h1 |"), "random_stalls"),
    ],
)
def test_a_wrong_unit_fails(change, failing):
    unit = design("e2m1 int4", "float8_e4m3fn float8_e4m3fn", lanes=8, accumulate="float32")
    verilog, described = unit.verilog(), unit.description()
    if isinstance(change, dict):
        described |= change
    else:
        assert change[0] in verilog
        verilog = verilog.replace(*change)
    result = simulate(verilog, described, random_cycles=600)
    assert failing in {failure.test for failure in result.failed} or (failing is None and result.failed)


@pytest.mark.slow
@pytest.mark.parametrize("accumulate", ["exact", "float32"])
def test_the_streams_keep_their_contract(accumulate):
    formats = parse("int2"), parse("int2")
    blocks = Blocks(16, parse("ue2m1"), parse("ue2m1"), accumulate)
    unit = AxiBlockDot(Arithmetic(*formats), Build("rows", pipeline=1), blocks, lanes=8, terms=32)
    check_stream(unit, [channel("s_axis"), channel("m_axis")], reach=30)


def channel(name):
    return HandshakePorts(name, f"{name}_tvalid", f"{name}_tready", (f"{name}_tdata", f"{name}_tlast"))
