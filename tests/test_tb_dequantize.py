"""The dequantize unit at its AXI4-Streams: its testbench passes it, fails what is wrong, and its contract is proven."""

import shutil

import pytest
from fewbit.formats import Overflow, Requantization, Rounding, parse
from fewbit.hdl import Design
from fewbit.hdl.units.dequantize import AxiDequantize
from fewbit.synth.formal import HandshakePorts, check_stream
from fewbit.tb import lint, simulate

pytestmark = pytest.mark.usefixtures("own_cache")
icarus = pytest.mark.skipif(shutil.which("iverilog") is None, reason="iverilog is not installed")


def design(format, output, scale, tensor_scale=None, *, lanes=1, block_size=32, dsp=False, **policies):
    scales = [name and parse(name) for name in (scale, tensor_scale)]
    return Design(
        "dequantize",
        parse(format),
        lanes=lanes,
        block_size=block_size,
        requantization=Requantization(parse(output), *scales, **policies),
        dsp=dsp,
    )


def check(unit, simulator="verilator", cycles=1200):
    result = simulate(unit.verilog(), unit.description(), simulator=simulator, random_cycles=cycles)
    assert result.ok, result.failed
    return result


@icarus
def test_a_dequantize_passes():
    unit = design("e2m1", "bfloat16", "float8_e4m3fn", lanes=4, block_size=16)
    result = check(unit, "icarus", 300)
    assert result.passed == ("full_speed", "random_stalls", "every_code_and_scale", "resets")
    assert result.operand_pairs > 1 << 12


CASES = [
    ("e2m1", "bfloat16", "float8_e8m0fnu", None, 8, 32, {}),
    ("float4_e2m1fn", "float16", "float8_e4m3fn", "float32", 4, 16, {}),
    ("float8_e4m3fn", "bfloat16", "float8_e8m0fnu", None, 1, 4, {}),
    ("int8", "float8_e5m2", "float8_e8m0fnu", None, 2, 32, {"rounding": Rounding.STOCHASTIC, "seed": 77}),
    ("float8_e5m2", "int8", "bfloat16", None, 2, 6, {"relu": True}),
    ("sm4", "e4m3", "dyadic8s4", None, 3, 3, {"rounding": Rounding.TOWARD_ZERO}),
    ("int4", "float32", "ue5m3", "float32", 5, 20, {"overflow": Overflow.INFINITY}),
]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=[f"{case[0]}_to_{case[1]}" for case in CASES])
def test_dequantize(case):
    *names, lanes, block_size, policies = case
    unit = design(*names, lanes=lanes, block_size=block_size, dsp=CASES.index(case) % 2 == 1, **policies)
    assert lint(unit.verilog()) == []
    assert len(check(unit).passed) >= 3


def test_the_verilog_is_clean():
    assert lint(design("int4", "float32", "ue5m3", "float32", lanes=3, block_size=12).verilog()) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "failing"),
    [
        ({"block_size": 16}, "full_speed"),
        ({"latency": 3}, "full_speed"),
        (("m_axis_tlast =", "m_axis_tlast = ~"), "random_stalls"),
        (("if (rst) beat <=", "if (1'h0) beat <="), "resets"),
        (("assign i__ready = advance & scale__valid", "assign i__ready = advance"), "random_stalls"),
    ],
)
def test_a_wrong_unit_fails(change, failing):
    unit = design("e2m1", "e4m3", "float8_e4m3fn", lanes=2, block_size=8)
    verilog, described = unit.verilog(), unit.description()
    if isinstance(change, dict):
        described |= change
    else:
        assert change[0] in verilog
        verilog = verilog.replace(*change)
    result = simulate(verilog, described, random_cycles=600)
    assert failing in {failure.test for failure in result.failed}


def test_the_streams_keep_their_contract():
    how = Requantization(parse("e2m1"), parse("ue2m2"))
    unit = AxiDequantize(parse("int3"), how, lanes=2, block_size=8)
    check_stream(unit, [channel("s_axis"), channel("s_axis_scale"), channel("m_axis")])


def channel(name):
    return HandshakePorts(name, f"{name}_tvalid", f"{name}_tready", (f"{name}_tdata", f"{name}_tlast"))
