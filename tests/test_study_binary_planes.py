"""Weights as sums of binary planes: how they are found, and that hardware with blocks adds them up."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from fewbit.formats import Blocks, Engine, Requantization, parse
from fewbit.sim import block_matmul, decode, engine_matmul, spread_activations, spread_planes
from fewbit.study.quantization.binary_planes import PLANES
from fewbit.study.quantization.scheme import Scheme
from fewbit.study.quantization.weight_blocks import stored_blocks
from small_studies import study_of_convolutions

SCALE, INT8 = parse("bfloat16"), parse("int8")
BLOCKS = {"scale_per": "block", "block_size": 16}


def errors(operand, rows):
    return np.square(rows - operand.values(*operand.fit(rows, SCALE)), dtype=np.float64).sum(axis=1)


@pytest.mark.parametrize("name", PLANES)
def test_each_value_is_the_nearest_sum_of_scales(name):
    operand, rows = PLANES[name], np.random.default_rng(3).standard_normal((5, 12)).astype(np.float32)
    codes, scales = operand.fit(rows, SCALE)
    assert codes.shape == (operand.width, 5, 12) and scales.shape == (operand.width, 5)
    bits = (-1.0, 1.0) if operand.bits == "bipolar" else (0.0, 1.0)
    for row, own, found in zip(rows, scales.T, operand.values(codes, scales), strict=True):
        sums = np.array([own @ np.array(each) for each in product(bits, repeat=operand.width)])
        assert np.allclose(np.abs(row - found), np.abs(row[:, None] - sums).min(axis=1), atol=1e-6)


def test_more_planes_lose_less_and_least_squares_less_than_the_beginning():
    rows = np.random.default_rng(4).standard_normal((40, 64)).astype(np.float32)
    total = {name: errors(operand, rows).sum() for name, operand in PLANES.items()}
    assert total["bcq4"] < total["bcq3"] < total["bcq2"] < total["binarydm"] and total["fdb"] < total["binarydm"] * 1.2
    # Max (1960): four levels of a normal distribution lose 0.1175 of its variance, three 0.19, at the best
    assert 0.09 < total["bcq2"] / np.square(rows).sum() < 0.1175


def test_greedy_planes_are_signs_and_mean_magnitudes():
    (row,) = rows = np.array([[1.0, -2.0, 4.0, 0.5]], np.float32)
    codes, scales = PLANES["binarydm"].fit(rows, SCALE)
    first = 7.5 / 4
    rest = row - np.sign(row) * first
    assert np.allclose(scales[:, 0], [first, np.abs(rest).mean()], rtol=2**-8)
    assert np.array_equal(codes[0, 0], row > 0)
    assert PLANES["fdb"].fit(np.array([[2.0, 1.0, 0.0, -1.0]], np.float32), SCALE)[1].ravel().tolist() == [2, -1]


def test_rows_of_one_value_lose_what_scales_are_rounded_by_and_zeros_nothing():
    rows = np.array([[0.5] * 8, [0.0] * 8], np.float32)
    for operand in PLANES.values():
        one, nothing = errors(operand, rows)
        assert one <= 8 * (0.5 * 2.0**-8) ** 2 and nothing == 0


@pytest.mark.parametrize("bits", ["bipolar", "uint1", "uint4"])
def test_blocks_of_planes_are_summed_by_the_golden_model_and_by_an_engine(bits):
    chance, size, k, n, format = np.random.default_rng(5), 16, 40, 3, parse(bits)
    planes, scale = chance.integers(0, 1 << format.width, (2, k, n)), parse("ue3m2")
    if bits == "uint4":
        planes[1] = 1  # the offsets of llama.cpp's Q4_1, which are no multiples of its scales
    stored = chance.integers(0, 32, (2, 3, n))
    x, x_scales = chance.integers(-100, 100, (2, k)) & 255, chance.integers(0, 32, (2, 3))
    blocks = Blocks(size, scale, scale, "exact")
    left, left_scales = spread_activations(x, INT8, 2, size), spread_activations(x_scales, scale, 2, 1)
    right, right_scales = spread_planes(planes, size), spread_planes(stored, 1)
    assert right.shape == (96, n) and right_scales.shape == (6, n)
    found = block_matmul(left, right, left_scales, right_scales, INT8, format, blocks)
    engine = Engine(format, INT8, Requantization(parse("float32")), blocks=blocks, lanes=4, max_k=96)
    codes = engine_matmul(engine, left, right, activation_scale=left_scales, weight_scale=right_scales)
    for i, j in np.ndindex(2, n):
        total = Fraction(0)
        for plane, block in np.ndindex(2, 3):
            part = slice(size * block, min(k, size * (block + 1)))
            dot = sum(
                Fraction(a) * format.value(b)
                for a, b in zip(decode(x[i, part], INT8), planes[plane, part, j], strict=True)
            )
            total += dot * scale.value(stored[plane, block, j]) * scale.value(x_scales[i, block])
        assert found.integers[i, j] * Fraction(2) ** found.lsb_exponent == total
        assert codes[i, j : j + 1].view(np.float32)[0] == np.float32(float(total))


def test_a_block_that_is_not_whole_has_scales_of_its_own_values():
    weight = np.append(np.random.default_rng(6).standard_normal(16), [0.5, -0.5]).astype(np.float32)[:, None]
    codes, scales, points = stored_blocks(weight, None, PLANES["bcq2"], parse("bipolar"), SCALE, 16)
    assert codes.shape == (64, 1) and scales.shape == (4, 1) and points is None
    last = (2.0 * codes[32:].reshape(2, 16) - 1)[:, :2] * decode(scales[2:], SCALE)
    assert last.sum(axis=0).tolist() == [0.5, -0.5]


def test_what_cannot_be_spread_is_refused():
    with pytest.raises(ValueError, match=r"^planes must be of shape \(planes, k, n\), not \(3,\)$"):
        spread_planes([1, 2, 3], 16)
    with pytest.raises(
        ValueError, match=r"^activation must be of a format with a zero to fill up a block, not bipolar$"
    ):
        spread_activations([[1, 0]], parse("bipolar"), 2, 16)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return study_of_convolutions(tmp_path_factory.mktemp("net"))


@pytest.mark.parametrize("name", ["bcq3", "fdb"])
def test_a_network_computes_by_planes(study, name):
    scheme = Scheme(weight=PLANES[name], activation=INT8, **BLOCKS)
    layers = study.quantized(scheme)
    exact, fast = (study.outputs(layers, evaluation) for evaluation in ("integer", "float"))
    assert np.abs(exact - fast).max() < 1e-4 * np.abs(exact).max()
    for layer in layers.values():
        groups, k, n = layer.layer.weight.shape
        assert layer.weights.shape == (groups, k, n)
        assert layer.weight_bits == PLANES[name].width * groups * n * (k + 16 * -(-k // 16))
    corrected = study.quantized(Scheme(weight=PLANES[name], activation=INT8, techniques=("bias",), **BLOCKS))
    assert (
        np.square(study.outputs(corrected, "float") - study.reference).sum() < np.square(fast - study.reference).sum()
    )
    point = study.point(scheme)
    assert point.weight == name and not point.has_pair
    assert {*point.layers.values()} == {(PLANES[name].bits, "int8")}


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (
            {"weight": PLANES["bcq3"], "activation": INT8},
            r"^scale_per must be block for weights that are bcq3, not channel",
        ),
        (
            {"weight": INT8, "activation": PLANES["bcq3"]},
            r"^activation must be a format, not bcq3, which is of weights$",
        ),
        (
            {"weight": PLANES["fdb"], "activation": INT8, **BLOCKS, "scale_format": parse("float8_e8m0fnu")},
            r"^scale_format must have a sign for fdb, not be float8_e8m0fnu$",
        ),
    ],
)
def test_what_planes_are_not_for(how, message):
    with pytest.raises(ValueError, match=message):
        Scheme(**how)
