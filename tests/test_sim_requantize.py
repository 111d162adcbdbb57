"""Requantizing against exact fractions: every policy, every kind of scale, sums of any length; and against peers."""

from fractions import Fraction
from itertools import pairwise
from math import floor
from typing import Any
from zlib import crc32

import ml_dtypes
import numpy as np
import pytest
from each_of import each_of
from fewbit.formats import (
    Format,
    Integer,
    Minifloat,
    Overflow,
    Requantization,
    Rounding,
    Specials,
    catalog,
    parse,
)
from fewbit.sim import Exact, decode, dequantize, dyadic_codes, encode, lfsr_words, matmul, requantize
from fewbit.sim.rounding import normalize, normalize_large, normalize_pair
from requantize_reference import expect, read, real, sums

DYADIC = parse("dyadic16s5")


# Of bfloat16's and float16's kind, with few enough codes to list them all.
SHORT_BFLOAT = Minifloat(8, 3, specials=Specials.IEEE, alias="short_bfloat")
SHORT_FLOAT = Minifloat(5, 5, specials=Specials.IEEE, alias="short_float")


OUTPUTS = [
    ("int8", Overflow.SATURATE),
    ("int8s", Overflow.SATURATE),
    ("int3", Overflow.WRAP),
    ("int11", Overflow.WRAP),
    ("uint8", Overflow.SATURATE),
    ("uint4", Overflow.WRAP),
    ("sm4", Overflow.SATURATE),
    ("e2m1", Overflow.SATURATE),
    ("e3m0", Overflow.SATURATE),
    ("ue2m2", Overflow.SATURATE),
    ("e4m3", Overflow.SATURATE),
    ("float8_e4m3fn", Overflow.SATURATE),
    ("float8_e4m3fn", Overflow.NAN),
    ("float8_e5m2", Overflow.INFINITY),
    ("float8_e5m2", Overflow.NAN),
    ("float8_e4m3b11fnuz", Overflow.NAN),
    ("float8_e5m2fnuz", Overflow.SATURATE),
    ("float8_e8m0fnu", Overflow.SATURATE),
    ("float8_e8m0fnu", Overflow.NAN),
    ("short_bfloat", Overflow.INFINITY),
    ("short_float", Overflow.SATURATE),
]
SCALES = [None, "dyadic16s5", "dyadic32s6", "float32", "bfloat16", "float8_e8m0fnu", "float8_e5m2", "int8", "uint16"]


def named(name: str) -> Format:
    return {"short_bfloat": SHORT_BFLOAT, "short_float": SHORT_FLOAT}.get(name) or parse(name)


def random_codes(random: np.random.Generator, format: Format, count: int) -> Any:
    return random.integers(0, 1 << format.width, count, dtype=np.uint64).astype(np.int64)


@each_of("name, overflow", OUTPUTS)
@each_of("rounding", Rounding)
def test_every_policy_against_fractions(name: str, overflow: Overflow, rounding: Rounding) -> None:
    """Scales of any bit pattern, sums short and long, with bias, zero point and ReLU by turns."""
    random = np.random.default_rng(crc32(f"{name} {overflow} {rounding}".encode()))
    output, count = named(name), 60
    for turn, scale_name in enumerate(SCALES):
        scale = None if scale_name is None else parse(scale_name)
        tensor_scale = parse(SCALES[-turn - 1] or "float32") if turn % 3 == 1 else None
        zero_point = isinstance(output, Integer) and turn % 2 == 0
        bias_bits = (0, 32, 64)[turn % 3]
        how = Requantization(
            output, scale, tensor_scale, bias_bits, zero_point, turn % 4 == 3, rounding=rounding, overflow=overflow
        )
        bits, lsb_exponent = ((20, 0), (47, -18), (64, -40), (100, -60))[(turn + len(name)) % 4]
        accumulator = sums(random, count, bits, lsb_exponent, specials=turn % 2 == 1)
        given = {
            "scale": None if scale is None else random_codes(random, scale, count),
            "tensor_scale": None if tensor_scale is None else random_codes(random, tensor_scale, count),
            "zero_point": random.integers(*zero_limits(output), count) if zero_point else None,
            "words": random.integers(0, 1 << 16, count) if rounding is Rounding.STOCHASTIC else None,
        }
        bias = random.integers(-(1 << bias_bits - 1), 1 << bias_bits - 1, count) if bias_bits else None
        codes = requantize(accumulator, how, bias=bias, **given)
        assert codes.dtype == encode([1.0], output).dtype
        expect(codes, real(accumulator, bias), how, **given)


