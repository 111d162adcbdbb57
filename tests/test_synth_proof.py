import pytest
from fewbit.formats import parse
from fewbit.hdl import Design
from fewbit.synth.proof import prove_multiplier
from fewbit.synth.tools import ToolError

PAIRS = [
    ("int3", "int3"),
    ("int5", "int5"),
    ("uint4", "int5s"),
    ("sm4", "uint5"),
    ("e2m1", "e2m1"),
    ("e3m0", "e2m2"),
    ("e2m1", "int6"),
    ("e1m3", "e3m1"),
]


def multiply(weight: str, activation: str, build: str = "auto") -> Design:
    return Design("multiply", parse(weight), parse(activation), pipeline=0, build=build)


@pytest.mark.parametrize(("weight", "activation"), PAIRS)
def test_multiplier_equals_its_truth_table(weight, activation):
    prove_multiplier(multiply(weight, activation))


@pytest.mark.parametrize("build", ["whole", "table", "rows", "digits", "booth"])
def test_every_build_equals_the_truth_table(build):
    prove_multiplier(multiply("e2m2", "int4", build))


def test_a_wrong_multiplier_is_not_proven():
    design = multiply("e2m1", "int4", "rows")
    right = design.verilog()
    wrong = right.replace("weight[3] ?", "weight[2] ?")
    assert wrong != right
    with pytest.raises(ToolError, match="proof did fail"):
        prove_multiplier(design, wrong)


@pytest.mark.parametrize(
    ("design", "message"),
    [
        (Design("mac", parse("int3")), "design must be a combinational multiply, not mac of pipeline 2"),
        (multiply("int8", "int8"), "operands must have at most 12 bits together, not 16"),
        (
            Design("multiply", parse("float8_e4m3fn"), parse("int3"), pipeline=0),
            "formats must be finite, not float8_e4m3fn and int3",
        ),
    ],
)
def test_what_cannot_be_proven_is_refused(design, message):
    with pytest.raises(ValueError, match=message):
        prove_multiplier(design)
