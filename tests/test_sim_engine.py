"""The golden model of the whole engine, the packing of its streams, and what they refuse."""

from fractions import Fraction

import numpy as np
import pytest
from fewbit.formats import Blocks, Engine, Requantization, parse
from fewbit.sim import engine_cycles, engine_matmul, lfsr_words, pack, unpack, zero_point_bias

INT8, UINT8 = parse("int8"), parse("uint8")
SCALE = parse("float8_e4m3fn")
PER_COLUMN = Engine(INT8, INT8, Requantization(INT8, scale=SCALE, bias_bits=8), scale_per="channel", max_k=4)
PER_TENSOR = Engine(INT8, INT8, Requantization(INT8, scale=SCALE, zero_point=True), weight_zero_point=True, max_k=4)
MX = Engine(
    parse("e2m1"),
    parse("e2m1"),
    Requantization(parse("bfloat16")),
    blocks=Blocks(16, parse("float8_e8m0fnu"), parse("float8_e8m0fnu")),
)
A, W = np.array([[1, 2, 3], [4, 5, 6]]), np.array([[1, 2], [3, 4], [5, 6]])
ONE = 0x38


@pytest.mark.parametrize("seed", range(5))
def test_zero_points_are_those_of_the_formula(seed):
    rng = np.random.default_rng(seed)
    how = Requantization(parse("int16"), bias_bits=32)
    engine = Engine(UINT8, UINT8, how, weight_zero_point=True, max_k=40)
    m, k, n = rng.integers(1, 20, 3)
    a, w = rng.integers(0, 256, (m, k)), rng.integers(0, 256, (k, n))
    za, zw = (int(point) for point in rng.integers(0, 256, 2))
    bias = zero_point_bias(w, UINT8, za, zw)
    assert np.array_equal(bias, zero_point_bias(w, UINT8, np.uint8(za), np.uint8(zw)))
    found = engine_matmul(engine, a, w, bias=bias, weight_zero_point=zw).view(np.int16)
    exact = (a - za) @ (w - zw)
    assert np.array_equal(found, np.clip(exact, -(1 << 15), (1 << 15) - 1))


def test_weight_zero_point_and_bias_at_their_extremes():
    how = Requantization(parse("int16"), scale=parse("dyadic1s2"), bias_bits=16)
    engine = Engine(UINT8, UINT8, how, weight_zero_point=True, max_k=1)
    found = engine_matmul(engine, [[255]], [[0]], scale=1 | 2 << 1, bias=[-(1 << 15)], weight_zero_point=255)
    assert found.view(np.int16) == Fraction(255 * -255 - (1 << 15), 4).__round__()


REFUSED = [
    (PER_COLUMN, {"scale": [ONE, ONE]}, "bias of the outputs must be given for this engine"),
    (
        PER_COLUMN,
        {"scale": [ONE], "bias": [0, 0]},
        "scale must be one, or one for each of 2 columns, not of shape (1,)",
    ),
    (PER_COLUMN, {"scale": [300, ONE], "bias": [0, 0]}, "code must be 0 to 255 for float8_e4m3fn, not 300"),
    (PER_COLUMN, {"scale": ONE, "bias": [0, 128]}, "bias must be integers of -128 to 127"),
    (PER_COLUMN, {"scale": ONE, "bias": [0.5, 1]}, "bias must be integers of -128 to 127"),
    (PER_TENSOR, {"scale": [ONE, ONE], "zero_point": 0, "weight_zero_point": 0}, "scale must be one for all outputs"),
    (PER_TENSOR, {"scale": ONE, "zero_point": 0}, "weight_zero_point of the outputs must be given"),
    (PER_TENSOR, {"scale": ONE, "zero_point": 0, "weight_zero_point": 128}, "weight_zero_point must be -128 to 127"),
    (PER_TENSOR, {"scale": ONE, "zero_point": 0, "weight_zero_point": 0, "earlier": -1}, "earlier must be 0 or more"),
    (PER_TENSOR, {"activation_scale": [[0]]}, "activation_scale of blocks must be left out"),
    (MX, {}, "activation_scale of blocks must be given"),
]


@pytest.mark.parametrize(("engine", "arguments", "sentence"), REFUSED)
def test_what_the_engine_cannot_do_is_refused(engine, arguments, sentence):
    with pytest.raises(ValueError, match="must") as refusal:
        engine_matmul(engine, A, W, **arguments)
    assert sentence in str(refusal.value)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"bias": [500, 0], "scale": ONE}, "bias must be integers of -128 to 127"),
        ({"bias": [1.7, 0], "scale": ONE}, "bias must be integers of -128 to 127"),
        ({"bias": [0, 0], "scale": -1}, "code must be 0 to 255"),
        ({"bias": [0, 0]}, "scale of every column must be given"),
    ],
)
def test_pack_refuses_what_does_not_fit(arguments, sentence):
    with pytest.raises(ValueError, match="must") as refusal:
        pack(PER_COLUMN, A, W, **arguments)
    assert sentence in str(refusal.value)


@pytest.mark.parametrize("words", [np.zeros(4), np.zeros((4, 1), int), np.zeros(4, np.uint8)])
def test_unpack_refuses_what_are_no_words(words):
    with pytest.raises(ValueError, match="words must be uint8 of"):
        unpack(PER_COLUMN, words, 2, 2)


@pytest.mark.parametrize("size", [(2, 5), (0, 3)])
def test_sizes_that_the_engine_refuses(size):
    with pytest.raises(ValueError, match="k must be 1 to 4"):
        pack(PER_COLUMN, np.zeros(size, int), np.zeros((size[1], 2), int), scale=ONE, bias=0)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: zero_point_bias(W, parse("e4m3"), 1), "weight_format must be int{N} or uint{N}, not e4m3"),
        (lambda: zero_point_bias(W, INT8, 1.5), "activation_zero_point must be an integer, not 1.5"),
        (lambda: lfsr_words(1.5, 3), "seed must be 1 to"),
        (lambda: lfsr_words(1, 1.5), "count must be 0 or more, not 1.5"),
        (lambda: engine_cycles(PER_COLUMN, 1, 1.5, 1, {}), "k must be 1 to 4, not 1.5"),
        (lambda: engine_cycles(PER_COLUMN, 1, 1, 1, {}), "latencies must have array and requantize"),
        (lambda: Engine(INT8, INT8, None), "requantization must be a Requantization, not None"),
        (lambda: Engine(INT8, INT8, PER_COLUMN.requantization, blocks=16), "blocks must be Blocks or None, not 16"),
        (lambda: Engine(INT8, INT8, PER_COLUMN.requantization, bus_bits="8"), "bus_bits must be a multiple of 8"),
        (lambda: Engine(INT8, INT8, PER_COLUMN.requantization, rows=True), "rows must be 1 to 64, not True"),
        (lambda: Requantization(INT8, bias_bits="a"), "bias_bits must be 0 to 64, not 'a'"),
        (lambda: Requantization(INT8, relu="no"), "relu must be True or False, not 'no'"),
    ],
)
def test_wrong_arguments(call, sentence):
    with pytest.raises(ValueError, match="must") as refusal:
        call()
    assert sentence in str(refusal.value)
