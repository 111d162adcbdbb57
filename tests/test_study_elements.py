"""Elements of other kinds in the study: accuracy by their golden model, price by LUTs times cycles."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import networks
import numpy as np
import pytest
from fewbit.formats import Accumulator, Arithmetic, parse
from fewbit.hdl import priced_unit
from fewbit.sim import dot, matmul, multiply
from fewbit.study.choice.pareto import join
from fewbit.study.measurement.evaluate import Study
from fewbit.study.measurement.point import Point
from fewbit.study.measurement.points_file import question_of
from fewbit.study.network.network import Network, Samples
from fewbit.study.prices.price import Price, prices
from fewbit.study.prices.price_table import read_prices, write_prices
from fewbit.study.quantization.scheme import Scheme
from fewbit.synth import parse_target
from fewbit.synth.sweep import design_key
from test_study_price import measured  # noqa: F401  # a fixture
from trial_elements import Halves, Truncated, truncated

INT4, E2M1 = parse("int4"), parse("e2m1")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    path = tmp_path_factory.mktemp("network") / "net.onnx"
    path.write_bytes(networks.attention())
    samples = Samples({"tokens": np.random.default_rng(2).standard_normal((4, 6, 16)).astype(np.float32)})
    return Study(Network("net", "", Path(path), lambda: samples, lambda: samples, ("sqnr",)), threads=1)


def test_a_rule_is_the_function_of_every_product_and_nothing_else():
    rng = np.random.default_rng(0)
    a, w = rng.choice(E2M1.codes, (3, 9)), rng.choice(INT4.codes, (9, 5))
    expected = [
        [sum(truncated(E2M1.integer(int(x)) * INT4.integer(int(y)), 2) for x, y in zip(row, column, strict=True))
         for column in w.T]
        for row in a
    ]  # fmt: skip
    found = matmul(a, w, E2M1, INT4, Truncated(2))
    assert found.integers.tolist() == expected and found.lsb_exponent == 1
    assert dot(w.T[0], a[1], INT4, E2M1, Truncated(2)).integers == expected[1][0]
    assert multiply(w.T[0], a[1], INT4, E2M1, Truncated(2)).integers.sum() == expected[1][0]


def test_a_point_by_an_exact_element_is_the_exact_point(study):
    scheme = Scheme(weight=E2M1, activation=INT4)
    exact, halves = (study.point(each, "integer") for each in (scheme, replace(scheme, element=Halves())))
    assert halves.metrics == exact.metrics and (exact.element, halves.element) == ("exact", "halves")
    assert study.point(replace(scheme, element=Halves()), "float").metrics == study.point(scheme, "float").metrics
    assert halves.fingerprint != exact.fingerprint and question_of(halves) != question_of(exact)
    assert "element" not in exact.to_dict()
    assert [Point.from_dict(each.to_dict()) for each in (exact, halves)] == [exact, halves]
    assert exact.is_plain and not halves.is_plain


def test_a_point_by_a_rule_is_measured_by_its_model_alone(study):
    scheme = Scheme(weight=INT4, activation=INT4, element=Truncated(3))
    point, exact = study.point(scheme, "integer"), study.point(replace(scheme, element=Truncated(0)), "integer")
    assert exact.metrics == study.point(Scheme(weight=INT4, activation=INT4), "integer").metrics
    assert point.metrics["sqnr"] < exact.metrics["sqnr"] - 1
    assert point.accumulator_bits == exact.accumulator_bits - 3 == Accumulator(INT4, INT4, 16).width - 3
    with pytest.raises(
        ValueError, match=r"^evaluation must be integer where products follow the rule 'truncated', not"
    ):
        study.point(scheme, "float")
    with pytest.raises(ValueError, match=r"^element must multiply exactly with scale_per block, not by the rule"):
        replace(scheme, scale_per="block", block_size=16, scale_format=parse("float8_e8m0fnu"))


def test_an_element_is_priced_by_its_luts_times_its_cycles(measured, study, tmp_path):  # noqa: F811
    def ask(**more):
        with ThreadPoolExecutor(1) as executor:
            options = {"executor": executor, "cache_folder": tmp_path, "route": False, **more}
            return list(prices([(E2M1, INT4)], 64, [parse_target("xc7")], **options))

    (exact,), (halves,), (short,) = ask(), ask(element=Halves()), ask(element=Truncated(2), requantizer=False)
    assert (exact.interval, exact.lut_cycles, exact.lut_cycles_with_requantizer) == (1, 100, 400)
    assert (halves.element, halves.interval, halves.luts, halves.lut_cycles) == ("halves", 2, 100, 200)
    assert halves.luts_with_requantizer == 400 and halves.lut_cycles_with_requantizer == 500
    assert (short.element, short.interval) == ("truncated:drop=2", 1)
    assert short.accumulator_bits == exact.accumulator_bits - 2
    assert len({exact.rtl_sha256, halves.rtl_sha256, short.rtl_sha256}) == 3

    scheme = Scheme(weight=E2M1, activation=INT4)
    points = [study.point(replace(scheme, element=element), "integer") for element in (Halves(), scheme.element)]
    points = [replace(point, products=0.0) for point in points]
    assert [(each.price, each.luts) for each in join(points, [exact, halves], "xc7")] == [(halves, 200), (exact, 100)]

    write_prices([exact, halves], tmp_path / "price", [])
    assert read_prices(tmp_path / "price.json")[1] == [exact, halves]
    write_prices([exact], tmp_path / "plain", [])
    assert "element" not in (tmp_path / "plain.csv").read_text()
    assert read_prices(tmp_path / "plain.json")[1] == [Price.from_dict(exact.to_dict())] == [exact]


def test_rtl_of_elements_from_elsewhere_is_never_taken_from_the_cache_unseen():
    assert design_key(priced_unit(Arithmetic(INT4, INT4, Halves()), 64)) is None
    assert design_key(priced_unit(Arithmetic(INT4, INT4), 64)) != design_key(priced_unit(Arithmetic(INT4, E2M1), 64))
