"""Recommendations against a search by hand, and the paper's claims on points made for each verdict."""

import json
import math
import re
import shlex
from dataclasses import replace

import pytest
from fewbit.cli.study.recommend import recommend as command
from fewbit.study.choice.findings import Findings, best_evidence
from fewbit.study.choice.pareto import AXES, join
from fewbit.study.choice.recommend import recommend
from fewbit.study.report.claims import claims


@pytest.fixture
def folder(made_up, tmp_path):
    (tmp_path / "study_points.json").write_text(json.dumps({"points": [point.to_dict() for point in made_up.points]}))
    (tmp_path / "study_prices.json").write_text(json.dumps({"prices": [price.to_dict() for price in made_up.prices]}))
    return tmp_path


def of_network(findings: Findings, network: str, target: str) -> list:
    points = [point for point in best_evidence(findings.points) if point.network == network]
    return join(points, findings.prices, target)


@pytest.mark.parametrize("network", ["resnet8", "vit"])
@pytest.mark.parametrize("target", ["xc7", "ice40"])
@pytest.mark.parametrize("share", [0.85, 0.95])
def test_the_cheapest_that_is_accurate_enough(made_up, network, target, share):
    found = recommend(made_up, model=network, target=target, min_accuracy=share)
    enough = [c for c in of_network(made_up, network, target) if c.point.relative >= share]
    least = min(c.luts for c in enough)
    assert found.candidate.luts == least
    assert found.candidate.accuracy == max(c.accuracy for c in enough if c.luts == least)
    absolute = share * found.candidate.point.float32["top1"]
    assert (
        recommend(made_up, model=network, target=target, min_accuracy=absolute, absolute=True).command == found.command
    )
    assert found.cheaper is None or (found.cheaper.luts < least and found.cheaper.point.relative < share)
    assert found.dearer is None or found.dearer.accuracy > found.candidate.accuracy


@pytest.mark.parametrize("most", [20, 30, 47, 1000])
@pytest.mark.parametrize("requantizer", [False, True])
def test_the_most_accurate_that_is_cheap_enough(made_up, most, requantizer):
    axis = AXES["luts_with_requantizer" if requantizer else "luts"]
    most += 70 * requantizer
    found = recommend(made_up, model="vit", target="xc7", max_luts=most, requantizer=requantizer)
    within = [c for c in of_network(made_up, "vit", "xc7") if axis.cost(c) <= most]
    assert found.candidate.accuracy == max(c.accuracy for c in within) and axis.cost(found.candidate) <= most


def test_why_has_the_numbers(made_up):
    found = recommend(made_up, model="vit", target="xc7", min_accuracy=0.94)
    point = found.candidate.point
    for text in (
        f"{100 * point.accuracy:.1f}% ± {100 * point.standard_error:.1f}%",
        "float32 has 87.4%",
        f"costs {found.candidate.luts} LUTs (lut6) on xc7, {found.candidate.luts_with_requantizer} with a requantizer",
        f"{found.cheaper.pair} at {found.cheaper.luts} LUTs, is less accurate",
        f"{found.dearer.pair} at {found.dearer.luts} LUTs, is more accurate",
        "on 2,000 samples by the golden model of MACs and requantizers, exactly, with float32 between the layers",
    ):
        assert text in found.why
    assert ("another test set may decide otherwise" in found.why) == (
        point.accuracy - 0.94 * 0.874 < 2 * point.standard_error
    )
    others = {"integer", "minifloat"} - {found.candidate.kind}
    assert all(f" {kind} pair" in found.why for kind in others)


def test_what_cannot_be_compared_is_left_out_and_told(made_up):
    point = next(point for point in made_up.points if point.network == "vit")
    perfect = {"weight": "int3", "activation": "int3", "metrics": {"top1": 0.999, "top5": 1.0}}
    others = [
        replace(point, **perfect, samples=100),
        replace(point, **perfect, metric="top5", standard_errors={"top1": 0.0, "top5": 0.0}),
        replace(point, **perfect, network_hash="another model of that name"),
        replace(point, metrics={"top1": math.nan}, techniques=("gptq",)),
    ]
    plain = recommend(made_up, model="vit", target="ice40", min_accuracy=0.95)
    found = recommend(
        replace(made_up, points=[*others, *made_up.points]), model="vit", target="ice40", min_accuracy=0.95
    )
    assert (found.candidate, found.cheaper, found.dearer) == (plain.candidate, plain.cheaper, plain.dearer)
    assert found.why == (
        f"{plain.why} Left out: 3 that are not to be compared with these, by another metric, on other samples or of "
        "another model of that name. Left out: 1 without a score (NaN)."
    )
    duels = [claim.measured for claim in claims(made_up) if claim.key in "ac"]
    more = claims(replace(made_up, points=[*others, *made_up.points]))
    assert [claim.measured for claim in more if claim.key in "ac"] == duels


