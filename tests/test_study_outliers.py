"""Weights with outliers apart: how they are divided, and that both evaluations have table and outliers."""

import numpy as np
import pytest
from fewbit.formats import parse
from fewbit.study.quantization.outliers import OUTLIERS
from fewbit.study.quantization.scheme import Scheme
from small_studies import study_of_convolutions

INT8 = parse("int8")


def test_outliers_are_those_of_low_density():
    values = np.random.default_rng(1).normal(0.01, 0.05, 4000)
    values[7] = 0.3
    deviation, mean = values.std(), values.mean()
    densities = np.exp(-(((values - mean) / deviation) ** 2) / 2) / (deviation * np.sqrt(2 * np.pi))
    apart = OUTLIERS["gobo3"].fit(values).apart
    assert np.array_equal(apart, densities < np.exp(-4)) and apart[7] and 1 <= apart.sum() < 10


def test_means_move_from_those_of_equal_shares_to_fewer_distances():
    values = np.concatenate([np.full(30, -1.0), np.full(20, 0.0), np.full(20, 0.5), np.full(10, 2.0)])
    found = OUTLIERS["gobo3"].fit(values)
    assert not found.apart.any() and {*found.means.tolist()} == {-1.0, 0.0, 0.5, 2.0}
    step = np.float32(2 / 127)
    assert {*found.integers(values, step).tolist()} == {*found.table(step).integers} == {-64, 0, 32, 127}


def test_no_tensor_is_left_without_means():
    for values in (np.zeros(9), np.full(9, 0.25), np.array([-400.0, 500.0, 900.0])):
        found = OUTLIERS["gobo4"].fit(values)
        step = found.scale(parse("bfloat16"))
        assert not found.apart.any() and np.allclose(found.integers(values, step) * step, values, rtol=2**-7)
        assert found.table(step).width == 4


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return study_of_convolutions(tmp_path_factory.mktemp("net"))


def test_a_network_computes_with_table_and_outliers(study):
    layers = study.quantized(Scheme(weight=OUTLIERS["gobo3"], activation=INT8, scale_per="tensor"))
    exact, fast = (study.outputs(layers, evaluation) for evaluation in ("integer", "float"))
    assert np.abs(exact - fast).max() < 1e-4 * np.abs(exact).max()
    for layer in layers.values():
        found = OUTLIERS["gobo3"].fit(layer.layer.weight)
        values = layer.weights[~found.apart]
        assert {*values.tolist()} <= {*map(float, layer.table.integers)} and layer.table.width == 3
        assert layer.weight_bits == 3 * found.apart.size + 8 * 8 + 32 * found.apart.sum()
    point = study.point(Scheme(weight=OUTLIERS["gobo3"], activation=INT8, scale_per="tensor"), "float")
    assert point.layers == {name: (layer.table.name, "int8") for name, layer in layers.items()}


def test_outliers_are_for_weights_with_a_table_a_layer():
    how = {"weight": OUTLIERS["gobo3"], "activation": INT8}
    with pytest.raises(ValueError, match=r"^scale_per must be tensor for weights that are gobo3, each layer "):
        Scheme(**how)
    with pytest.raises(ValueError, match=r"^techniques must be of smooth, bias for gobo3, not gptq$"):
        Scheme(**how, scale_per="tensor", techniques=("gptq",))
    with pytest.raises(ValueError, match=r"^activation must be a format, not gobo3, which is of weights$"):
        Scheme(weight=INT8, activation=OUTLIERS["gobo3"])
