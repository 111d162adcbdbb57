"""The quicker way to the sums of a convolution, against patches that the golden model multiplies as codes."""

import numpy as np
from each_of import each_of
from fewbit.formats import Arithmetic, parse
from fewbit.sim import decode, model_of
from fewbit.study.network.layer import Convolution
from fewbit.study.network.patches import image, patches
from fewbit.study.quantization.convolve import float_convolution

SHAPES = {
    "plain": (Convolution((3, 3), (1, 1), (1, 1), ((1, 0), (2, 1)), 1), 4, 5, (7, 6)),
    "grouped": (Convolution((3, 2), (2, 1), (1, 2), ((0, 1), (1, 1)), 3), 6, 2, (8, 7)),
    "depthwise": (Convolution((3, 3), (2, 2), (1, 1), ((1, 1), (1, 1)), 5), 5, 1, (9, 9)),
    "depthwise, wide": (Convolution((2, 3), (1, 2), (2, 1), ((1, 0), (1, 1)), 5), 5, 1, (6, 40)),
    "depthwise, apart": (Convolution((3, 2), (2, 3), (2, 3), ((2, 1), (0, 2)), 3), 3, 1, (9, 12)),
    "depthwise of one axis": (Convolution((4,), (3,), (2,), ((1, 2),), 4), 4, 1, (23,)),
    "depthwise of three axes": (
        Convolution((2, 2, 3), (1, 2, 2), (2, 1, 1), ((0, 0), (1, 0), (1, 2)), 3),
        3,
        1,
        (5, 4, 6),
    ),
    "depthwise, two results a channel": (Convolution((3, 3), (1, 1), (1, 1), ((1, 1), (1, 1)), 4), 4, 2, (5, 5)),
    "pointwise": (Convolution((1, 1), (2, 2), (1, 1), ((0, 0), (0, 0)), 1), 7, 3, (6, 5)),
    "of one axis": (Convolution((5,), (2,), (2,), ((3, 3),), 2), 4, 3, (17,)),
    "of three axes": (Convolution((2, 1, 3), (1, 2, 1), (1, 1, 1), ((0, 1), (0, 0), (1, 1)), 1), 3, 2, (3, 4, 5)),
}


def finite(format, shape, random):
    codes = [code for code in range(1 << format.width) if format.special(code) is None]
    return random.choice(np.array(codes, dtype=np.uint8), shape)


@each_of("shape", SHAPES)
@each_of("pair", ["int8 int8", "e2m1 int4", "e4m3 e4m3", "bipolar float8_e4m3fn"])
def test_sums_are_those_of_patches(shape, pair):
    convolution, channels, n, sizes = SHAPES[shape]
    arithmetic = Arithmetic(*map(parse, pair.split()))
    random = np.random.default_rng(7)
    left = finite(arithmetic.activation, (3, channels, *sizes), random)
    groups, k = convolution.groups, channels // convolution.groups * int(np.prod(convolution.kernel))
    weights = finite(arithmetic.weight, (groups, k, n), random)
    border = np.asarray(finite(arithmetic.activation, (), random))
    floats = float_convolution(arithmetic, weights, convolution, float(decode(border, arithmetic.activation)))
    assert floats is not None
    found = floats.sums(decode(left, arithmetic.activation).astype(np.float32))
    expected = model_of(arithmetic).matmul(patches(left, convolution, border), weights, arithmetic)
    assert np.abs(found).max() <= floats.bound
    np.testing.assert_array_equal(found, image(expected.integers, convolution, sizes, 3))


def test_it_is_not_taken_where_floats_do_not_hold_every_sum():
    convolution, _, n, _ = SHAPES["plain"]
    weights = np.full((1, 36, n), 0x3F, np.uint8)
    assert float_convolution(Arithmetic(parse("e6m1"), parse("e5m2")), weights, convolution, 0.0) is None
    weights[0, 2, 1] = 0x7F
    assert float_convolution(Arithmetic(parse("float8_e4m3fn"), parse("int8")), weights, convolution, 0.0) is None