def test_the_speed_is_told_where_it_was_measured(made_up):
    for target, said in (("ice40", True), ("xc7", False)):
        found = recommend(made_up, model="vit", target=target, min_accuracy=0.9)
        assert ("; placed and routed it runs at 120 MHz." in found.why) == said
        assert found.to_dict()["fmax_mhz"] == (120.0 if said else None)


def test_first_and_last_layers_apart_are_asked_for(made_up):
    edges = [
        replace(point, edges="int8", metrics={"top1": 0.91}) for point in made_up.points if point.network == "resnet8"
    ]
    findings = replace(made_up, points=made_up.points + edges)
    plain = recommend(findings, model="resnet8", target="xc7", min_accuracy=0.99)
    apart = recommend(findings, model="resnet8", target="xc7", min_accuracy=0.99, edges="int8")
    assert plain.candidate.point.edges is None
    assert (apart.candidate.pair, apart.candidate.point.edges) == ("int3", "int8")
    assert "first and last layer in int8" in apart.scheme


@pytest.mark.parametrize(
    "asked, message",
    [
        ({}, "exactly one of min_accuracy and max_luts must be given"),
        ({"min_accuracy": 0.9, "max_luts": 9}, "exactly one of min_accuracy and max_luts must be given"),
        ({"model": "resnet9", "max_luts": 9}, "model must be vit, resnet8 or vit_s, not 'resnet9'"),
        (
            {"target": "ecp5", "max_luts": 9},
            "family must be one that has prices, xc7 or ice40, not 'ecp5'",
        ),
        ({"target": "xc7 with DSPs", "max_luts": 9}, "family must be one that has prices, xc7 or ice40, not 'xc7 with"),
        ({"max_luts": 9}, "max_luts must be at least 19, not 9: int3 is the cheapest, top1 "),
        ({"min_accuracy": 99}, "min_accuracy must be a share of the float32 accuracy, as 0.99, not 99"),
        (
            {"min_accuracy": 1.5},
            r"min_accuracy must be at most 1\.\d+, not 1.5: \S+ is the most accurate, top1 9\d\.\d%",
        ),
        (
            {"max_luts": 99, "edges": "int4"},
            "resnet8 must have been studied with edges int4; there is none",
        ),
    ],
)
def test_what_cannot_be_answered_says_what_can(made_up, asked, message):
    with pytest.raises(ValueError, match=message):
        recommend(made_up, **{"model": "resnet8", "target": "xc7", **asked})


def test_the_most_accurate_is_reachable_by_the_number_that_the_message_gives(made_up):
    with pytest.raises(ValueError) as error:
        recommend(made_up, model="vit", target="xc7", min_accuracy=1.4)
    best = float(re.search(r"at most ([\d.]+)", str(error.value))[1])
    found = recommend(made_up, model="vit", target="xc7", min_accuracy=best)
    assert found.dearer is None and found.candidate.pair in str(error.value)


def test_decibels_are_asked_for_absolutely(made_up):
    points = [
        replace(point, metric="sqnr", metrics={"sqnr": 30 * point.accuracy}, standard_errors={"sqnr": 0.1})
        for point in made_up.points
    ]
    findings = replace(made_up, points=[replace(point, float32={"sqnr": float("inf")}) for point in points])
    with pytest.raises(ValueError, match="min_accuracy must be absolute for sqnr"):
        recommend(findings, model="vit", target="xc7", min_accuracy=0.9)
    found = recommend(findings, model="vit", target="xc7", min_accuracy=20, absolute=True)
    assert found.candidate.accuracy >= 20 and "dB" in found.why and "infinite" not in found.why
    json.dumps(found.to_dict(), allow_nan=False)


def test_the_command_says_it_in_a_line_to_run(made_up, folder, capsys):
    arguments = {"model": "resnet8", "family": "xc7", "min_accuracy": 0.9, "results": folder}
    options = {"max_luts": None, "absolute": False, "requantizer": False, "edges": None}
    command(**arguments, **options, json=False)
    said = capsys.readouterr().out.splitlines()
    command(**arguments, **options, json=True)
    values = json.loads(capsys.readouterr().out)
    assert said[-1] == values["command"]
    assert shlex.split(said[-1]) == [
        *("fewbit", "verilog", "mac", "--weight", values["weight"], "--activation", values["activation"]),
        *("--terms", "1024", "--family", "xc7"),
    ]
    assert values["why"] in said and values["luts"] > values["cheaper"]["luts"]


