"""Weights with a zero point for every block: how they are found, and that both evaluations have them."""

import numpy as np
import pytest
from fewbit.formats import parse
from fewbit.study.quantization.scheme import Scheme
from fewbit.study.quantization.zero_points import ZERO_POINTS
from small_studies import study_of_convolutions

SCALE = parse("bfloat16")


def test_a_block_of_one_sign_has_all_codes_on_its_side():
    rows = np.array([[0, 1, 2, 3], [-3, -2, 0, 0], [-1, 0, 1, 2], [0, 0, 0, 0]], np.float32)
    codes, scales, points = ZERO_POINTS["uint2z"].fit(rows, SCALE)
    assert points.tolist() == [0, 3, 1, 0] and scales.tolist() == [1] * 4
    assert np.array_equal(ZERO_POINTS["uint2z"].values(codes, scales, points), rows)


def test_a_narrower_range_is_taken_where_it_loses_less():
    rows = np.array([[0.0, *[1.4, -1.4] * 40, 4]], np.float32)
    codes, scales, points = ZERO_POINTS["uint2z"].fit(rows, SCALE)
    whole = (5.4 / 3, np.rint(1.4 / 1.8))
    values = ((np.clip(np.rint(rows / whole[0]) + whole[1], 0, 3) - whole[1]) * whole[0]).astype(np.float32)
    found = np.square(rows - ZERO_POINTS["uint2z"].values(codes, scales, points)).sum()
    assert scales[0] < whole[0] and found < np.square(rows - values).sum()


def test_a_wider_range_is_taken_where_it_loses_less():
    rows = np.array([[0.0, *[1.125] * 400, 3]], np.float32)
    codes, scales, points = ZERO_POINTS["uint2z"].fit(rows, SCALE)
    assert scales.tolist() == [1.125] and codes.tolist() == [[0, *[1] * 400, 3]] and points.tolist() == [0]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return study_of_convolutions(tmp_path_factory.mktemp("net"))


@pytest.mark.parametrize("scale_format", ["bfloat16", "float8_e4m3fn"])
def test_a_network_computes_with_zero_points(study, scale_format):
    how = {"activation": parse("int8"), "scale_per": "block", "block_size": 16, "scale_format": parse(scale_format)}
    layers = study.quantized(Scheme(weight=ZERO_POINTS["uint4z"], **how))
    exact, fast = (study.outputs(layers, evaluation) for evaluation in ("integer", "float"))
    assert np.abs(exact - fast).max() < 1e-4 * np.abs(exact).max()
    noise = np.square(fast - study.reference).sum()
    plain = study.outputs(study.quantized(Scheme(weight=parse("int3"), **how)), "float")
    assert noise < np.square(plain - study.reference).sum()
    for layer in layers.values():
        groups, k, n = layer.layer.weight.shape
        assert layer.blocks.zero_points and layer.weight_format == parse("int4") and layer.points.any()
        assert layer.weight_bits == groups * n * (4 * k + (layer.blocks.weight_scale.width + 4) * -(-k // 16))


def test_zero_points_are_for_weights_in_blocks():
    with pytest.raises(ValueError, match=r"^scale_per must be block for weights that are uint4z, not channel "):
        Scheme(weight=ZERO_POINTS["uint4z"], activation=parse("int8"))
    with pytest.raises(ValueError, match=r"^activation must be a format, not uint4z, which is of weights$"):
        Scheme(weight=parse("int8"), activation=ZERO_POINTS["uint4z"])
