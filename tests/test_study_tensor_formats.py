"""Formats that are found for each tensor: k-means against all divisions, ANT's choice against each of its types."""

import json
from itertools import combinations
from pathlib import Path

import networks
import numpy as np
import pytest
from fewbit.cli.app import run
from fewbit.cli.study.layers import _bits
from fewbit.formats import Integer, parse
from fewbit.formats.kinds.codebook import Codebook
from fewbit.study.measurement.evaluate import Study
from fewbit.study.measurement.point import Point
from fewbit.study.network import grid
from fewbit.study.network.network import Network, Samples
from fewbit.study.quantization.block_layer import BlockLayer
from fewbit.study.quantization.kmeans import codebook, means
from fewbit.study.quantization.scales import best_scales
from fewbit.study.quantization.scheme import Scheme
from fewbit.study.quantization.tensor_formats import Rows, operand_pairs, parse_operand, parse_operands

SCALE, INT8 = parse("bfloat16"), parse("int8")


def of_squares(values, weights, centers):
    return float((weights * np.abs(values[:, None] - centers).min(axis=1) ** 2).sum())


@pytest.mark.parametrize("seed", range(4))
def test_means_are_those_of_the_best_of_all_divisions(seed):
    chance = np.random.default_rng(seed)
    values, weights = chance.standard_normal(13), chance.random(13)
    found = means(values, weights, 4)
    nearest = np.abs(values[:, None] - found).argmin(axis=1)
    own = [np.average(values[nearest == each], weights=weights[nearest == each]) for each in range(len(found))]
    assert np.allclose(found, own, atol=1e-6) and len(found) == 4
    order = np.argsort(values)
    divisions = [np.split(order, cuts) for cuts in combinations(range(1, 13), 3)]
    best = min(
        of_squares(values, weights, np.array([np.average(values[part], weights=weights[part]) for part in division]))
        for division in divisions
    )
    assert of_squares(values, weights, found) == pytest.approx(best)


def test_many_values_are_divided_in_bins_first_and_then_one_by_one():
    chance = np.random.default_rng(5)
    values = chance.standard_normal(3000)
    found = means(values, np.ones(3000), 8)
    nearest = np.abs(values[:, None] - found).argmin(axis=1)
    assert np.allclose(found, [values[nearest == each].mean() for each in range(8)])
    # Max (1960): eight levels of a normal distribution have a mean squared error of 0.03454
    assert of_squares(values, np.ones(3000), found) / 3000 / values.var() == pytest.approx(0.0345, abs=0.001)


def test_groups_apart_are_found_and_values_without_weight_are_not_followed():
    values = np.array([-9.0, -9.2, 0.0, 0.1, 4.0, 4.2, 100.0])
    weights = np.array([1.0, 1, 1, 1, 1, 1, 0])
    assert np.allclose(means(values[:6], weights[:6], 3), [-9.1, 0.05, 4.1])
    assert means(np.zeros(5), np.ones(5), 4).tolist() == [0]


def test_a_table_has_integers_of_8_bits_and_as_many_as_codes():
    chance = np.random.default_rng(3)
    found = codebook(chance.standard_normal(1000), np.ones(1000), 4)
    assert found.width == 4 and [*found.table] == sorted(found.table) and len({*found.table}) == 16
    assert max(map(abs, found.table)) << found.exponent == 127
    few = codebook(np.array([1.0, -1.0, 1.0]), np.ones(3), 3)
    assert few.table == (-127,) + (127,) * 7
    for alone in (np.zeros(3), np.ones(3), -np.ones(3)):
        assert len({*codebook(alone, np.ones(3), 2).table}) == 2
    near = codebook(1 + np.arange(9) * 1e-4, np.ones(9), 2)
    assert near.table == (0, 127, 127, 127)  # means that are one integer are one value


@pytest.mark.parametrize("width", [2, 4, 8])
def test_flint_without_a_sign_is_what_its_intervals_say(width):
    """ANT's flint_value: an interval of exponents has the fewer fraction bits, the farther it is from 1."""
    unit = 2 ** (width - 1)
    fractions = {-exponent: width - 1 - exponent for exponent in range(1, width)} | {0: width - 2}
    fractions |= {exponent: width - 2 - exponent for exponent in range(1, width - 1)}
    intervals = [
        unit * 2.0**exponent * (1 + step / 2**bits) for exponent, bits in fractions.items() for step in range(2**bits)
    ]
    assert [value for value, _ in parse(f"uflint{width}").ordered] == sorted([0, *intervals, unit * 2 ** (width - 1)])


def test_the_type_of_least_error_is_chosen():
    chance = np.random.default_rng(8)
    even, normal = chance.uniform(-1, 1, 500), chance.standard_normal(500)
    powers = chance.choice([-1, 1], 500) * np.exp2(chance.integers(0, 7, 500))
    chosen = {}
    for name, values in {"even": even, "normal": normal, "powers": powers, "positive": np.abs(normal)}.items():
        rows = Rows(values.astype(np.float32).reshape(1, -1), SCALE)
        ant = parse_operand("ant4")
        found = ant.format([rows])
        errors = {}
        for type in ant.types(signed=name != "positive"):
            scale = best_scales(rows.values, type, SCALE, axis=0)
            errors[type] = np.square(rows.values - grid.round_to(rows.values / scale, type) * scale, dtype=float).sum()
        assert errors[found] == min(errors.values())
        chosen[name] = found.name
    assert chosen == {"even": "int4", "normal": "e2m1", "powers": "pow2_4z", "positive": "uint4"}
    assert [str(type) for type in parse_operand("ant8").types(True)] == [
        *("int8", "e2m5", "e3m4", "e4m3", "e5m2", "flint8")
    ]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    file = tmp_path_factory.mktemp("net") / "net.onnx"
    file.write_bytes(networks.attention())
    samples = Samples({"tokens": np.random.default_rng(2).standard_normal((8, 6, 16)).astype(np.float32)})
    return Study(Network("net", "", Path(file), lambda: samples, lambda: samples, ("sqnr",)), threads=1)