def zero_limits(output: Integer) -> tuple[int, int]:
    return (0, 1 << output.bits) if output.unsigned else (-(1 << output.bits - 1), 1 << output.bits - 1)


@each_of("name, overflow", OUTPUTS)
@each_of("rounding", Rounding)
def test_near_every_boundary(name: str, overflow: Overflow, rounding: Rounding) -> None:
    """At, and a hair to either side of, the values of a format and the middles between them, and beyond its ends."""
    output = named(name)
    finite = sorted({output.value(code) for code in output.codes if output.special(code) is None})
    finite = finite[:40] + finite[-40:]
    points = {value for low, high in pairwise(finite) for value in (low, (low + high) / 2)}
    points |= {value * factor for value in finite[-2:] for factor in (1, Fraction(33, 32), Fraction(3, 2), 2, 1000)}
    points |= {-value for value in points}
    lsb_exponent = output.lsb_exponent - 40
    integers = {int(value / Fraction(2) ** lsb_exponent) + delta for value in points for delta in (-1, 0, 1)}
    fitting = np.array(sorted(value for value in integers if abs(value) < 1 << 400), dtype=object)
    accumulator = Exact(fitting, lsb_exponent)
    stochastic = rounding is Rounding.STOCHASTIC
    words = np.random.default_rng(1).choice([0, 1, 32767, 32768, 65535], fitting.size) if stochastic else None
    how = Requantization(output, rounding=rounding, overflow=overflow)
    expect(requantize(accumulator, how, words=words), real(accumulator), how, words=words)


def test_products_of_every_length_where_they_nearly_tie() -> None:
    """What decides may be the last of 127 bits: a long sum times a long scale, just beside the middle of two codes."""
    single, random = parse("float32"), np.random.default_rng(3)
    for name in ("float8_e4m3fn", "int8", "short_bfloat"):
        how = Requantization(named(name), single, single)
        scales = random.integers(1 << 23, 1 << 24, (2, 200))
        codes = [encode(row / float(1 << 23), single) for row in scales]
        product = [int(one) * int(other) for one, other in zip(*scales, strict=True)]
        middles = [(2 * int(number) + 1) << 100 for number in random.integers(1, 100, 200)]
        near = [
            middle // factor + delta
            for middle, factor, delta in zip(middles, product, random.integers(-1, 3, 200).tolist(), strict=True)
        ]
        accumulator = Exact(np.array(near, dtype=np.int64), 46 - 101)
        expect(
            requantize(accumulator, how, scale=codes[0], tensor_scale=codes[1]),
            real(accumulator),
            how,
            codes[0],
            codes[1],
        )


@each_of("format", [f for f in catalog() if f.width <= 8] + [parse("float16")])
@each_of("rounding", [Rounding.TIES_TO_EVEN, Rounding.TOWARD_ZERO])
def test_without_a_scale_it_is_encode(format: Format, rounding: Rounding) -> None:
    random = np.random.default_rng(5)
    integers = random.integers(-(1 << 40), 1 << 40, 1000) >> random.integers(0, 40, 1000)
    for overflow in Overflow:
        try:
            how = Requantization(format, rounding=rounding, overflow=overflow)
        except ValueError:
            continue
        for lsb_exponent in (-12, 0, format.lsb_exponent - 3):
            accumulator = Exact(integers, lsb_exponent)
            expected = encode(accumulator.to_float(), format, rounding, overflow)
            np.testing.assert_array_equal(requantize(accumulator, how), expected)


