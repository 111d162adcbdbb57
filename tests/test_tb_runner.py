"""The testbenches pass plain Verilog that is right, on both simulators, and fail every wrong one."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from fewbit.formats import Accumulator, Format, Special, parse
from fewbit.tb import BuildError, Result, ToolMissingError, simulate

icarus = pytest.mark.skipif(shutil.which("iverilog") is None, reason="iverilog is not installed")
FLAGS = {
    "nan": Special.NAN,
    "positive_infinity": Special.POSITIVE_INFINITY,
    "negative_infinity": Special.NEGATIVE_INFINITY,
}


def table(name: str, format: Format, width: int) -> str:
    """Verilog of a function from code to integer, and of one from code to the bits negative infinity, infinity, NaN."""
    integers, marks = [], []
    for code, integer in enumerate(format.integers):
        special = format.special(code)
        integers.append(f"      {code}: {name} = {'-' if (integer or 0) < 0 else ''}{width}'sd{abs(integer or 0)};\n")
        mark = sum((special == value) << k for k, value in enumerate(FLAGS.values()))
        marks.append(f"      {code}: {name}_mark = 3'd{mark};\n")
    code = f"input [{format.width - 1}:0] code;"
    return (
        f"  function signed [{width - 1}:0] {name}; {code}\n    case (code)\n{''.join(integers)}"
        f"      default: {name} = 0;\n    endcase\n  endfunction\n"
        f"  function [2:0] {name}_mark; {code}\n    case (code)\n{''.join(marks)}"
        f"      default: {name}_mark = 0;\n    endcase\n  endfunction\n"
    )


def plain_mac(
    weight: str, activation: str, terms: int = 100, lanes: int = 1, latency: int = 1, specials: bool = False
) -> tuple[str, dict[str, Any]]:
    """A MAC (or dot, of several lanes) as one would write it first, and its description."""
    w, a = parse(weight), parse(activation)
    accumulator = Accumulator(w, a, terms)
    unit, width = "mac" if lanes == 1 else "dot", accumulator.width + 1
    stages, last = range(1, latency), latency - 1
    names = [("valid", 1), ("first", 1), ("weight", w.width * lanes), ("activation", a.width * lanes)]
    registers = "".join(f"  reg [{bits - 1}:0] {name}{k} = 0;\n" for name, bits in names for k in stages)
    clears = "".join(f"      {name}{k} <= 0;\n" for name, _ in names for k in stages)
    shifts = "".join(f"      {name}{k} <= {name}{k - 1};\n" for name, _ in names for k in stages)
    wires = "".join(f"  wire [{bits - 1}:0] {name}0 = {name};\n" for name, bits in names)
    take = "".join(
        f"      w = weight{last}[{(k + 1) * w.width - 1}:{k * w.width}];\n"
        f"      a = activation{last}[{(k + 1) * a.width - 1}:{k * a.width}];\n"
        "      sum = sum + wide_weight(w) * wide_activation(a); special = special | mark(w, a);\n"
        for k in range(lanes)
    )
    flags = "".join(f", output {name}" for name in FLAGS) if specials else ""
    outputs = "  assign nan = seen[0] | (seen[1] & seen[2]);\n" * specials
    outputs += "".join(f"  assign {name} = seen[{k}] & ~nan;\n" for k, name in enumerate(FLAGS) if k) * specials
    verilog = f"""module {unit}(input clk, input rst, input valid, input first,
  input [{w.width * lanes - 1}:0] weight, input [{a.width * lanes - 1}:0] activation,
  output [{accumulator.width - 1}:0] accumulator{flags});
{table("wide_weight", w, width)}{table("wide_activation", a, width)}
  function [2:0] mark; input [{w.width - 1}:0] w; input [{a.width - 1}:0] a; reg negative;
    begin
      negative = w[{w.width - 1}] ^ a[{a.width - 1}];
      if (wide_weight_mark(w) == 0 && wide_activation_mark(a) == 0) mark = 0;
      else if (wide_weight_mark(w) == 1 || wide_activation_mark(a) == 1) mark = 1;
      else if (wide_weight_mark(w) == 0 && wide_weight(w) == 0) mark = 1;
      else if (wide_activation_mark(a) == 0 && wide_activation(a) == 0) mark = 1;
      else mark = negative ? 4 : 2;
    end
  endfunction
{wires}{registers}  reg signed [{width - 1}:0] total = 0, sum;
  reg [2:0] seen = 0, special;
  reg [{w.width - 1}:0] w;
  reg [{a.width - 1}:0] a;
  assign accumulator = seen != 0 ? 0 : total[{accumulator.width - 1}:0];
{outputs}  always @(posedge clk)
    if (rst) begin
{clears}      total <= 0; seen <= 0;
    end else begin
{shifts}      sum = first{last} ? 0 : total; special = first{last} ? 0 : seen;
{take}      if (valid{last}) begin total <= sum; seen <= special; end
    end
