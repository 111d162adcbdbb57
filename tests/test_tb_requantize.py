"""The requantize unit at its AXI4-Streams: its testbench passes it, fails what is wrong, and its contract is proven."""

import shutil

import pytest
from fewbit.formats import FixedPoint, Overflow, Requantization, Rounding, parse
from fewbit.hdl import Design
from fewbit.hdl.units.requantize import AxiRequantize
from fewbit.synth.formal import HandshakePorts, check_stream
from fewbit.tb import lint, simulate

pytestmark = pytest.mark.usefixtures("own_cache")
icarus = pytest.mark.skipif(shutil.which("iverilog") is None, reason="iverilog is not installed")
TESTS = ("full_speed", "random_stalls", "corners", "resets")


def design(pair, output, scale=None, tensor_scale=None, *, terms=4096, dsp=False, cycles=None, **policies):
    weight, activation = map(parse, pair.split())
    scales = [name and parse(name) for name in (scale, tensor_scale)]
    return Design(
        *("requantize", weight, activation, terms),
        requantization=Requantization(parse(output), *scales, **policies),
        dsp=dsp,
        cycles_an_output=cycles,
    )


def check(unit, simulator="verilator", cycles=1200):
    result = simulate(unit.verilog(), unit.description(), simulator=simulator, random_cycles=cycles)
    assert result.ok, result.failed
    return result


@icarus
def test_a_requantize_passes():
    result = check(design("e2m1 e2m1", "e2m1", "ue2m1", terms=2), "icarus", 300)
    assert result.passed == ("full_speed", "random_stalls", "corners", "every_input", "resets")
    assert result.operand_pairs > 1 << 11


STOCHASTIC = {"rounding": Rounding.STOCHASTIC, "seed": 0xDEADBEEF}
CASES = [
    ("e2m1 int8", "float8_e4m3fn", "float8_e8m0fnu", None, {}),
    ("int8 int8", "int8", "dyadic16s5", None, {"bias_bits": 32, "zero_point": True}),
    ("uint8 int8", "uint8", "dyadic31s6", None, {"bias_bits": 20, "zero_point": True, "relu": True, **STOCHASTIC}),
    ("float8_e5m2 int8", "float8_e5m2", "bfloat16", "float32", {"overflow": Overflow.INFINITY, **STOCHASTIC}),
    ("float8_e5m2 float8_e4m3fn", "bfloat16", "float32", None, {"relu": True, "overflow": Overflow.NAN}),
    ("e4m3 e3m2", "int4", None, None, {"rounding": Rounding.TOWARD_ZERO, "overflow": Overflow.WRAP}),
    ("float4_e2m1fn float4_e2m1fn", "float8_e4m3fnuz", "float8_e4m3fn", "float32", {}),
    ("bfloat16 e2m1", "float32", "int4", None, {}),
    ("sm4 ue2m2", "sm8", "sm3", "dyadic8s4", {"bias_bits": 3}),
]


@pytest.mark.slow
def test_outputs_of_several_cycles():
    unit = design("int8 int8", "int8", "dyadic16s5", bias_bits=20, zero_point=True, cycles=12)
    assert lint(unit.verilog()) == []
    assert unit.description()["initiation_interval"] == 11
    assert set(check(unit, cycles=300).passed) >= set(TESTS)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=[f"{case[0]} to {case[1]}".replace(" ", "_") for case in CASES])
def test_requantize(case):
    pair, output, scale, tensor_scale, policies = case
    unit = design(pair, output, scale, tensor_scale, dsp=CASES.index(case) % 2 == 1, **policies)
    assert lint(unit.verilog()) == []
    assert set(check(unit).passed) >= set(TESTS)


def test_the_verilog_is_clean():
    assert lint(design("float8_e5m2 int8", "int8", "dyadic16s5", bias_bits=9, zero_point=True).verilog()) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("claims", "failing"),
    [
        ({"rounding": "toward_zero"}, "full_speed"),
        ({"overflow": "infinity"}, "full_speed"),
        ({"relu": True}, "full_speed"),
        ({"rounding": "stochastic"}, "full_speed"),
    ],
)
def test_a_description_that_claims_something_else_fails(claims, failing):
    unit = design("float8_e5m2 int8", "float8_e5m2", "ue4m3")
    described = unit.description()
    described["requantization"] |= claims
    result = simulate(unit.verilog(), described, random_cycles=600)
    assert failing in {failure.test for failure in result.failed}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("right", "wrong", "failing"),
    [
        ("latency", None, "full_speed"),
        ("m_axis_tlast =", "m_axis_tlast = ~", "random_stalls"),
        ("if (rst) valid_1 <=", "if (1'h0) valid_1 <=", "resets"),
        ("m_axis_tdata =", "m_axis_tdata = 8'h1 ^", "corners"),
        ("assign advance =", "assign advance = 1'h1 |", "random_stalls"),
    ],
)
def test_a_wrong_unit_fails(right, wrong, failing):
    unit = design("e2m1 int8", "e4m3", "float8_e8m0fnu")
    verilog, described = unit.verilog(), unit.description()
    if wrong is None:
        described[right] += 1
    else:
        assert right in verilog
        verilog = verilog.replace(right, wrong)
    result = simulate(verilog, described, random_cycles=600)
    assert failing in {failure.test for failure in result.failed}


def test_a_description_that_does_not_fit_is_refused():
    unit = design("e2m1 int8", "int8")
    described = unit.description()
    del described["requantization"]["seed"]
    with pytest.raises(
        ValueError, match=r"^description of requantize must have every key of UNIT.json, 'seed' is miss"
    ):
        simulate("", described)
    described = unit.description()
    described["streams"][0]["beat_bits"] = 16
    with pytest.raises(ValueError, match=r"^s_axis_tdata must have 16 bits, not 24$"):
        simulate("", described)


def test_the_streams_keep_their_contract():
    how = Requantization(parse("int4"), parse("ue2m2"), zero_point=True)
    unit = AxiRequantize(FixedPoint(6, True, -2), how)
    check_stream(unit, [channel("s_axis"), channel("m_axis")])


def channel(name):
    return HandshakePorts(name, f"{name}_tvalid", f"{name}_tready", (f"{name}_tdata", f"{name}_tlast"))
