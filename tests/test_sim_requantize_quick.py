"""Requantizing by float64, where that is exact, beside the long way."""

import sys

import numpy as np
from each_of import each_of
from fewbit.formats import Requantization, parse
from fewbit.sim import Exact, requantize, requantize_floats


@each_of("output", ["int8", "uint4", "e4m3", "e2m1", "float8_e4m3fn", "bfloat16", "float16", "float32"])
@each_of("scale", [None, "float32", "bfloat16", "float8_e8m0fnu", "e3m4", "e6m1"])
@each_of("relu", [False, True])
def test_the_quick_way_by_float64_gives_what_the_long_one_gives(output, scale, relu, monkeypatch):
    """Bits of all lengths on either side of what float64 holds; scales of every code, and of both signs."""
    random = np.random.default_rng(12)
    for bits in (4, 20, 28, 29, 30, 44, 45, 46, 52):
        sums = random.integers(-(1 << bits), (1 << bits) + 1, 3000) >> random.integers(0, bits, 3000)
        how = Requantization(parse(output), scale=parse(scale) if scale else None, bias_bits=12, relu=relu)
        codes = random.integers(0, 1 << how.scale.width, 3000) if scale else None
        given = {"scale": codes, "bias": random.integers(-2048, 2048, 3000)}
        for exponent in (-4, 0, -140):
            exact = Exact(sums, exponent)
            found = requantize(exact, how, **given)
            with monkeypatch.context() as patch:
                patch.setattr(sys.modules["fewbit.sim.requantize"], "_quick", lambda *arguments: None)
                assert np.array_equal(found, requantize(exact, how, **given))


def test_products_next_to_a_tie_are_rounded_to_its_side(monkeypatch):
    """Products of up to 77 bits, one unit off the middle of two results: float64 rounds them to the middle."""
    random = np.random.default_rng(4)
    sums, scales = [], []
    while len(sums) < 200:
        scale = int(random.integers(1 << 23, 1 << 24)) | 1
        for off in (-1, 1):
            middle = -off * pow(1 << 52, -1, scale) % scale
            middle += ((1 << 24) - middle + scale - 1) // scale * scale
            middle += scale * (middle % 2 == 0)
            integer, rest = divmod((middle << 52) + off, scale)
            assert not rest
            if middle < 1 << 25 and integer < 1 << 53:
                sums.append(integer * (-1) ** len(sums))
                scales.append(scale)
    how = Requantization(parse("float32"), scale=parse("float32"))
    exact = Exact(np.array(sums), -60)
    codes = np.array(scales, np.float32).view(np.uint32)
    assert requantize_floats(exact.integers, 1 << 53, -60, how, scale=codes) is None
    found = requantize_floats(exact.integers, (1 << 53) - 1, -60, how, scale=codes)
    with monkeypatch.context() as patch:
        patch.setattr(sys.modules["fewbit.sim.requantize"], "_quick", lambda *arguments: None)
        np.testing.assert_array_equal(found, requantize(exact, how, scale=codes))


def test_a_single_sum_is_rounded_as_one_of_many():
    """Next to ties, of normal numbers and of subnormal ones: float64 alone would round some of them twice."""
    random = np.random.default_rng(6)
    how = Requantization(parse("float32"), scale=parse("float32"))
    for exponent in (-50, -210, -220):
        for scale in (random.integers(1 << 22, 1 << 23, 40) * 2 + 1).tolist():
            middle = int(random.integers(1 << 23, 1 << 24)) * 2 + 1
            sum_, code = np.asarray(((middle << 50) + scale // 2) // scale), np.float32(scale).view(np.uint32)
            (expected,) = requantize(Exact(sum_.reshape(1), exponent), how, scale=code)
            found = requantize(Exact(sum_, exponent), how, scale=code)
            assert found.shape == () and found == expected


def test_a_negative_sum_by_a_scale_of_zero_is_an_exact_zero():
    """Where no scale has a sign as well as where one has: the zero is the positive one."""
    for scale, codes in (("float32", [0, 0]), ("uint8", [0, 3]), ("e3m4", [0, 0x80])):
        how = Requantization(parse("e4m3"), scale=parse(scale))
        assert requantize(Exact(np.array([-5, 0]), 0), how, scale=np.array(codes)).tolist() == [0, 0]