endmodule
"""
    ports = [(name, "input", 1, False) for name in ("clk", "rst", "valid", "first")]
    ports += [("weight", "input", w.width * lanes, False), ("activation", "input", a.width * lanes, False)]
    ports += [("accumulator", "output", accumulator.width, accumulator.signed)]
    ports += [(name, "output", 1, False) for name in FLAGS] * specials
    description = {
        **{"unit": unit, "module": unit, "weight": {"name": weight}, "activation": {"name": activation}},
        **{"terms": terms, "lanes": lanes, "latency": latency},
        "ports": [dict(zip(("name", "direction", "width", "signed"), port, strict=True)) for port in ports],
    }
    return verilog, description


pytestmark = pytest.mark.usefixtures("own_cache")


def check(verilog: str, description: Mapping[str, Any], **options: Any) -> Result:
    result = simulate(verilog, description, random_cycles=1500, **options)
    assert result.ok, result.failed
    return result


@pytest.mark.slow
def test_every_pair_of_a_mac_is_verified() -> None:
    result = check(*plain_mac("e2m1", "int4"))
    assert result.passed == ("operand_pairs", "random_sums", "resets", "extreme_sums")
    assert result.operand_pairs == 256
    assert result.cycles > 256 + 2 * 1500 + 300


@pytest.mark.slow
def test_a_second_run_does_not_build(own_cache: Path) -> None:
    verilog, description = plain_mac("e2m1", "int4")
    check(verilog, description)
    built = sorted(own_cache.rglob("*"))
    assert check(verilog, description, seed=2).build_seconds < 0.5
    assert sorted(own_cache.rglob("*")) == built
    assert not [path for path in built if path.name.startswith(".making")]


@pytest.mark.slow
@pytest.mark.parametrize("latency", [1, 4])
@pytest.mark.parametrize("pair", ["e4m3 int3", "uint4 uint5", "int6s sm4", "e6m1 e5m2", "e4m5 int7"])
def test_formats_and_latencies(pair: str, latency: int) -> None:
    check(*plain_mac(*pair.split(), latency=latency))


@pytest.mark.slow
@pytest.mark.parametrize("terms", [3, 50])
def test_dot(terms: int) -> None:
    result = check(*plain_mac("e2m1", "int4", lanes=3, latency=2, terms=terms))
    assert result.operand_pairs == 256


@pytest.mark.slow
@pytest.mark.parametrize("lanes", [1, 2])
def test_special_values(lanes: int) -> None:
    result = check(*plain_mac("float8_e5m2", "float8_e4m3", lanes=lanes, specials=True, latency=2))
    assert "special_values" in result.passed


@icarus
def test_icarus() -> None:
    check(*plain_mac("e2m1", "int4", latency=2), simulator="icarus")


WRONG = {
    "one sign": ("-", ""),
    "accumulator one bit short": ("total[10:0]", "{total[9], total[9:0]}"),
    "port one bit short": ("[10:0] accumulator", "[9:0] accumulator"),
    "carry dropped": ("total <= sum", "total <= {sum[11:6], 1'b0, sum[4:0]}"),
    "first ignored": ("first0 ? 0 : total", "total"),
    "first without valid obeyed": ("if (valid0) begin", "if (!valid0 && first0) total <= 0; else if (valid0) begin"),
    "valid ignored": ("if (valid0) begin", "begin"),
    "reset ignored": ("if (rst) begin", "if (rst && !valid) begin"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", [*WRONG][1:2])
def test_a_wrong_mac_fails(name: str) -> None:
    verilog, description = plain_mac("e2m1", "int3", terms=20)
    wrong = verilog.replace(*WRONG[name], 1)
    assert wrong != verilog
    result = simulate(wrong, description, random_cycles=1500)
    assert not result.ok
    assert all("must be" in failure.message and "\n" not in failure.message for failure in result.failed)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*WRONG][:1] + [*WRONG][2:])
def test_every_wrong_mac_fails(name: str) -> None:
    test_a_wrong_mac_fails(name)


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        ("negative ? 4 : 2", "negative ? 2 : 4"),
        ("seen != 0 ? 0 : ", ""),
        ("(seen[1] & seen[2])", "0"),
        ("mark = 1;", "mark = 2;"),
    ],
)
def test_wrong_special_values_fail(change: tuple[str, str]) -> None:
    verilog, description = plain_mac("float8_e5m2", "float8_e4m3", specials=True)
    wrong = verilog.replace(*change, 1)
    assert wrong != verilog
    assert not simulate(wrong, description, random_cycles=1500).ok


@pytest.mark.slow
def test_something_left_in_the_pipeline_by_reset_fails() -> None:
    verilog, description = plain_mac("e2m1", "int3", latency=3)
    wrong = verilog
    for name in ("valid", "first", "weight", "activation"):
        wrong = wrong.replace(f"{name}2 <= 0;", f"{name}2 <= {name}1;")
    assert wrong != verilog
    assert [failure.test for failure in simulate(wrong, description).failed] == ["resets"]


@pytest.mark.slow
def test_a_latency_that_is_not_the_stated_one_fails() -> None:
    verilog, description = plain_mac("e2m1", "int3", latency=2)
    assert not simulate(verilog, {**description, "latency": 3}).ok


MULTIPLY = """module multiply(input [2:0] weight, input [3:0] activation, output [6:0] product);
  assign product = {{4{weight[2]}}, weight} * {{3{activation[3]}}, activation};
