import pickle
import re

import pytest
from fewbit.formats import Accumulator, parse, study_formats
from fewbit.hdl import BUILDS, FAMILIES, UNITS, Design, verilog_of
from fewbit.hdl.emit import YosysError, to_verilog

E2M1, INT4 = parse("e2m1"), parse("int4")


def test_design_is_a_value():
    design = Design("mac", E2M1, INT4, terms=100)
    assert design == Design("mac", E2M1, INT4, terms=100) and hash(design) == hash(pickle.loads(pickle.dumps(design)))
    assert design != Design("mac", E2M1, INT4, terms=101)
    assert Design("mac", E2M1).activation == E2M1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"unit": "mul"}, "unit must be one of decode, multiply, mac, dot, not 'mul'"),
        ({"build": "fast"}, "build must be one of auto, whole, table, rows, digits, booth, not 'fast'"),
        ({"family": "xc8"}, "family must be one of ice40, ecp5, gowin, nexus, gatemate, xc7, xcup, not 'xc8'"),
        ({"weight": "e2m1"}, "weight must be a format, as formats.parse gives, not 'e2m1'"),
        ({"terms": 2.0}, "terms must be 1 to 4294967296, not 2.0"),
        ({"terms": 0}, "terms must be 1 to 4294967296, not 0"),
        ({"pipeline": 4}, "pipeline must be 0 to 3, not 4"),
        ({"pipeline": -1}, "pipeline must be 0 to 3, not -1"),
        ({"lanes": 4}, "lanes must be 1 for mac, not 4; the unit with more is dot"),
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
    lanes = 4 if unit == "dot" else 1
    design = Design(unit, parse("float8_e5m2"), INT4, lanes=lanes, pipeline=pipeline)
    described = {(port["direction"], port["name"], port["width"]) for port in design.description()["ports"]}
    verilog = design.verilog()
    assert re.search(rf"^module {design.module}\(", verilog, re.MULTILINE)
    declared = re.findall(r"^  (input|output) (?:signed )?(?:\[(\d+):0\] )?(\w+);", verilog, re.MULTILINE)
    assert described == {(direction, name, int(top or 0) + 1) for direction, top, name in declared}


def test_many_designs_go_through_one_run_and_come_back_in_order():
    formats = study_formats(3)
    designs = [Design("mac", weight, activation) for weight in formats for activation in formats]
    together = verilog_of(designs)
    assert len(together) == 9 and together[4] == designs[4].verilog()


def test_verilog_has_no_start_value_in_a_declaration_and_no_wildcard_block():
    verilog = Design("mac", parse("e4m3")).verilog()
    assert "initial accumulator = " in verilog
    assert not re.search(r"^\s*reg .*=", verilog, re.MULTILINE) and "@*" not in verilog


def test_escaped_names_end_with_their_space():
    verilog = Design("dot", parse("e2m1"), INT4, lanes=4, terms=64).verilog()
    assert re.search(r"^  initial \\fine_align\$\d+  = ", verilog, re.MULTILINE)
    assert not re.search(r"\\[^\s]+;", verilog)


def test_yosys_that_refuses_says_why():
    with pytest.raises(YosysError, match=r"^yosys failed: ERROR: "):
        to_verilog([("mac", "module \\mac\n  cell nonsense\nend\n")])


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
