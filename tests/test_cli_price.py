"""``fewbit price``."""

import csv
import json
from dataclasses import replace

import pytest
from fewbit.cli.app import run
from fewbit.study.measurement.points_file import write_points
from fewbit.study.prices import price as price_module
from fewbit.study.prices.price_table import read_prices, write_prices
from fewbit.synth import SweepError

QUICK = ["price", "--family", "xc7", "--terms", "64", "--jobs", "1"]


@pytest.mark.slow
def test_prices_are_written_kept_and_drawn(in_folder, capsys, monkeypatch):
    assert run([*QUICK, "--weight", "e2m0"]) == 0
    told = capsys.readouterr().out
    assert "xc7, sums of up to 64 products" in told and "written: out/price.csv and .json" in told
    assert run([*QUICK, "--weight", "int3", "--append"]) == 0
    capsys.readouterr()
    again = ["--weight", "int3,e2m0", "--activation", "int3,e2m0", "--alike", "--append", "--json"]
    assert run([*QUICK, *again]) == 0
    shown = json.loads(capsys.readouterr().out)["prices"]
    assert [(row["weight"], row["activation"]) for row in shown] == [("e2m0", "e2m0"), ("int3", "int3")]
    commands, kept = read_prices(in_folder / "out" / "price.json")
    assert [row.to_dict() for row in kept] == shown
    assert [command.split()[:2] for command in commands] == [["fewbit", "price"]] * 3
    assert [line["weight"] for line in csv.DictReader((in_folder / "out" / "price.csv").open())] == ["e2m0", "int3"]

    assert run([*QUICK, "--weight", "int3", "--name", "other"]) == 0
    assert "note" not in capsys.readouterr().err
    assert run([*QUICK, "--weight", "e2m0", "--name", "other"]) == 0
    assert "note: out/other.json had 1 more that are not in it now" in capsys.readouterr().err

    def refuse(*_, **__):
        raise AssertionError("--read measures nothing")

    monkeypatch.setattr(price_module, "prices", refuse)
    assert run(["price", "--read", "out/price.json", "--chart", "made/map"]) == 0
    assert {path.name for path in (in_folder / "made").iterdir()} == {"map.png", "map.svg", "map.md"}
    assert f"| 3 | {kept[1].luts} |  | {kept[0].luts} (" in (in_folder / "made" / "map.md").read_text()


@pytest.mark.slow
def test_what_is_finished_is_kept_when_others_are_not(in_folder, capsys, monkeypatch):
    assert run([*QUICK, "--weight", "int3"]) == 0
    _, (finished,) = read_prices(in_folder / "out" / "price.json")

    def stopped(*_, **__):
        yield finished
        raise KeyboardInterrupt

    monkeypatch.setattr(price_module, "prices", stopped)
    assert run([*QUICK, "--weight", "3bit", "--out", "stopped"]) == 130
    assert capsys.readouterr().err.endswith("stopped; 1 finished rows are in stopped/price.csv and .json\n")
    assert read_prices(in_folder / "stopped" / "price.json")[1] == [finished]

    def failed(*_, **__):
        yield finished
        raise SweepError(["mac int3 x e2m0 on xc7, dsp none: out of luck"])

    monkeypatch.setattr(price_module, "prices", failed)
    assert run([*QUICK, "--weight", "3bit", "--out", "failed"]) == 3
    told = capsys.readouterr()
    assert "written: failed/price.csv" in told.out and told.err.endswith("dsp none: out of luck\n")
    assert read_prices(in_folder / "failed" / "price.json")[1] == [finished]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--weight", "int3", "--activation", "int4", "--alike"], "formats must have a pair of a format with itself"),
        (["--weight", "int3", "--activation", "int4", "--same-width"], "formats must have a pair of one width"),
        (["--weight", "int99"], "width of int99 must be 1 to 16 bits"),
        (["--dsp", "some"], "dsp must be one of none, auto, both, not 'some'"),
        (["--read", "absent.json"], "absent.json: No such file or directory"),
        (["--terms", "0"], "terms must be 1 to 4294967296, not 0"),
    ],
)
def test_wrong_arguments(in_folder, capsys, arguments, message):
    assert run(["price", *arguments]) == 2
    told = capsys.readouterr().err
    assert message in told and told.count("\n") == 1
    assert not list(in_folder.iterdir())


def test_accumulators_are_as_wide_as_a_networks_weights_need(in_folder, capsys, made_up):
    """Of made-up points that need 9 bits with int3, whose products have 5."""
    points = [
        replace(point, network="mine", needed_accumulator_bits=9)
        for point in made_up.points
        if point.network == "vit" and point.weight == point.activation == "int3"
    ]
    points.append(replace(points[0], activation="int4", products=0.1))
    write_points(points, in_folder / "study", "fewbit study")
    write_prices(made_up.prices[:1], in_folder / "study" / "study_prices", ["fewbit price"])
    asked = ["price", "--family", "xc7", "--no-route", "--jobs", "1", "--needed-by", "mine", "--results", "study"]
    assert run([*asked, "--weight", "int3"]) == 0
    assert "xc7, accumulators as wide as the weights of mine need" in capsys.readouterr().out
    _, (price,) = read_prices(in_folder / "out" / "price.json")
    assert (price.accumulator_bits, price.terms) == (9, 15)
    assert run([*asked, "--weight", "int3", "--terms", "7"]) == 2
    assert "needed-by must be left out with --terms" in capsys.readouterr().err
    assert run([*asked, "--read", "out/price.json"]) == 2
    assert "needed-by must be left out with --read" in capsys.readouterr().err
    assert run([*asked, "--weight", "int3", "--activation", "int4", "--out", "other"]) == 2
    assert "pairs must be of a format with itself for 'mine', which multiplies" in capsys.readouterr().err
    assert run([*asked, "--weight", "int3,int4", "--out", "other"]) == 2
    message = "'mine' is not there in int4 x int4"
    assert message in capsys.readouterr().err and not (in_folder / "other").exists()
