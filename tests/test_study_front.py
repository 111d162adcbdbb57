"""The front by brute force, its knee and hypervolume by hand, and which price a point gets."""

import math
import random
from dataclasses import replace

import pytest
from fewbit.study.choice.findings import Findings, alike, best_evidence, read_findings, share_of_float32, shown, unit
from fewbit.study.choice.pareto import (
    AXES,
    Candidate,
    hypervolume,
    join,
    kind_of,
    knee,
    pareto,
    target_of,
    targets_of,
    tied,
    with_cost,
)


def cost(item):
    return item[0]


def value(item):
    return item[1]


def test_kinds():
    assert kind_of("int4", "uint8") == kind_of("sm5", "int4s") == "integer"
    assert kind_of("e2m1", "float8_e4m3fn") == "minifloat"
    assert kind_of("e2m1", "int4") == kind_of("int4", "e2m1") == "mixed"


def test_pareto_is_what_no_other_beats():
    chance = random.Random(1)
    for size in (1, 2, 5, 40):
        for _ in range(50):
            items = [(chance.randint(1, 12), chance.randint(0, 12), number) for number in range(size)]
            front = pareto(items, cost, value)

            def beaten(item, items=items):
                return any(other[0] <= item[0] and other[1] >= item[1] and other[:2] != item[:2] for other in items)

            best = {item[:2]: item for item in reversed(items) if not beaten(item)}
            assert front == sorted(best.values())


def test_of_equals_the_first_is_kept_and_of_equal_cost_the_best():
    assert pareto([(2, 5, "b"), (1, 3, "a"), (2, 5, "c"), (2, 4, "d"), (3, 5, "e")], cost, value) == [
        (1, 3, "a"),
        (2, 5, "b"),
    ]
    assert pareto([], cost, value) == []


def test_nan_has_no_order():
    with pytest.raises(ValueError, match="cost and value must be numbers, not NaN"):
        pareto([(1, 0.5), (2, math.nan), (3, 0.9)], cost, value)


def test_knee_is_farthest_above_the_chord():
    assert knee([(1, 0), (2, 0.8), (4, 0.9), (16, 1)], cost, value) == (2, 0.8)
    # 0.2 above it, and (4, 0.6) 0.1; without the logarithm it would be 0.38 and 0.4
    assert knee([(1, 0), (2, 0.45), (4, 0.6), (16, 1)], cost, value) == (2, 0.45)
    assert knee([(1, 0), (4, 0.5), (16, 1)], cost, value) is None
    assert knee([(1, 0), (16, 1)], cost, value) is None
    assert knee([(1, 0), (2, 0.5), (4, 0.75), (16, 1)], cost, value) == (2, 0.5)


def test_hypervolume_counts_doublings():
    assert hypervolume([(1, 0.5), (2, 1)], cost, value, (4, 0)) == pytest.approx(1 * 0.5 + 1 * 1)
    assert hypervolume([(1, 0.5), (2, 1), (3, 0.9)], cost, value, (4, 0.5)) == pytest.approx(0.5)
    assert hypervolume([(8, 1)], cost, value, (4, 0)) == 0
    items = [(2.0**x, x / 7) for x in range(8)]
    squares = sum(x / 7 for x in range(7))  # each one doubling wide
    assert hypervolume(items, cost, value, (2.0**7, 0)) == pytest.approx(squares)


def test_a_point_gets_the_price_of_sums_at_least_as_long(made_up):
    for candidate in join(made_up.points, made_up.prices, "ice40"):
        point, price = candidate.point, candidate.price
        assert price.terms == {576: 1024, 256: 256, 1536: 4096}[point.longest_dot]
        assert (price.weight, price.activation, price.family) == (point.weight, point.activation, "ice40")
        assert price.dsp_policy == "none"
    assert {target_of(price) for price in made_up.prices} == {"xc7", "ice40", "xc7 with DSPs"}
    assert targets_of(made_up.prices) == ["xc7", "ice40"]
    assert target_of(replace(made_up.prices[0], family="ice40", device="up5k")) == "ice40-up5k"


def test_what_is_not_one_mac_has_no_price(made_up):
    point = made_up.points[0]
    others = [
        replace(point, scale_per="block", block_size=32),
        replace(point, layers={"conv": ("int8", "int8")}),
        replace(point, longest_dot=5000),
        replace(point, weight="int16"),
    ]
    candidates = join([point, *others, replace(point, edges="int8")], made_up.prices, "xc7")
    assert [candidate.price is None for candidate in candidates] == [False, True, True, True, True, False]
    assert with_cost(candidates, AXES["luts"]) == [candidates[0], candidates[-1]]
    assert candidates[1].bits == point.weight_bits + point.activation_bits + 702_464
    with pytest.raises(ValueError, match=r"^int3 must have a price to be compared by LUTs of one MAC$"):
        AXES["luts"].cost(candidates[1])