def test_integers_of_all_ones() -> None:
    """Their length is not that of their float64, which rounds them up to a power of two."""
    integers = [(1 << bits) - less for bits in range(1, 200) for less in (1, 2, 3) if 1 << bits >= less]
    for name, rounding in (("float8_e5m2", Rounding.TIES_TO_EVEN), ("short_float", Rounding.TOWARD_ZERO)):
        how = Requantization(named(name), parse("uint16"), rounding=rounding)
        for most, factor in ((62, 1), (63, 1), (63, 65535), (200, 1), (190, 65535)):
            short = [sign * integer for integer in integers if integer < 1 << most for sign in (1, -1)]
            kind = np.int64 if most <= 63 else object
            for lsb_exponent in (-most, -most // 2, 0):
                accumulator = Exact(np.array(short, dtype=kind), lsb_exponent)
                scale = np.full(len(short), factor)
                expect(requantize(accumulator, how, scale=scale), real(accumulator), how, scale)


def test_significands_are_normal_and_exact_or_sticky() -> None:
    """Of one word, of two, and of integers of any length."""
    integers = [0, *((1 << bits) + delta for bits in range(1, 129) for delta in (-1, 0, 1) if delta < 0 or bits < 128)]
    words = np.array([(integer >> 64, integer & (1 << 64) - 1) for integer in integers], dtype=np.uint64)
    short = [integer for integer in integers if integer < 1 << 64]
    cases = [
        (short, normalize(np.array(short, dtype=np.uint64))),
        (integers, normalize_pair(words[:, 0], words[:, 1])),
        (integers, normalize_large(integers)),
    ]
    for wanted, (significands, exponents) in cases:
        for integer, significand, exponent in zip(wanted, significands.tolist(), exponents.tolist(), strict=True):
            if not integer:
                assert not significand and exponent < -5000
                continue
            assert significand >> 63 == 1
            assert integer.bit_length() == 64 + exponent
            exact = Fraction(integer) / Fraction(2) ** exponent
            assert significand == (exact if exact.denominator == 1 else floor(exact) | 1)


def test_float32_products_are_numpys() -> None:
    random, single = np.random.default_rng(6), parse("float32")
    how = Requantization(single, single, overflow=Overflow.INFINITY)
    scale = random.integers(0, 1 << 32, 20000, dtype=np.uint32)
    scale[np.isnan(scale.view(np.float32))] = 0x7FC00000
    for lsb_exponent in (-100, -20, 90):
        accumulator = Exact(random.integers(-(1 << 24), (1 << 24) + 1, 20000), lsb_exponent)
        with np.errstate(over="ignore", invalid="ignore"):
            expected = accumulator.to_float().astype(np.float32) * scale.view(np.float32)
        expected = np.where(np.isnan(expected), np.float32(np.nan), np.where(accumulator.integers == 0, 0, expected))
        expected[(accumulator.integers == 0) & ~np.isfinite(scale.view(np.float32))] = np.nan
        np.testing.assert_array_equal(requantize(accumulator, how, scale=scale), expected.view(np.uint32))


def test_the_fused_pipeline_of_an_integer_layer() -> None:
    """int8 in, int32 sums, a bias and a dyadic scale for every column, and a zero point: as ONNX and TFLite have it."""
    random, int8 = np.random.default_rng(7), parse("int8")
    x, w = random.integers(0, 256, (40, 64)), random.integers(0, 256, (64, 30))
    bias, wanted = random.integers(-(1 << 15), 1 << 15, 30), np.exp2(random.uniform(-12, -8, 30))
    scale = dyadic_codes(wanted, DYADIC)
    how = Requantization(int8, DYADIC, bias_bits=32, zero_point=True)
    codes = requantize(matmul(x, w, int8, int8), how, scale=scale, bias=bias, zero_point=-7)
    total = decode(x, int8) @ decode(w, int8) + bias
    expected = np.clip(np.rint(total * decode(scale, DYADIC)) - 7, -128, 127)  # exact: 16 + 24 bits
    np.testing.assert_array_equal(codes.view(np.int8), expected)
    assert np.ptp(expected) == 255


def test_microscaling_dequantized_to_bfloat16_is_exact() -> None:
    e2m1, e8m0, wide = parse("float4_e2m1fn"), parse("float8_e8m0fnu"), parse("bfloat16")
    codes, scales = (array.reshape(-1) for array in np.meshgrid(np.arange(16), np.arange(256)))
    result = dequantize(codes, e2m1, Requantization(wide, e8m0, overflow=Overflow.INFINITY), scale=scales)
    with np.errstate(invalid="ignore", over="ignore"):
        values = decode(codes, e2m1) * scales.astype(np.uint8).view(ml_dtypes.float8_e8m0fnu).astype(np.float64)
        expected = (values + 0.0).astype(ml_dtypes.bfloat16)
    expected[np.isnan(values)] = np.nan
    np.testing.assert_array_equal(result, np.where(np.isnan(values), 0x7FC0, expected.view(np.uint16)))


@pytest.mark.parametrize("source", ["float8_e5m2", "float8_e4m3fnuz", "int8", "e3m4", "bfloat16"])
def test_dequantize_is_requantize_with_a_code_for_a_sum(source: str) -> None:
    format, random = parse(source), np.random.default_rng(8)
    codes = random_codes(random, format, 400)
    for name in ("short_bfloat", "float8_e4m3fn", "int8"):
        scale, tensor_scale = random_codes(random, parse("float8_e4m3fn"), 400), random_codes(random, DYADIC, 400)
        zero_point = random.integers(-128, 128, 400) if name == "int8" else None
        how = Requantization(
            named(name), parse("float8_e4m3fn"), DYADIC, rounding=Rounding.STOCHASTIC, zero_point=name == "int8"
        )
        words = lfsr_words(9, 400)
        given = {"scale": scale, "tensor_scale": tensor_scale, "zero_point": zero_point, "words": words}
        expect(dequantize(codes, format, how, **given), [read(format, code) for code in codes.tolist()], how, **given)


def test_shapes_broadcast_and_empty_ones_pass() -> None:
    how = Requantization(parse("int8"), DYADIC, DYADIC, bias_bits=8, zero_point=True, rounding=Rounding.STOCHASTIC)
    random = np.random.default_rng(10)
    accumulator = Exact(random.integers(-5000, 5000, (3, 4, 5)), 0)
    scale, tensor = random_codes(random, DYADIC, 5), random_codes(random, DYADIC, 12).reshape(3, 4, 1)
    words = random.integers(0, 1 << 16, (3, 4, 5))
    codes = requantize(accumulator, how, scale=scale, tensor_scale=tensor, bias=[[3]], zero_point=4, words=words)
    one_by_one = [
        requantize(
            Exact(accumulator.integers[index], 0),
            how,
            scale=scale[index[2]],
            tensor_scale=tensor[index[:2]][0],
            bias=3,
            zero_point=4,
            words=words[index],
        )
        for index in np.ndindex(3, 4, 5)
    ]
    assert [code.shape for code in one_by_one] == [()] * 60
    np.testing.assert_array_equal(codes.reshape(-1), one_by_one)
    empty = Exact(np.zeros((0, 5), dtype=np.int64), 0)
    given = {"bias": 3, "zero_point": 4, "words": np.zeros((0, 5), dtype=int)}
    assert requantize(empty, how, scale=scale, tensor_scale=1, **given).shape == (0, 5)


def test_chunks_are_no_boundary() -> None:
    random, count = np.random.default_rng(11), 100_000
    accumulator = Exact(random.integers(-(1 << 40), 1 << 40, count), -30)
    how = Requantization(parse("e4m3"), parse("bfloat16"), rounding=Rounding.STOCHASTIC)
    scale, words = random.integers(0, 1 << 16, count), lfsr_words(5, count)
    codes = requantize(accumulator, how, scale=scale, words=words)
    some = random.permutation(count)
    shuffled = requantize(Exact(accumulator.integers[some], -30), how, scale=scale[some], words=words[some])
    np.testing.assert_array_equal(shuffled, codes[some])

    shifted = Requantization(parse("int8"), zero_point=True)
    zeros = random.integers(-128, 128, count)
    nothing = Exact(np.zeros(count, dtype=np.int64), 0, nan=np.zeros(count, dtype=bool))
    np.testing.assert_array_equal(requantize(nothing, shifted, zero_point=zeros).view(np.int8), zeros)


def test_the_words_carry_what_is_cut_off() -> None:
    """Over all words, up as often as the first sixteen bits of what is cut off say."""
    words = np.arange(1 << 16)
    for name, integer, below in (("int8", 5 << 20 | 0x3FFFF, 5), ("float8_e5m2", 9 << 18 | 12345, 2.0)):
        how = Requantization(parse(name), rounding=Rounding.STOCHASTIC)
        codes = requantize(Exact(np.full(1 << 16, integer), -20), how, words=words)
        value = decode(codes, parse(name))
        step = Fraction(1) if name == "int8" else Fraction(1, 2)
        assert (value > below).sum() == floor((Fraction(integer, 1 << 20) - Fraction(below)) / step * 65536)
        assert np.all(np.diff(value) >= 0)


def test_specials_by_hand() -> None:
    """What becomes of NaN and infinities in formats that have none, and of zeros with a sign."""
    masks = np.eye(4, dtype=bool)[1:]
    accumulator = Exact(np.zeros(4, dtype=np.int64), 0, masks[0], masks[1], masks[2])

    def codes(name: str, **how: Any) -> list[int]:
        zero_point = {"zero_point": 9} if how.get("zero_point") else {}
        return requantize(accumulator, Requantization(parse(name), **how), **zero_point).tolist()

    assert codes("int8") == [0, 0, 127, 128]
    assert codes("int8", zero_point=True) == [9, 9, 127, 128]
    assert codes("int8", zero_point=True, relu=True) == [9, 9, 127, 9]
    assert codes("int8", overflow=Overflow.WRAP) == [0, 0, 0, 0]
    assert codes("int8", overflow=Overflow.WRAP, zero_point=True) == [9, 9, 0, 0]
    assert codes("e2m1") == [0, 0, 7, 15]
    assert codes("e2m1", relu=True) == [0, 0, 7, 0]
    assert codes("ue2m1") == [0, 0, 7, 0]
    assert codes("float8_e5m2", overflow=Overflow.INFINITY) == [0, 0x7E, 0x7C, 0xFC]
    assert codes("float8_e4m3fn", overflow=Overflow.NAN) == [0, 0x7F, 0x7F, 0xFF]
    assert codes("float8_e4m3fnuz") == [0, 0x80, 0x7F, 0xFF]
    assert codes("float8_e8m0fnu") == [0, 0xFF, 0xFE, 0]
    assert codes("float8_e8m0fnu", overflow=Overflow.NAN) == [0xFF] * 4

    nothing = Minifloat(3, 0, specials=Specials.IEEE, has_sign=False, subnormals=False, alias="nothing")
    assert not nothing.has_zero and not nothing.has_nan
    how = Requantization(nothing, overflow=Overflow.INFINITY)
    assert requantize(accumulator, how).tolist() == [7, 0, 7, 0]

    scaled = Requantization(parse("e2m1"), parse("int8"))
    np.testing.assert_array_equal(requantize(Exact(np.array([0, 1, -1]), -4), scaled, scale=255), [0, 8, 0])
    assert dequantize([8], parse("e2m1"), Requantization(parse("e2m1"))) == [0]
    zero_scale = Requantization(parse("float8_e5m2"), parse("float32"))
    assert requantize(accumulator, zero_scale, scale=0).tolist() == [0, 0x7E, 0x7E, 0x7E]

    two = Requantization(parse("float8_e5m2"), parse("bfloat16"), parse("float32"), overflow=Overflow.INFINITY)
    one, signs = Exact(np.array([1, -1, 0]), 0), [0x7C, 0xFC, 0x7E]
    assert requantize(one, two, scale=0x7F80, tensor_scale=0x3F800000).tolist() == signs
    assert requantize(one, two, scale=0x3F80, tensor_scale=0x7F800000).tolist() == signs
    assert requantize(accumulator, zero_scale, scale=0xFF800000).tolist() == [0x7E, 0x7E, 0xFB, 0x7B]
    # Both scales: infinity times zero is NaN, whatever the sum.
    two = Requantization(parse("float8_e5m2"), parse("float32"), parse("float32"))
    sums_of_one = Exact(np.array([1, 0]), 0)
    assert requantize(sums_of_one, two, scale=0, tensor_scale=0x7F800000).tolist() == [0x7E, 0x7E]


@pytest.mark.parametrize(
    ("how", "given", "sentence"),
    [
        ({}, {"scale": 1}, "scale must not be given: the requantization has no scale"),
        ({"scale": DYADIC}, {}, "scale must be given: the requantization has a scale"),
        ({"tensor_scale": DYADIC}, {}, "tensor_scale must be given: the requantization has a tensor scale"),
        ({}, {"bias": 1}, "bias must not be given: the requantization has no bias"),
        ({"bias_bits": 8}, {"bias": 128}, "bias must be -128 to 127, not 128 to 128"),
        ({"bias_bits": 8}, {"bias": 1.0}, "bias must be integers, not float64"),
        ({"zero_point": True}, {"zero_point": [-129, 1]}, "zero_point must be -128 to 127, not -129 to 1"),
        ({"zero_point": True}, {}, "zero_point must be given: the requantization has a zero point"),
        ({}, {"words": 1}, "words must not be given: the requantization has no stochastic rounding"),
        ({"rounding": Rounding.STOCHASTIC}, {}, "words must be given: the requantization has stochastic rounding"),
        ({"rounding": Rounding.STOCHASTIC}, {"words": 65536}, "words must be 0 to 65535, not 65536 to 65536"),
        ({"scale": DYADIC}, {"scale": [1, 2, 3]}, r"scale must have a shape that broadcasts to \(2,\), not \(3,\)"),
        ({"scale": DYADIC}, {"scale": [[1, 2]]}, r"scale must have a shape that broadcasts to \(2,\), not \(1, 2\)"),
        ({"scale": DYADIC}, {"scale": 1 << 21}, "code must be 0 to 2097151 for dyadic16s5, not 2097152"),
    ],
)
def test_what_does_not_belong_is_refused(how: dict[str, Any], given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        requantize(Exact(np.array([1, 2]), 0), Requantization(parse("int8"), **how), **given)


def test_arguments_of_the_wrong_kind_are_refused() -> None:
    how = Requantization(parse("int8"))
    with pytest.raises(ValueError, match="accumulator must be an Exact, as dot and matmul give, not ndarray"):
        requantize(np.array([1]), how)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="how must be a Requantization, not Integer"):
        requantize(Exact(np.array([1]), 0), parse("int8"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="bias_bits must be 0 where codes are scaled, not 8"):
        dequantize([1], parse("int8"), Requantization(parse("int8"), bias_bits=8))
