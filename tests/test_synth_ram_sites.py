"""Block RAMs get places, at which nextpnr's placer for large netlists leaves them."""

import json
from dataclasses import replace

import pytest
from fewbit.boards.targets import parts
from fewbit.families import parse_target
from fewbit.formats import Engine, Requantization, parse
from fewbit.hdl import Design
from fewbit.synth.flow import Flow, smallest
from fewbit.synth.harness import wrap
from fewbit.synth.nextpnr import NETLIST, PlaceAndRoute
from fewbit.synth.ram_sites import place_rams
from fewbit.synth.recipes import WIDE

DEVICES = {
    **{device.name: device for device in parse_target("ecp5").family.devices},
    "12k": parts.ECP5_12F.target.device,
    "25k": parts.ECP5_25F.target.device,
}


def _netlist(names):
    return {"modules": {"top": {"cells": {name: {"type": "RAM"} for name in names} | {"logic": {"type": "LUT"}}}}}


def _places(netlist, top="top"):
    cells = netlist["modules"][top]["cells"]
    return {name: cell["attributes"]["BEL"] for name, cell in cells.items() if "BEL" in cell.get("attributes", {})}


def test_rams_are_in_the_middle_of_the_row_and_halves_are_side_by_side():
    netlist = _netlist(["w.half1.0", "a.half0.10", "a.half1.2", "w.half0.0", "a.half0.2", "a.half1.10"])
    assert place_rams(netlist, "top", "RAM", (tuple("01234567"), tuple("abcdefgh")))
    assert _places(netlist) == {
        **{"a.half0.2": "1", "a.half1.2": "2", "a.half0.10": "3", "a.half1.10": "4"},
        **{"w.half0.0": "5", "w.half1.0": "6"},
    }


def test_rows_have_equal_shares():
    netlist = _netlist([f"ram{each}" for each in range(5)])
    assert place_rams(netlist, "top", "RAM", (tuple("0123"), tuple("abcd"), tuple("ABCD")))
    assert _places(netlist) == {"ram0": "1", "ram1": "2", "ram2": "a", "ram3": "b", "ram4": "c"}


def test_there_may_be_too_few_places():
    netlist = _netlist(["ram0", "ram1", "ram2"])
    assert not place_rams(netlist, "top", "RAM", (("0",), ("a",)))
    assert _places(netlist) == {}


@pytest.mark.parametrize("name", DEVICES)
def test_device_has_a_place_for_each_of_its_rams(name):
    sites = [site for row in DEVICES[name].ram_sites for site in row]
    assert len(sites) == len(set(sites)) == DEVICES[name].capacity.brams


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """A folder with the netlist of an engine with block RAMs for ECP5, and its target."""
    folder, target = tmp_path_factory.mktemp("engine"), parse_target("ecp5-45k")
    how = Requantization(parse("int8"), scale=parse("dyadic16s5"))
    shape = Engine(parse("e2m1"), parse("int4"), how, rows=2, columns=2, lanes=2, tile_m=32)
    rtlil = Design.matmul(shape, pipeline=3, family="ecp5").rtlil()
    found = smallest(rtlil, "matmul", Flow(target), folder, chosen=[WIDE])
    netlist = wrap(found.routable("matmul", target.family), "matmul", "clk", target.family.harness).netlist
    (folder / NETLIST).write_text(json.dumps(netlist))
    return folder, target


@pytest.mark.slow
def test_rams_stay_where_they_were_put(engine):
    folder, target = engine
    said = []
    job = PlaceAndRoute(target, "matmul", target.family.harness.options, large=True)
    found = job.route(folder, 1, more=("--no-route", "--write", "made.json"), say=said.append)
    assert not said
    asked = _places(json.loads((folder / "placed_report.json").read_text()), "matmul")
    cells = next(iter(json.loads((folder / "made.json").read_text())["modules"].values()))["cells"]
    made = {name: cell["attributes"]["NEXTPNR_BEL"] for name, cell in cells.items() if cell["type"] == "DP16KD"}
    assert len(made) == found.used["DP16KD"][0] > 0
    assert made == asked


@pytest.mark.slow
def test_usual_placer_follows_one_that_fails(engine):
    folder, target = engine
    family = target.family
    broken = replace(target, family=replace(family, nextpnr=replace(family.nextpnr, large_placer=("--placer", "no"))))
    said = []
    job = PlaceAndRoute(broken, "matmul", family.harness.options, large=True)
    assert job.route(folder, 1, more=("--no-route",), say=said.append).used["DP16KD"][0] > 0
    assert len(said) == 1 and said[0].endswith("once more by the usual placer")


@pytest.mark.slow
@pytest.mark.parametrize("name", DEVICES)
def test_places_are_those_of_the_device(engine, tmp_path, name):
    """nextpnr takes a netlist that has a RAM at each place; it refuses a place that is not there."""
    folder, target = engine
    netlist = json.loads((folder / NETLIST).read_text())
    cells = netlist["modules"]["matmul"]["cells"]
    ram = next(cell for cell in cells.values() if cell["type"] == "DP16KD")
    sites = [site for row in DEVICES[name].ram_sites for site in row]
    clocked = {"CLKA": ram["connections"]["CLKA"], "DIA0": ram["connections"]["CLKA"]}
    for each, site in enumerate(sites):
        cells[f"ram{each}"] = {**ram, "attributes": {"BEL": site}, "connections": clocked}
    netlist["modules"]["matmul"]["cells"] = {f"ram{each}": cells[f"ram{each}"] for each in range(len(sites))}
    device = replace(target, device=DEVICES[name])
    job = PlaceAndRoute(device, "matmul", ("--out-of-context",))
    (tmp_path / NETLIST).write_text(json.dumps(netlist))
    report = job._run(tmp_path, ["--no-route"], "report.json")
    assert report.used["DP16KD"] == (len(sites), len(sites))