def test_two_kinds_of_mac_cost_their_average(made_up):
    point = replace(made_up.points[0], weight="int4", activation="e3m2", products=0.2, longest_dot=100)
    price = replace(made_up.prices[0], weight="int4", activation="e3m2", luts=50, requantizer_luts=200, terms=256)
    other = replace(price, weight="e3m2", luts=60, requantizer_luts=None)
    (found,) = join([point], [price, other], target_of(price))
    assert (found.price, found.products) == (price, other)
    assert found.luts == 52 and found.luts_with_requantizer is None
    (found,) = join([point], [price, replace(other, requantizer_luts=300)], target_of(price))
    assert found.luts_with_requantizer == 0.8 * 250 + 0.2 * 360
    assert join([point], [price], target_of(price))[0].luts is None
    alike = replace(point, weight="e3m2")
    assert join([alike], [price, other], target_of(price))[0].luts == 60
    without = replace(point, products=0.0)
    assert join([without], [price], target_of(price))[0].luts == 50


def test_a_narrower_accumulator_of_as_many_terms_is_not_taken(made_up):
    point, prices = made_up.points[0], made_up.prices
    narrow = [replace(price, accumulator_bits=price.accumulator_bits - 3, luts=1) for price in prices]
    assert join([point], [*narrow, *prices], "xc7")[0].price in prices


def test_ties_are_within_two_standard_errors_of_what_costs_no_more(made_up):
    def candidate(luts, accuracy, error):
        point = replace(made_up.points[0], metrics={"top1": accuracy}, standard_errors={"top1": error})
        return Candidate(point, replace(made_up.prices[0], luts=luts))

    candidates = [candidate(10, 0.80, 0.01), candidate(20, 0.90, 0.003), candidate(20, 0.891, 0.004)]
    candidates += [candidate(30, 0.889, 0.004), candidate(15, 0.79, 0.0), candidate(40, 0.95, 0.0)]
    # 0.009 and 0.011 behind, against 2 * hypot(0.003, 0.004) = 0.01
    assert tied(candidates, AXES["luts"]) == [True, True, True, False, True, True]


def test_integers_are_the_better_evidence_but_more_samples_are_best(made_up):
    points = best_evidence(made_up.points)
    assert len(points) == len(made_up.points) // 2 and all(point.evaluation == "integer" for point in points)
    point = made_up.points[0]
    few, many = replace(point, evaluation="integer", samples=100), replace(point, evaluation="float", samples=200)
    assert best_evidence([few, many]) == best_evidence([many, few]) == [many]
    assert best_evidence([few, replace(few, techniques=("gptq",))]) == [few, replace(few, techniques=("gptq",))]


def test_points_are_compared_with_their_like(made_up):
    point = made_up.points[0]
    few, other = replace(point, samples=100), replace(point, weight="int4", network_hash="f00")
    by_sqnr = replace(point, metric="sqnr", metrics={"sqnr": 9.0}, standard_errors={"sqnr": 0.1})
    exact, unknown = replace(point, evaluation="integer"), replace(point, weight="int5", metrics={"top1": math.nan})
    found = alike([point, few, other, by_sqnr, exact, unknown])
    assert [*found.values()] == [[exact], [few], [other], [by_sqnr]]
    assert [ground.samples for ground in found] == [2000, 100, 2000, 2000]
    assert Findings([point, unknown], made_up.prices).without_score == 1


def test_units(made_up):
    point = made_up.points[0]
    noise = replace(point, metric="sqnr", metrics={"sqnr": 14.1}, float32={"sqnr": math.inf})
    assert (unit(point), unit(noise)) == ("%", "dB")
    assert (shown(0.9125, "%"), shown(14.1, "dB"), shown(math.inf, "dB"), shown(1.5, "")) == (
        "91.2%",
        "14.1 dB",
        "infinite",
        "1.5",
    )
    assert share_of_float32(noise) is None
    assert share_of_float32(point) == point.accuracy / 0.874


@pytest.mark.parametrize(
    "text, message",
    [
        ("{", "must be JSON"),
        ("[]", "must hold one JSON object, not a list"),
        ("{}", "must have a list of objects by the name of 'points'"),
        ('{"points": [{"network": "x"}]}', "a point must have exactly the fields"),
    ],
)
def test_files_that_are_none_are_refused(tmp_path, text, message):
    (tmp_path / "study_points.json").write_text(text)
    (tmp_path / "study_prices.json").write_text('{"prices": []}')
    with pytest.raises(ValueError, match=message):
        read_findings(tmp_path)


def test_files_of_the_other_commands_are_read(made_up, tmp_path):
    from fewbit.study.measurement.points_file import write_points
    from fewbit.study.prices.price_table import write_prices

    write_points(made_up.points[:5], tmp_path, "fewbit study run resnet8")
    write_prices(made_up.prices[:5], tmp_path / "study_prices", ["fewbit price a", "fewbit price b"])
    (tmp_path / "study_remarks.json").write_text('{"a": "because"}')
    found = read_findings(tmp_path)
    assert found.points == made_up.points[:5] and all(price in made_up.prices for price in found.prices)
    assert found.commands == ["fewbit study run resnet8", "fewbit price a", "fewbit price b"]
    assert found.remarks == {"a": "because"} and len(found.prices) == 5
