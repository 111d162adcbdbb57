"""Elements whose sum is settled by a rule after every word: narrow accumulators and floating ones."""

import numpy as np
import pytest
from each_of import each_of
from fewbit import sim
from fewbit.formats import parse
from fewbit.hdl import Build, Mac
from fewbit.hdl.products.choose_build import choose_build
from test_hdl_element_kinds import arithmetic_of, check_cycles, check_engine, engine_of
from test_hdl_elements import check_sums


@pytest.mark.parametrize(
    ("pair", "element"),
    [
        ("int8 int8", "window:bits=16"),
        ("int4 e2m1", "window:bits=7,drop=2"),
        ("e4m3 e3m2", "window:bits=12,drop=9"),
        ("uint4 ue2m1", "window:bits=8,drop=1"),
        ("e2m1 e2m1", "window:bits=40,drop=1"),
    ],
)
@pytest.mark.parametrize(("lanes", "pipeline"), [(1, 1), (5, 3)])
def test_a_narrow_accumulator_cuts_products_and_saturates(pair, element, lanes, pipeline):
    arithmetic = arithmetic_of(pair, element)
    build = choose_build(arithmetic.weight, arithmetic.activation, "auto", pipeline=pipeline, family=None, dsp=False)
    unit = Mac(arithmetic, build, terms=1 << 20, lanes=lanes)
    assert unit.accumulator_format.width <= arithmetic.element.bits
    check_sums(unit, words=80)


def test_a_narrow_sum_is_what_python_makes_of_the_rule():
    arithmetic = arithmetic_of("int8 int8", "window:bits=12,drop=3")
    rng = np.random.default_rng(5)
    a, w = (rng.integers(0, 256, shape) for shape in ((3, 21), (21, 4)))
    found = sim.matmul(a, w, arithmetic.activation, arithmetic.weight, arithmetic.element).integers
    for row in range(3):
        for column in range(4):
            total = 0
            for k in range(21):
                x, y = (int(code) - 256 * (code > 127) for code in (a[row, k], w[k, column]))
                total = min(max(total + int(x * y / 8), -2048), 2047)
            assert found[row, column] == total
    assert (np.abs(found) >= 2047).any()
    np.testing.assert_array_equal(
        sim.dot(w.T[:, None], a, arithmetic.weight, arithmetic.activation, arithmetic.element).integers, found.T
    )


def test_an_engine_of_narrow_accumulators_is_the_golden_product():
    check_engine(engine_of("int8 e2m1", "window:bits=10,drop=2", lanes=3), [(5, 9, 7), (4, 40, 3)])


FLOATING = [
    ("e4m3 e4m3", "floating:exponent_bits=5,fraction_bits=7,drop=6", 3, 2),
    ("int8 int8", "floating:exponent_bits=3,fraction_bits=3,drop=7", 1, 1),
    ("int8 int8", "floating:exponent_bits=3,fraction_bits=3,drop=7", 4, 3),
    ("uint4 e2m1", "floating:exponent_bits=2,fraction_bits=2", 1, 1),
    ("uint4 uint4", "floating:exponent_bits=4,fraction_bits=1", 1, 2),
]


@pytest.mark.parametrize(("pair", "element", "lanes", "pipeline"), FLOATING)
def test_a_floating_accumulator_is_rounded_after_every_word(pair, element, lanes, pipeline):
    check_sums(Mac(arithmetic_of(pair, element), Build("rows", pipeline=pipeline), terms=400, lanes=lanes), words=60)


def test_sums_are_rounded_as_a_minifloat_rounds():
    """Against the encoder of the minifloat whose values are the sums: every sum of two of its numbers."""
    element, format = "floating:exponent_bits=3,fraction_bits=2,drop=1", parse("e3m2")
    arithmetic, model = arithmetic_of("int8 int8", element), sim.model_of(arithmetic_of("int8 int8", element))
    sums = np.arange(-1200, 1200)
    expected = sim.decode(sim.encode(sums * 2.0**format.lsb_exponent / 2, format), format)
    np.testing.assert_array_equal(model.settle(sums, arithmetic), expected * 2 / 2.0**format.lsb_exponent)
    assert arithmetic.element.largest * 2.0**format.lsb_exponent / 2 == format.max_finite


def test_an_engine_of_floating_accumulators_is_the_golden_product():
    engine = engine_of("e2m1 e2m1", "floating:exponent_bits=3,fraction_bits=3", lanes=2, rows=1, columns=2)
    check_engine(engine, [(3, 9, 3)])
    check_cycles(engine, [(3, 9, 3)])


LONG_SUMS = [("floating:exponent_bits=5,fraction_bits=12", 8191 << 30), ("window:bits=64", (1 << 63) - 1)]


@each_of("element, most", LONG_SUMS)
def test_sums_of_the_longest_products_are_exact_before_a_rule_settles_them(element, most):
    """64 products of 60 bits a word, beyond what NumPy's integers hold."""
    arithmetic = arithmetic_of("e5m2 nf4", element)
    formats = arithmetic.weight, arithmetic.activation
    codes = [np.full((3, 64), max(format.codes, key=format.integer)) for format in formats]
    assert sim.dot(*codes, *formats, arithmetic.element).integers.tolist() == [most] * 3
    assert sim.mac(*codes, *formats, element=arithmetic.element).integers.tolist() == [most] * 3
