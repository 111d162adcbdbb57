"""What a point says of its hardware and of the data that it moves, by figures worked out by hand."""

import json
from dataclasses import replace
from pathlib import Path

import networks
import numpy as np
import pytest
from fewbit.formats import Accumulator, Blocks, parse
from fewbit.study.measurement.evaluate import Study, _needed_bits
from fewbit.study.measurement.point import Point
from fewbit.study.measurement.scores import unpacked
from fewbit.study.network.layer import Layer
from fewbit.study.network.network import Network, Samples
from fewbit.study.quantization.block_layer import BlockLayer
from fewbit.study.quantization.quantize import QuantizedLayer
from fewbit.study.quantization.scheme import Scheme
from onnx import helper

INT4, E2M1 = parse("int4"), parse("e2m1")


def layer_of(*columns, bias=None, format=INT4):
    """Weights that are these integers, for activations in a format."""
    codes = np.array(columns).T[None] & 15
    layer = Layer("layer", "x", np.zeros(codes.shape, np.float32), None, None, "y")
    one = np.float32(1)
    return QuantizedLayer(layer, INT4, format, codes, one, None, one, bias, None)


@pytest.mark.parametrize(
    "columns, format, bits",
    [
        # 3 * 7 + 2 * 8 = 37 and -(3 * 8 + 2 * 7) = -38
        ([(3, -2)], "int4", 7),
        # 64 and -56: 64 takes 7 bits and a sign; the other column 8 less
        ([(-8,), (-7,)], "int4", 8),
        # -64 fits 7 bits
        ([(8 - 1, 1)], "int4", 7),
        # codes of uint4 are 0 to 15: 45 and -30
        ([(3, -2)], "uint4", 7),
        # no sum is negative: 75 without a sign
        ([(3, 2)], "uint4", 7),
        # e2m1 is -12 to 12 halves: 60 both ways
        ([(3, -2)], "e2m1", 7),
    ],
)
def test_bits_that_weights_need(columns, format, bits):
    assert _needed_bits(layer_of(*columns, format=parse(format)), len(columns[0])) == bits


def test_the_bias_is_the_requantizers():
    assert _needed_bits(layer_of((3, -2), bias=np.array([1 << 40])), 2) == 7


def test_all_weights_at_the_end_of_their_range_need_what_any_do():
    for format in (INT4, E2M1, parse("uint4")):
        full = layer_of((-8,) * 20, format=format)
        assert _needed_bits(full, 20) == Accumulator(INT4, format, 20).width


def test_products_of_activations_need_what_any_do():
    layer = Layer("scores", "q", None, "k", None, "s")
    one = np.float32(1)
    assert _needed_bits(QuantizedLayer(layer, INT4, INT4, None, one, one, one, None, None), 20) == 12  # 20 * 64 = 1280


def test_in_blocks_a_block_is_summed():
    """20 ones by int4: 20 * -8 = -160 takes 9 bits, 16 * -8 = -128 takes 8."""
    plain = layer_of((1,) * 20)
    blocks = Blocks(16, parse("bfloat16"), parse("bfloat16"), "float32")
    scales = np.zeros((1, 2, 1), np.int64)
    ones = (np.float32(1), np.float32(1))
    block = BlockLayer(plain.layer, INT4, INT4, plain.codes, scales, blocks, ones, None, None)
    assert (_needed_bits(plain, 20), _needed_bits(block, 20)) == (9, 8)
    assert block.weight_bits == 20 * 4 + 2 * 16
    assert replace(block, weight_format=parse("bitmod4")).weight_bits == 20 * 4 + 2 * (16 + 2)


def measured(content, name, shape, tmp_path, **options):
    (tmp_path / "net.onnx").write_bytes(content)
    samples = Samples({name: np.random.default_rng(2).standard_normal((4, *shape)).astype(np.float32)})
    network = Network("net", "", Path(tmp_path / "net.onnx"), lambda: samples, lambda: samples, ("sqnr",))
    return Study(network, threads=1).point(Scheme(**options))


BLOCKS = {"scale_per": "block", "block_size": 16, "scale_format": parse("float8_e8m0fnu")}


def test_convolutions_in_blocks_move_their_patches_and_scales(tmp_path):
    formats = {"weight": INT4, "activation": parse("e3m2")}
    point = measured(networks.convolutions(), "image", (1, 8, 8), tmp_path, **formats, **BLOCKS)
    rows = {  # patches of one sample, values of each, blocks of each
        **{"plain": (64, 9, 1), "depthwise": (8 * 16, 9, 1), "dilated": (16, 72, 5)},
        **{"pointwise": (16, 8, 1), "linear": (1, 256, 16)},
    }
    assert point.activation_bits == sum(count * (6 * values + 8 * blocks) for count, values, blocks in rows.values())
    columns = {"plain": 8, "depthwise": 8, "dilated": 16, "pointwise": 16, "linear": 10}
    assert point.weight_bits == sum(columns[name] * (4 * k + 8 * blocks) for name, (_, k, blocks) in rows.items())
    # 16 products of up to 8 and 7 * 2**6, in units of 2**-4
    assert (point.longest_dot, point.accumulator_bits) == (256, (16 * 8 * 448 - 1).bit_length() + 1)
    assert point.needed_accumulator_bits <= point.accumulator_bits


