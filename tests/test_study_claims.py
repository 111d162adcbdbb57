"""The paper's claims on points made for each verdict, and the statistics behind the verdicts."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from fewbit.study.choice.findings import Findings
from fewbit.study.choice.pareto import Candidate
from fewbit.study.measurement.scores import mean_difference, packed, unpacked
from fewbit.study.network.metrics import mean_and_error
from fewbit.study.report.claims import AGREES, IN_PART, NOT, NOTHING, claims
from fewbit.study.report.duels import Score, surely
from fewbit.study.report.fronts import integers_on_fronts


def verdicts(findings: Findings) -> dict[str, str]:
    return {claim.key: claim.verdict for claim in claims(findings)}


def remeasured(findings: Findings, accuracy) -> Findings:
    """The same points with other accuracies: a function of the point."""
    return replace(findings, points=[replace(point, metrics={"top1": accuracy(point)}) for point in findings.points])


def test_claims_on_accuracy_turn_with_the_points(made_up):
    def minifloats(gain, on):
        def accuracy(point):
            return 0.8 + (gain if point.weight.startswith("e") and point.network.startswith(on) else 0)

        return verdicts(remeasured(made_up, accuracy))

    everywhere = ("resnet8", "vit", "vit_s")
    assert minifloats(0.1, everywhere)["a"] == AGREES
    assert minifloats(0.1, ("resnet8",))["a"] == IN_PART
    assert minifloats(0.02, everywhere)["a"] == NOT, "two standard errors in one of many comparisons are none"
    assert minifloats(-0.1, everywhere)["a"] == NOT
    assert minifloats(0.1, ("vit", "vit_s"))["c"] == AGREES
    assert minifloats(0.1, ("resnet8",))["c"] == NOT
    assert minifloats(0.1, ("vit_s",))["c"] == IN_PART


def scored(point, scores, clusters=None):
    """The point with these scores of its samples."""
    mean, error = mean_and_error(scores, clusters)
    told = {"metrics": {"top1": mean}, "standard_errors": {"top1": error}, "samples": len(scores)}
    return replace(point, **told, scores=packed(scores), clusters=packed(clusters))


def test_points_are_compared_sample_by_sample(made_up):
    random, point = np.random.default_rng(2), made_up.points[0]
    ours, clusters = (random.random(300) < 0.8).astype(float), np.arange(300) // 3
    theirs = np.where(np.arange(300) < 9, 0.0, ours)
    one, other = scored(point, ours), scored(point, theirs)
    apart = ours - theirs
    assert mean_difference([(one, other)]) == (apart.mean(), apart.std(ddof=1) / math.sqrt(300))
    alone = math.hypot(one.standard_error, other.standard_error)
    assert mean_difference([(one, replace(other, scores=""))]) == (pytest.approx(apart.mean()), alone)
    assert alone > 3 * apart.std() / math.sqrt(300)
    in_clusters = [scored(point, values, clusters) for values in (ours, theirs)]
    assert mean_difference([(*in_clusters,)])[1] == mean_and_error(apart, clusters)[1]
    both = [(one, other), (other, one)]
    assert mean_difference(both) == mean_and_error(np.zeros(300))
    assert np.array_equal(unpacked(one.scores), ours) and unpacked("") is None
    with pytest.raises(ValueError, match="a point must have scores as fewbit writes them, not 'nonsense'"):
        unpacked("nonsense")


def test_what_is_sure_is_so_among_all_that_was_compared():
    random = np.random.default_rng(3)
    false = [any(surely([Score(each, 1.0) for each in random.standard_normal(40)])) for _ in range(400)]
    assert 0.02 < np.mean(false) < 0.09, "about one set of comparisons in twenty has a difference that is none"
    assert surely([Score(5, 1), Score(2.3, 1), Score(-4, 1), Score(0, 0)]) == [True, True, True, False]
    assert surely([Score(2.1, 1), Score(1, 1)]) == [False, False]


def test_families_are_compared_by_their_names_and_not_the_best_of_them(made_up):
    """One minifloat of all is better on one network: by the best of each width, all networks would look alike."""
    points = [point for point in made_up.points if point.evaluation == "integer" and point.weight == point.activation]
    random = np.random.default_rng(4)

    def made(point):
        return scored(point, (random.random(2000) < (0.9 if point.weight == "e2m2" else 0.8)).astype(float))

    findings = replace(made_up, points=[made(point) for point in points])
    claim = {claim.key: claim for claim in claims(findings)}["a"]
    cases = len({(point.network, point.weight) for point in points if point.weight.startswith("e2m")})
    assert re.search(rf"e2m\*: \d+ of {cases - 3} ahead, 3 surely, 0 surely behind", claim.why), claim.why
    assert f"in 3 of {cases - 3} cases" in claim.measured


def test_the_share_of_integers_on_fronts_has_the_error_of_its_samples(made_up):
    """Two points that cost the same, of which one sample decides which is on the front."""
    point = next(point for point in made_up.points if point.weight == point.activation == "int4")
    price = next(price for price in made_up.prices if price.weight == price.activation == "int4")
    scores = np.tile([1.0, 1, 1, 0], 250)
    better = scores.copy()
    better[3] = 1
    rival = replace(scored(point, better), weight="e2m1", activation="e2m1")
    integer = scored(point, scores)
    fronts = [[Candidate(integer, price), Candidate(rival, price)]] * 2
    share, error = integers_on_fronts(fronts, 0.5)
    assert share == 0 and 0.3 < error < 0.6
    unscored = [[Candidate(replace(each.point, scores=""), price) for each in fronts[0]]] * 2
    assert integers_on_fronts(unscored, 0.5)[1] == pytest.approx(0.5, abs=0.05)
    assert integers_on_fronts(fronts, 1.5) is None


def test_integers_on_the_front_turn_with_the_points(made_up):
    def integers(accuracy):
        return verdicts(remeasured(made_up, lambda point: accuracy if point.weight.startswith("int") else 0.85))["b"]

    assert integers(0.9) == AGREES
    assert integers(0.1) == NOT


@pytest.mark.parametrize(
    "factor, verdict_d, verdict_e", [(2, AGREES, AGREES), (1.5, AGREES, NOT), (1, NOT, NOT), (3.5, NOT, AGREES)]
)
def test_claims_on_price_turn_with_the_prices(made_up, factor, verdict_d, verdict_e):
    prices = [
        replace(
            price,
            luts=int(100 * (factor if price.weight.startswith("e") else 1)),
            requantizer_luts=int(100 * (factor if price.weight.startswith("e") else 1)),
        )
        for price in made_up.prices
    ]
    found = {claim.key: claim for claim in claims(replace(made_up, prices=prices))}
    assert (found["d"].verdict, found["e"].verdict) == (verdict_d, verdict_e)
    assert (
        found["d"].measured
        == f"{100 * (factor - 1):.0f} to {100 * (factor - 1):.0f}%, median {100 * (factor - 1):.0f}% dearer"
    )


def test_what_was_not_measured_is_said_to_be(made_up):
    few = Findings([point for point in made_up.points if point.weight == "int4"], made_up.prices[:1])
    assert verdicts(few) == dict.fromkeys("abcde", NOTHING) | {"b": verdicts(few)["b"]}
    assert [claim.remark for claim in claims(made_up)] == ["", "", "Written by hand: a < b & c.", "", ""]


def test_the_papers_claims_are_judged_on_networks_of_the_zoo_alone(made_up):
    own = [replace(point, network="mine") for point in made_up.points]
    assert claims(replace(made_up, points=own)) == []
    assert claims(replace(made_up, points=[*made_up.points, *own])) == claims(made_up)