endmodule
"""


def plain_multiply() -> dict[str, Any]:
    ports = [("weight", "input", 3, False), ("activation", "input", 4, False), ("product", "output", 7, True)]
    return {
        **{"unit": "multiply", "module": "multiply", "weight": {"name": "int3"}, "activation": {"name": "int4"}},
        **{
            "latency": 0,
            "ports": [dict(zip(("name", "direction", "width", "signed"), port, strict=True)) for port in ports],
        },
    }


@pytest.mark.slow
def test_multiply() -> None:
    assert check(MULTIPLY, plain_multiply()).operand_pairs == 128
    wrong = simulate(MULTIPLY.replace("activation[3]", "weight[2]"), plain_multiply())
    assert not wrong.ok


@pytest.mark.slow
def test_waves_are_left_where_asked(tmp_path: Path) -> None:
    result = check(*plain_mac("int3", "int3"), waves=tmp_path / "mac.fst")
    assert result.waves == tmp_path / "mac.vcd"
    assert "accumulator" in result.waves.read_text()[:10_000]
    with pytest.raises(ValueError, match="folder of the waves must exist"):
        simulate(*plain_mac("int3", "int3"), waves=tmp_path / "none" / "mac.fst")


@icarus
def test_waves_of_icarus(tmp_path: Path) -> None:
    result = check(*plain_mac("int3", "int3"), waves=tmp_path / "mac", simulator="icarus")
    assert result.waves == tmp_path / "mac.fst"
    assert result.waves.stat().st_size > 1000


def test_what_cannot_run_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    verilog, description = plain_mac("int3", "int3")
    with pytest.raises(BuildError, match=r"verilator must be able to build mac: .*syntax error"):
        simulate(verilog.replace("endmodule", "endmodul"), description)
    with pytest.raises(ValueError, match="simulator must be verilator or icarus, not 'questa'"):
        simulate(verilog, description, simulator="questa")
    with pytest.raises(ValueError, match="unit must be one of decode, multiply, mac, dot, not 'adder'"):
        simulate(verilog, {**description, "unit": "adder"})
    with pytest.raises(ValueError, match="'latency' is missing"):
        simulate(verilog, {key: value for key, value in description.items() if key != "latency"})
    with pytest.raises(ValueError, match="ports of mac must include accumulator"):
        simulate(verilog, {**description, "ports": description["ports"][:-1]})
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ToolMissingError, match="make must be on PATH"):
        simulate(verilog, description)
    with pytest.raises(ToolMissingError, match="iverilog must be on PATH"):
        simulate(verilog, description, simulator="icarus")
