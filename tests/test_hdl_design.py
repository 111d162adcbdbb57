import pickle
import re

import pytest
from each_of import each_of
from fewbit.formats import Accumulator, Blocks, Engine, Requantization, parse, study_formats
from fewbit.hdl import BUILDS, FAMILIES, UNITS, Design, MacDesign, register_unit, verilog_of
from fewbit.hdl.emit import YosysError, to_verilog

E2M1, INT4 = parse("e2m1"), parse("int4")
HOW = Requantization(parse("bfloat16"), parse("float8_e4m3fn"), parse("float32"))
BLOCKS = Blocks(16, parse("float8_e4m3fn"), parse("ue5m3"))
PARAMETERS = {"requantize": {"requantization": HOW}, "block_dot": {"blocks": BLOCKS}}
PARAMETERS["dequantize"] = {"requantization": HOW, "block_size": 8}


def test_design_is_a_value():
    design = Design("mac", E2M1, INT4, terms=100)
    assert design == Design("mac", E2M1, INT4, terms=100) and hash(design) == hash(pickle.loads(pickle.dumps(design)))
    assert design != Design("mac", E2M1, INT4, terms=101)
    assert Design("mac", E2M1).activation == E2M1


@each_of(
    "arguments, message",
    [
        (
            {"unit": "mul"},
            "unit must be one of decode, multiply, mac, dot, block_dot, requantize, dequantize, "
            "unpack_trits, unpack_fields, matmul, not 'mul'",
        ),
        ({"build": "fast"}, "build must be one of auto, whole, table, rows, digits, booth, not 'fast'"),
        ({"family": "xc8"}, "family must be one of ecp5, gatemate, gowin, ice40, nexus, xc7, xcup, not 'xc8'"),
        ({"weight": "e2m1"}, "weight must be a format, as formats.parse gives, not 'e2m1'"),
        ({"terms": 2.0}, "terms must be 1 to 4294967296, not 2.0"),
        ({"terms": 0}, "terms must be 1 to 4294967296, not 0"),
        ({"pipeline": 4}, "pipeline must be 0 to 3, not 4"),
        ({"pipeline": -1}, "pipeline must be 0 to 3, not -1"),
        (
            {"lanes": 4},
            "lanes must be 1 for mac, not 4; the units with more are dot, block_dot, dequantize, unpack_trits, "
            "unpack_fields, matmul",
        ),
        ({"unit": "dot", "lanes": 0}, "lanes must be 1 to 1024, not 0"),
        ({"build": "rows", "dsp": True}, "build must be 'auto' where a DSP block makes the product, not 'rows'"),
        (
            {"build": "whole", "activation": parse("float16")},
            "operands must have at most 12 bits together for build 'whole', not 20",
        ),
        (
            {"build": "table", "activation": parse("float16")},
            "significands must have at most 12 bits together for build 'table', not 13",
        ),
        (
            {"build": "digits", "activation": parse("float32")},
            "the longer significand and a digit must have at most 12 bits together for build 'digits', not 26",
        ),
        ({"unit": "dot", "lanes": 8, "terms": 7}, "terms must be at least the 8 lanes, not 7"),
        ({"unit": "matmul"}, "engine must be given for matmul"),
        ({"requantization": HOW}, "requantization must be left out for mac"),
        ({"unit": "requantize"}, "requantization must be given for requantize"),
        ({"unit": "requantize", "requantization": "int8"}, "requantization must be of Requantization, not 'int8'"),
        (
            {"unit": "requantize", **PARAMETERS["requantize"], "blocks": BLOCKS},
            "blocks must be left out for requantize",
        ),
        ({"unit": "dequantize", "requantization": HOW}, "block_size must be given for dequantize"),
        (
            {"unit": "dequantize", **PARAMETERS["dequantize"], "lanes": 3},
            "block_size must be a multiple of the 3 lanes, not 8",
        ),
        (
            {"unit": "dequantize", "requantization": Requantization(HOW.output), "block_size": 8},
            "scale must be a format where blocks are dequantized, not None",
        ),
        ({"unit": "block_dot", "blocks": BLOCKS, "lanes": 5}, "lanes must divide the blocks' 16 elements, not be 5"),
        ({"unit": "block_dot", "blocks": BLOCKS, "pipeline": 0}, "pipeline must be 1 to 3, not 0"),
    ],
)
def test_design_says_what_it_must_be(arguments, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Design(**({"unit": "mac", "weight": E2M1} | arguments))


def test_description_is_the_contract():
    design = Design("mac", E2M1, INT4, terms=4096, pipeline=1)
    described = design.description("fewbit verilog mac", "1.2.3")
    accumulator = Accumulator(E2M1, INT4, 4096)
    assert described["accumulator"] == {"width": accumulator.width, "signed": True, "lsb_exponent": -1}
    assert described["contract"] == "accumulator = sum of weight * activation since first, exact for up to 4096 terms"
    assert (described["command"], described["version"]) == ("fewbit verilog mac", "1.2.3")
    assert (described["latency"], described["initiation_interval"], described["terms"]) == (2, 1, 4096)
    assert described["weight"] | {"name": "e2m1", "width": 4, "bias": 1, "lsb_exponent": -1} == described["weight"]
    assert [(port["name"], port["direction"], port["width"], port["signed"]) for port in described["ports"]] == [
        ("clk", "input", 1, False),
        ("rst", "input", 1, False),
        ("valid", "input", 1, False),
        ("first", "input", 1, False),
        ("weight", "input", 4, False),
        ("activation", "input", 4, False),
        ("accumulator", "output", accumulator.width, True),
    ]
    assert all(port["meaning"] for port in described["ports"])


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("pipeline", range(4))
def test_described_ports_are_the_verilog_ports(unit, pipeline):
    lanes = 4 if unit in ("dot", "block_dot", "dequantize") else 1
    formats = (parse("ternary" if unit.startswith("unpack") else "float8_e5m2"), INT4)
    if unit in ("matmul", "block_dot") and not pipeline:
        return
    if unit == "matmul":
        engine = Engine(*formats, Requantization(parse("int8")), rows=1, columns=2, tile_m=2, max_k=8)
        design = Design.matmul(engine, pipeline=pipeline)
    else:
        design = Design(unit, *formats, lanes=lanes, pipeline=pipeline, **PARAMETERS.get(unit, {}))
    ports = design.description()["ports"]
    assert all(port["meaning"] for port in ports)
    described = [(port["direction"], port["name"], port["width"]) for port in ports]
    verilog = design.verilog()
    head = re.search(rf"^module {design.module}\((.*?)^\);", verilog, re.MULTILINE | re.DOTALL)[1]
    declared = re.findall(r"^  (input|output) (?:reg )?(?:signed )?(?:\[(\d+):0\] )?(\w+),?$", head, re.MULTILINE)
    assert described == [(direction, name, int(most or 0) + 1) for direction, most, name in declared]


@pytest.mark.parametrize("unit", PARAMETERS)
def test_streams_have_a_field_at_every_byte_that_begins_one(unit):
    lanes = 1 if unit == "requantize" else 4
    design = Design(unit, parse("float8_e5m2"), INT4, terms=64, lanes=lanes, **PARAMETERS[unit])
    described = design.description()
    widths = {port["name"]: port["width"] for port in described["ports"]}
    for stream in described["streams"]:
        end = 0
        for field in stream["fields"]:
            assert field["lsb"] == -(-end // 8) * 8
            end = field["lsb"] + field["width"]
        assert widths[f"{stream['name']}_tdata"] == stream["beat_bits"] == -(-end // 8) * 8
    assert described["latency"] == design.latency and described["initiation_interval"] == 1
    fields = {stream["name"]: [field["name"] for field in stream["fields"]] for stream in described["streams"]}
    flags = ["nan", "positive_infinity", "negative_infinity"]
    assert (
        fields
        == {
            "requantize": {"s_axis": ["accumulator", *flags, "scale", "tensor_scale"], "m_axis": ["code"]},
            "dequantize": {"s_axis": ["codes"], "s_axis_scale": ["scale"], "m_axis": ["codes"]},
            "block_dot": {
                "s_axis": ["weight", "activation", "weight_scale", "activation_scale"],
                "m_axis": ["accumulator", *flags],
            },
        }[unit]
    )


@pytest.mark.parametrize(
    ("unit", "parameters", "contract"),
    [
        (
            "requantize",
            {"requantization": Requantization(parse("int8"), parse("dyadic16s5"), bias_bits=8, zero_point=True)},
            "code = (accumulator + bias) * scale, exact, then rounded once to an integer, then zero_point added, then "
            "saturated to int8",
        ),
        (
            "requantize",
            {"requantization": Requantization(parse("e4m3"), relu=True)},
            "code = accumulator, exact, made 0 where negative, then rounded once to e4m3",
        ),
        (
            "dequantize",
            PARAMETERS["dequantize"],
            "codes = code * scale * tensor_scale, exact, then rounded once to bfloat16, of every lane; a scale for "
            "every 8 codes",
        ),
        (
            "block_dot",
            {"blocks": BLOCKS, "terms": 99},
            "accumulator = sum over blocks of 16 terms of (sum of weight * activation) * weight_scale * "
            "activation_scale, exact for up to 99 terms",
        ),
        (
            "block_dot",
            {"blocks": Blocks(32, parse("float32"), parse("e4m3"))},
            "code = sum over blocks of 32 terms of (sum of weight * activation) * weight_scale * activation_scale, "
            "kept in float32, rounded once for every block",
        ),
    ],
)
def test_contract_is_a_sentence(unit, parameters, contract):
    assert Design(unit, E2M1, **parameters).description()["contract"] == contract


def test_a_unit_of_ones_own_is_made_by_its_name(monkeypatch):
    class Tally(MacDesign):
        unit = "tally"
        summary = "a mac by another name"

    monkeypatch.setitem(UNITS, "tally", None)  # so that it goes with the test
    register_unit(Tally)
    design = Design("tally", E2M1, INT4, terms=100)
    assert type(design) is Tally and design != Design("mac", E2M1, INT4, terms=100)
    assert (design.module, design.description()["unit"], design.description()["terms"]) == ("tally", "tally", 100)


FLOATING = Blocks(16, parse("float8_e8m0fnu"), parse("float8_e8m0fnu"))
ASYMMETRIC = Requantization(parse("uint8"), parse("dyadic16s5"), bias_bits=20, zero_point=True, relu=True)


@pytest.mark.parametrize(
    ("how", "shape", "contract"),
    [
        (
            ASYMMETRIC,
            {"scale_per": "channel", "weight_zero_point": True},
            "C[m, n] = (sum + bias[n]) * scale[n], exact, made 0 where negative, then rounded once to an integer, then "
            "zero_point added, then saturated to uint8; sum = the sum over k of A[m, k] * (W[k, n] - "
            "weight_zero_point), exact for k up to 1024",
        ),
        (
            Requantization(E2M1, parse("float32")),
            {"blocks": FLOATING},
            "C[m, n] = sum * scale, exact, then rounded once to e2m1; sum = the sum over blocks of 16 k of (sum of "
            "A[m, k] * W[k, n]) * a_scale[m] * w_scale[n], kept in float32, rounded once for every block",
        ),
    ],
)
def test_contract_of_a_matmul_says_all_that_happens_to_a_sum(how, shape, contract):
    assert Design.matmul(Engine(INT4, INT4, how, **shape)).description()["contract"] == contract


def test_streams_of_an_engine_have_their_fields():
    engine = Engine(INT4, E2M1, ASYMMETRIC, rows=2, columns=4, lanes=3, outputs=2, scale_per="channel")
    streams = {stream["name"]: stream for stream in Design.matmul(engine).description()["streams"]}
    fields = {
        name: [
            (field["name"], field["lsb"], field["width"], field["count"], field["signed"]) for field in each["fields"]
        ]
        for name, each in streams.items()
    }
    assert fields == {
        "s_axis_a": [("activation", 0, 4, 6, False)],
        "s_axis_w": [("weight", 0, 4, 12, False)],
        "s_axis_p": [("scale", 0, 21, 1, False), ("bias", 21, 20, 1, True)],
        "m_axis_c": [("code", 0, 8, 2, False)],
    }
    assert streams["m_axis_c"]["tlast"] == "the last beat of a product"
    assert {streams[name]["tlast"] for name in streams if name != "m_axis_c"} == {"not looked at"}


def test_many_designs_go_through_one_run_and_come_back_in_order():
    formats = study_formats(3)
    designs = [Design("mac", weight, activation) for weight in formats for activation in formats]
    together = verilog_of(designs)
    assert len(together) == 9 and together[4] == designs[4].verilog()


def test_verilog_has_no_start_value_in_a_declaration_and_no_wildcard_block():
    verilog = Design("mac", parse("e4m3")).verilog()
    assert "initial accumulator = " in verilog
    assert not re.search(r"^\s*reg .*=", verilog, re.MULTILINE) and "@*" not in verilog


def test_names_of_the_source_need_no_escape():
    verilog = Design("dot", parse("e4m3"), INT4, lanes=4, terms=64).verilog()
    assert re.search(r"^  initial fine_align_\d+ = ", verilog, re.MULTILINE)
    assert "\\" not in verilog and "$" not in verilog.replace("$signed", "")


def test_yosys_that_refuses_says_why():
    with pytest.raises(YosysError, match=r"^yosys failed: ERROR: "):
        to_verilog([("mac", "module \\mac\n  cell nonsense\nend\n", [])])


@pytest.mark.parametrize("family", [None, *FAMILIES])
def test_auto_chooses_a_build_for_every_pair_and_family(family):
    formats = [*study_formats(), parse("float8_e5m2"), parse("uint16"), parse("float8_e8m0fnu")]
    for weight in formats:
        for activation in formats:
            for pipeline in (0, 3):
                design = Design("mac", weight, activation, family=family, pipeline=pipeline)
                assert design.chosen_build.product in BUILDS[1:]


def test_dsp_leaves_a_multiplication_to_the_tool():
    assert " * " in Design("mac", parse("int8"), dsp=True).verilog()
    assert " * " not in Design("mac", parse("int8")).verilog()


@pytest.mark.parametrize("family", [None, "ice40"])
@pytest.mark.parametrize("pipeline", [2, 3])
@pytest.mark.parametrize(("weight", "activation"), [("float32", "float32"), ("uint16", "uint4"), ("float16", "e2m1")])
def test_wide_formats_are_generated_at_once(weight, activation, family, pipeline):
    design = Design("mac", parse(weight), parse(activation), family=family, pipeline=pipeline)
    assert len(design.rtlil()) < 1 << 24


@pytest.mark.parametrize(
    "options, kept",
    [
        ({"family": "ice40", "weight": parse("int12")}, 2),
        ({}, 2),
        ({"family": "ice40", "weight": parse("int12"), "pipeline": 3}, 4),
        ({"family": "ice40", "weight": parse("int12"), "pipeline": 1}, 0),
        ({"family": "ice40"}, 0),
        ({"family": "xc7"}, 0),
        ({"family": "ice40", "dsp": False}, 0),
        ({"family": "ice40", "weight": parse("e2m3")}, 0),
        ({"family": "ice40", "unit": "mac", "lanes": 1}, 0),
    ],
)
def test_registers_of_sums_in_an_ice40s_dsps_are_kept(options, kept):
    design = Design(**{"unit": "dot", "weight": parse("int8"), "lanes": 2, "dsp": True} | options)
    registers = re.findall(r"^ *\(\* keep = 32'd1 \*\)\n  reg ", design.verilog(), re.MULTILINE)
    assert len(registers) == kept