@pytest.mark.slow
def test_the_recommended_hardware_is_generated(made_up, in_folder):
    from fewbit.cli.app import run

    found = recommend(made_up, model="vit", target="ice40", min_accuracy=0.9)
    assert run(shlex.split(found.command)[1:]) == 0
    description = json.loads((in_folder / "out" / "mac.json").read_text())
    assert (description["weight"]["name"], description["activation"]["name"], description["terms"]) == (
        found.candidate.point.weight,
        found.candidate.point.activation,
        256,
    )


def test_two_kinds_of_mac_are_told_and_both_are_generated(made_up):
    point = replace(made_up.points[0], weight="int4", activation="e3m2", products=0.2, longest_dot=100)
    price = replace(made_up.prices[0], weight="int4", activation="e3m2", luts=50, terms=256, fmax_mhz=None)
    findings = Findings([point], [price, replace(price, weight="e3m2", luts=60)])
    found = recommend(findings, model=point.network, target="xc7", max_luts=52)
    assert (found.candidate.luts, found.candidate.point.weight) == (52, "int4")
    assert "50 for weights, and 60 for the 20.0% of multiplications that are of two activations, both e3m2" in found.why
    first, second = (shlex.split(each) for each in found.command.split(" && "))
    assert first[:7] == ["fewbit", "verilog", "mac", "--weight", "int4", "--activation", "e3m2"]
    assert second[3:7] == ["--weight", "e3m2", "--activation", "e3m2"] and second[-2:] == ["--module", "mac_products"]
    with pytest.raises(ValueError, match="max_luts must be at least 52"):
        recommend(findings, model=point.network, target="xc7", max_luts=51)


def test_the_cheapest_that_samples_do_not_tell_from_the_most_accurate(made_up):
    accuracies = {"int3": 0.80, "int4": 0.86, "int5": 0.895, "int6": 0.90}
    first = made_up.points[0]
    points = [
        replace(first, weight=name, activation=name, metrics={"top1": value}, standard_errors={"top1": 0.01})
        for name, value in accuracies.items()
    ]
    prices = [
        replace(made_up.prices[0], weight=name, activation=name, luts=10 * int(name[3:]), terms=4096)
        for name in accuracies
    ]
    found = recommend(Findings(points, prices), model=first.network, target="xc7", max_luts=99)
    assert found.candidate.pair == "int6"
    # int4 is 0.04 below, and two standard errors of the difference are 0.028
    assert "two standard errors of the difference below it, as of independent samples, is int5 at 50 LUTs" in found.why
    found = recommend(Findings(points, prices), model=first.network, target="xc7", max_luts=49)
    assert found.candidate.pair == "int4" and "standard errors of the difference below" not in found.why


def test_what_keeps_pairs_out_is_told(made_up):
    point = replace(made_up.points[0], weight="int4", activation="int4", longest_dot=576)
    price = replace(made_up.prices[0], weight="int4", activation="int4", terms=576, requantizer_luts=None)

    def ask(points, prices, **asked):
        asked = {"model": point.network, "target": "xc7", "max_luts": 10000} | asked
        return recommend(Findings(points, prices), **asked)

    with pytest.raises(ValueError) as short:
        ask([point], [replace(price, terms=256)])
    assert str(short.value).endswith(
        "none has, but 1 whose MAC is priced for sums shorter than the 576 products here (int4): fewbit price --weight "
        "int4 --alike --family xc7 --terms 576 --no-route --append --name study_prices --out FOLDER prices them"
    )
    with pytest.raises(
        ValueError, match=r"1 whose requantizer is not priced there \(int4\): .* --requantizer --append"
    ):
        ask([point], [price], requantizer=True)
    with pytest.raises(
        ValueError, match=r"1 whose MAC is not priced there \(e2m1 × int4\): .*--weight e2m1 --activation"
    ):
        ask([replace(point, weight="e2m1")], [price])
    blocks = replace(point, scale_per="block", block_size=32)
    found = ask([point, blocks, replace(point, weight="e2m1")], [price])
    assert found.why.endswith(
        "Left out: 1 with scales by blocks or layers in formats of their own, whose hardware has no one price (int4); "
        "1 whose MAC is not priced there (e2m1 × int4)."
    )
