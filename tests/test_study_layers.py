"""Formats by layer under a budget, against every combination."""

import itertools
import random

import pytest
import scipy.optimize
from each_of import each_of
from fewbit.study.choice.mixed_precision import Choice, choose


def choice(loss, luts=1.0, bits=1.0, name="int4"):
    return Choice(weight=name, activation=name, loss=loss, luts=luts, bits=bits)


def random_layers(draw):
    return {
        f"layer{layer}": [
            choice(draw.uniform(-0.01, 1), draw.uniform(0, 50), draw.randrange(1, 100_000_000))
            for _ in range(draw.randrange(1, 6))
        ]
        for layer in range(draw.randrange(1, 6))
    }


@each_of("seed", range(40))
@each_of("cost", ["luts", "bits"])
def test_no_combination_within_the_budget_loses_less(seed, cost):
    draw = random.Random(seed)
    layers = random_layers(draw)
    spent = [
        (sum(getattr(c, cost) for c in combination), sum(c.loss for c in combination))
        for combination in itertools.product(*layers.values())
    ]
    least, most = min(spent)[0], max(spent)[0]
    # at times the very cost of a combination, so that the constraint is met with equality
    budget = draw.choice([draw.uniform(least, most), draw.choice(spent)[0], least])
    best = min(loss for total, loss in spent if total <= budget)
    found = choose(layers, budget, cost=cost)
    assert list(found) == list(layers)
    assert all(found[layer] in choices for layer, choices in layers.items())
    assert sum(getattr(c, cost) for c in found.values()) <= budget + 1e-6
    assert sum(c.loss for c in found.values()) == pytest.approx(best, abs=1e-8)


def test_a_real_size_is_solved_to_the_optimum_that_a_known_answer_has():
    """72 layers of 33 formats, of which one each is free of loss and together they take the budget exactly."""
    draw = random.Random(1)
    layers, budget = {}, 0
    for layer in range(72):
        bits = draw.randrange(1_000, 1_000_000)
        wanted = draw.randrange(33)
        budget += bits * (3 + wanted)
        layers[str(layer)] = [
            choice(0.0 if k == wanted else draw.uniform(0.001, 1), bits=bits * (3 + k)) for k in range(33)
        ]
    found = choose(layers, budget, cost="bits")
    assert sum(c.loss for c in found.values()) == 0
    assert sum(c.bits for c in found.values()) == budget


@pytest.mark.parametrize("bits", [10**3, 10**8, 10**12])
def test_a_bit_too_few_is_not_within_the_budget(bits):
    """Of a solver that works to a millionth, too."""
    layers = {"a": [choice(0, bits=bits + 1), choice(1, bits=bits)], "b": [choice(0, bits=bits), choice(3, bits=1)]}
    assert [c.loss for c in choose(layers, 2 * bits + 1, cost="bits").values()] == [0, 0]
    assert [c.loss for c in choose(layers, 2 * bits, cost="bits").values()] == [1, 0]
    assert [c.loss for c in choose(layers, 2 * bits - 1, cost="bits").values()] == [0, 3]


def test_an_answer_beyond_the_budget_is_not_taken(monkeypatch):
    solve, answers = scipy.optimize.milp, []

    def careless(objective, *, constraints, **options):
        kept = [constraints[0], *constraints[2:]] if len(answers) < 2 else constraints
        answers.append(solve(objective, constraints=kept, **options))
        return answers[-1]

    monkeypatch.setattr(scipy.optimize, "milp", careless)
    layers = {"a": [choice(0, bits=9), choice(1, bits=8), choice(2, bits=2)], "b": [choice(0, bits=5)]}
    assert choose(layers, 10, cost="bits")["a"].loss == 2
    assert len(answers) == 3


def test_too_small_a_budget_is_told_the_least():
    layers = {"a": [choice(0, luts=3.5), choice(0, luts=2.25)], "b": [choice(0, luts=1)]}
    assert choose(layers, 3.25, cost="luts")["a"].luts == 2.25
    with pytest.raises(
        ValueError, match=r"budget must be at least the 3\.25 luts that the cheapest formats take, not 3"
    ):
        choose(layers, 3, cost="luts")


@pytest.mark.parametrize(
    ("layers", "cost", "message"),
    [
        ({"a": [choice(0)]}, "dsp", "cost must be luts or bits, not 'dsp'"),
        ({"a": []}, "luts", "layers must have a choice of formats each, not none for 'a'"),
        ({"a": [choice(float("nan"))]}, "luts", "a choice must have finite figures"),
        ({"a": [choice(0, luts=-1)]}, "luts", "a choice must have finite figures, and costs of 0 or more"),
    ],
)
def test_what_is_no_choice(layers, cost, message):
    with pytest.raises(ValueError, match=message):
        choose(layers, 10, cost=cost)


def test_no_layers_need_nothing():
    assert choose({}, 0, cost="luts") == {}