@pytest.mark.parametrize("how", [{}, {"scale_per": "tensor"}, {"scale_per": "block", "block_size": 16}])
def test_every_tensor_has_its_own_table(study, how):
    found = {
        name: study.quantized(Scheme(weight=parse_operand(name), activation=INT8, **how))
        for name in ("kmeans4", "int4", "nf4")
    }
    layers = found["kmeans4"]
    tables = [layer.weight_format for layer in layers.values() if layer.codes is not None]
    assert all(isinstance(table, Codebook) and table.width == 4 for table in tables) and len({*tables}) == 4
    assert layers["scores"].weight_format == layers["scores"].activation_format == INT8
    for name in ("make_q", "make_k", "make_v", "head"):
        errors = {kind: of_results(each[name], study.statistics.gram[name]) for kind, each in found.items()}
        assert min(errors, key=errors.get) == "kmeans4"


def of_results(layer, gram):
    """The squared error of a layer's results."""
    values = grid.values(layer.codes, layer.weight_format)
    if isinstance(layer, BlockLayer):
        values = values * np.repeat(grid.values(layer.scales, SCALE), 16, axis=1)
    else:
        values = values * (layer.scale / layer.divisor)
    error = layer.layer.weight - values
    return np.einsum("gkn,gkj,gjn->", error, gram, error)


def test_a_point_tells_the_formats_of_layers_and_the_integer_evaluation_has_them(study):
    scheme = Scheme(weight=parse_operand("ant4"), activation=parse_operand("ant8"))
    layers = study.quantized(scheme)
    # shares are never negative, the columns beside them are, and both have one format
    assert layers["mix"].activation_format.signed and layers["mix"].weight_format == layers["mix"].activation_format
    point = study.point(scheme)
    assert (point.weight, point.activation) == ("ant4", "ant8") and not point.has_pair and not point.is_plain
    assert point.layers == {
        name: (str(each.weight_format), str(each.activation_format)) for name, each in layers.items()
    }
    assert Point.from_dict(point.to_dict()) == point
    exact, fast = (study.outputs(layers, evaluation) for evaluation in ("integer", "float"))
    assert np.abs(exact - fast).max() < 1e-5


@pytest.mark.parametrize("name", ["int4", "bitmod4", "kmeans4", "bcq3", "fdb", "uint4z"])
def test_budgets_count_the_bits_that_layers_have(study, name):
    scheme = Scheme(weight=parse_operand(name), activation=INT8, scale_per="block", block_size=16)
    for layer in study.quantized(scheme).values():
        assert layer.weight_bits == _bits(layer.layer.weight, scheme.weight, scheme)


@pytest.mark.slow
def test_layers_choose_among_formats_that_need_blocks(tmp_path, capsys):
    (tmp_path / "net.onnx").write_bytes(networks.attention())
    tokens = np.random.default_rng(2).standard_normal((4, 6, 16)).astype(np.float32)
    np.savez(tmp_path / "samples.npz", tokens=tokens)
    files = [f"--{name}={tmp_path / 'samples.npz'}" for name in ("calibration", "test")]
    asked = ["--model", str(tmp_path / "net.onnx"), *files, "--metric", "sqnr", "--weight", "bitmod4,uint4z,fdb"]
    blocks = ["--scale-per", "block", "--block-size", "16", "--scale-format", "float16"]
    options = ["--activation", "int8", "--cost", "bits", "--budget", "5.5", "--jobs", "1", "--out", str(tmp_path)]
    assert run(["study", "layers", *asked, *blocks, *options]) == 0
    assert "uniform" in capsys.readouterr().out
    point = json.loads((tmp_path / "layers.json").read_text())["points"][0]
    assert {weight for weight, _ in point["layers"].values()} <= {"bitmod4", "int4", "uint1", "int8"}
    assert run(["study", "layers", *asked, *blocks, "--budget", "100"]) == 2
    assert "cost must be bits with scale_per block, not 'luts'" in capsys.readouterr().err


def test_names_and_what_is_refused():
    assert [*map(str, parse_operands("3bit,kmeans3, ant4,int4"))] == ["int3", "e1m1", "e2m0", "kmeans3", "ant4", "int4"]
    assert parse_operands([Integer(4), "ant4"]) == [Integer(4), parse_operand("ant4")]
    assert operand_pairs("kmeans4", "int8") == [(parse_operand("kmeans4"), INT8)]
    assert operand_pairs("ant4") == [(parse_operand("ant4"),) * 2]
    with pytest.raises(ValueError, match=r"^format must be kmeans2, .* or kmeans6, not 'kmeans7'"):
        parse_operands("kmeans7")
    with pytest.raises(ValueError, match=r"^activation must be a format with scale_per block, not ant8$"):
        Scheme(weight=INT8, activation=parse_operand("ant8"), scale_per="block", block_size=32)