def test_attention_in_blocks_moves_each_rounding_of_a_tensor_once(tmp_path):
    point = measured(networks.attention(), "tokens", (6, 16), tmp_path, weight=E2M1, activation=E2M1, **BLOCKS)
    long, short = 16 * 4 + 8, 6 * 4 + 8
    # tokens for three layers at once; rows of q and columns of k; rows of the shares and columns of v; the mean
    assert point.activation_bits == 6 * long + (6 + 6) * long + (6 + 16) * short + long
    whole = measured(networks.attention(), "tokens", (6, 16), tmp_path, weight=E2M1, activation=E2M1)
    assert whole.activation_bits == 4 * (96 + 96 + 96 + 36 + 96 + 16)
    assert whole.weight_bits == 4 * (3 * 256 + 160) and point.weight_bits == whole.weight_bits + 8 * (3 * 16 + 10)


def test_a_point_knows_its_network(tmp_path):
    formats = {"weight": INT4, "activation": INT4}
    first = measured(networks.attention(), "tokens", (6, 16), tmp_path, **formats)
    again = measured(networks.attention(), "tokens", (6, 16), tmp_path, **{**formats, "weight": E2M1})
    other = measured(networks.attention(seed=9), "tokens", (6, 16), tmp_path, **formats)
    assert first.network_hash == again.network_hash != other.network_hash and len(first.network_hash) == 64


@pytest.mark.parametrize(
    "wrong",
    [
        *({"techniques": 5}, {"metrics": None}, {"layers": [1]}, {"metric": "other"}, {"float32": {}}),
        *({"standard_errors": {}}, {"samples": "x"}, {"macs": None}, {"scale_per": "row"}, {"unknown": 1}),
    ],
    ids=str,
)
def test_what_is_no_point_is_refused(wrong, tmp_path):
    point = measured(networks.attention(), "tokens", (6, 16), tmp_path, weight=INT4, activation=INT4)
    assert Point.from_dict(json.loads(json.dumps(point.to_dict()))) == point
    with pytest.raises(ValueError, match="a point must have"):
        Point.from_dict({**point.to_dict(), **wrong})


def test_what_a_sum_waits_with_is_held_in_float32(tmp_path):
    """The sum reads r behind b, and the end reads s behind c. Only layers read x, which is held as codes."""
    random = np.random.default_rng(1)
    weights = [networks.tensor(random, name, 16, 16) for name in ("w1", "w2", "w3")]
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["a"]),
        helper.make_node("Relu", ["a"], ["r"]),
        helper.make_node("MatMul", ["r", "w2"], ["b"]),
        helper.make_node("Add", ["r", "b"], ["s"]),
        helper.make_node("MatMul", ["x", "w3"], ["c"]),
        helper.make_node("Concat", ["c", "s"], ["y"], axis=-1),
    ]
    formats = {"weight": INT4, "activation": INT4}
    with_sum = networks.as_bytes(nodes, ["y"], weights, {"x": ["batch", 5, 16]})
    point = measured(with_sum, "x", (5, 16), tmp_path, **formats)
    assert (point.held_bits, point.activation_bits) == (2 * 5 * 16 * 32, 2 * 5 * 16 * 4)
    straight = networks.as_bytes(nodes[:3], ["b"], weights, {"x": ["batch", 5, 16]})
    point = measured(straight, "x", (5, 16), tmp_path, **formats)
    assert (point.held_bits, point.activation_bits) == (0, 2 * 5 * 16 * 4)


def test_a_point_has_the_score_of_every_sample(tmp_path):
    (tmp_path / "net.onnx").write_bytes(networks.convolutions())
    images = np.random.default_rng(2).standard_normal((6, 1, 8, 8)).astype(np.float32)
    samples = Samples({"image": images}, np.arange(6), np.array([7, 7, 1 << 40, 3, 3, 7]))
    network = Network("net", "", Path(tmp_path / "net.onnx"), lambda: samples, lambda: samples, ("agreement", "sqnr"))
    point = Study(network).point(Scheme(weight=INT4, activation=INT4))
    again = Point.from_dict(json.loads(json.dumps(point.to_dict())))
    assert unpacked(again.scores).mean() == point.accuracy and set(unpacked(again.scores)) <= {0, 1}
    assert list(unpacked(again.clusters)) == [1, 1, 2, 0, 0, 1]
    noise = Study(replace(network, metrics=("sqnr",))).point(Scheme(weight=INT4, activation=INT4))
    assert noise.scores == ""
