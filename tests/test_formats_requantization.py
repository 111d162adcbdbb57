"""Scales, fixed-point sums, requantizations and blocks as parameter sets: what they imply, and what they refuse."""

import pickle
from fractions import Fraction
from itertools import product as pairs

import pytest
from fewbit.formats import (
    Accumulator,
    Blocks,
    Dyadic,
    FixedPoint,
    Integer,
    Overflow,
    Requantization,
    Rounding,
    catalog,
    parse,
    parse_list,
)


@pytest.mark.parametrize(("multiplier_bits", "shift_bits"), [(1, 1), (3, 2), (16, 5), (32, 6)])
def test_a_dyadic_code_is_a_multiplier_and_a_shift(multiplier_bits: int, shift_bits: int) -> None:
    format = Dyadic(multiplier_bits, shift_bits)
    assert parse(format.name) == format == pickle.loads(pickle.dumps(format))
    assert format.name == f"dyadic{multiplier_bits}s{shift_bits}"
    assert (format.width, format.precision) == (multiplier_bits + shift_bits, multiplier_bits)
    assert not format.signed and format.finite and format.has_zero
    most = (1 << multiplier_bits) - 1
    for multiplier, shift in pairs({0, 1, most // 3, most}, {0, 1, format.max_shift}):
        code = multiplier | shift << multiplier_bits
        assert format.value(code) == Fraction(multiplier, 1 << shift)
        assert format.integer(code) * format.lsb == Fraction(multiplier, 1 << shift)
        assert format.special(code) is None
    assert format.max_finite == most
    assert format.min_finite == 0
    assert format.min_subnormal == Fraction(1, 1 << format.max_shift)


def test_small_dyadic_formats_exhaustively() -> None:
    format = Dyadic(3, 2)
    values = [format.value(code) for code in format.codes]
    assert max(values) == format.max_finite
    assert min(value for value in values if value) == format.min_subnormal
    assert [format.integer(code) for code in format.codes] == list(format.integers)


def test_dyadic_formats_are_for_scales_only() -> None:
    assert not any(isinstance(format, Dyadic) for format in catalog())
    with pytest.raises(ValueError, match="format must be one of operands, not 'dyadic16s5', which is one of scales"):
        parse_list("int8,dyadic16s5")
    with pytest.raises(ValueError, match="output must be a format other than a dyadic one, not dyadic16s5"):
        Requantization(parse("dyadic16s5"))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("dyadic0s5", "format 'dyadic0s5': multiplier bits must be 1 to 32, not 0"),
        ("dyadic33s5", "multiplier bits must be 1 to 32, not 33"),
        ("dyadic16s0", "shift bits must be 1 to 6, not 0"),
        ("dyadic16s7", "shift bits must be 1 to 6, not 7"),
    ],
)
def test_dyadic_limits(name: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse(name)


@pytest.mark.parametrize(
    ("weight", "activation", "specials"),
    [
        ("e2m1", "int8", ()),
        ("uint4", "uint4", ()),
        ("float8_e4m3fn", "int8", ("nan",)),
        ("int8", "float8_e8m0fnu", ("nan",)),
        ("e2m1", "float8_e5m2", ("nan", "positive_infinity", "negative_infinity")),
    ],
)
def test_fixed_point_of_a_sum_is_its_accumulator(weight: str, activation: str, specials: tuple[str, ...]) -> None:
    for terms in (1, 3, 4096):
        accumulator = Accumulator(parse(weight), parse(activation), terms)
        point = FixedPoint.of(parse(weight), parse(activation), terms)
        assert point == FixedPoint(accumulator.width, accumulator.signed, accumulator.lsb_exponent, specials)
        assert point.min_integer <= accumulator.min_sum
        assert point.max_integer >= accumulator.max_sum


def test_fixed_point_limits_and_flags() -> None:
    assert (FixedPoint(8, True, -3).min_integer, FixedPoint(8, True, -3).max_integer) == (-128, 127)
    assert (FixedPoint(8, False, 0).min_integer, FixedPoint(8, False, 0).max_integer) == (0, 255)
    assert FixedPoint(8, True, 0, ("negative_infinity", "nan")).specials == ("nan", "negative_infinity")
    with pytest.raises(ValueError, match="width must be 1 or more, not 0"):
        FixedPoint(0, True, 0)
    with pytest.raises(ValueError, match="specials must be of nan, positive_infinity, negative_infinity, not"):
        FixedPoint(8, True, 0, ("infinity",))


INT8, FP8, E5M2 = parse("int8"), parse("float8_e4m3fn"), parse("float8_e5m2")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"output": "int8"}, "output must be a format, as formats.parse gives, not 'int8'"),
        ({"output": INT8, "scale": "float32"}, "scale must be a format, as formats.parse gives, not 'float32'"),
        ({"output": INT8, "tensor_scale": 1}, "tensor_scale must be a format, as formats.parse gives, not 1"),
        ({"output": INT8, "bias_bits": -1}, "bias_bits must be 0 to 64, not -1"),
        ({"output": INT8, "bias_bits": 65}, "bias_bits must be 0 to 64, not 65"),
        ({"output": FP8, "zero_point": True}, "zero_point must be False except for .*, not for float8_e4m3fn"),
        ({"output": parse("sm8"), "zero_point": True}, "zero_point must be False except for .*, not for sm8"),
        ({"output": FP8, "overflow": Overflow.INFINITY}, "overflow must be one that .* 'infinity': it has no infinity"),
        ({"output": INT8, "overflow": Overflow.NAN}, "overflow must be one that int8 can show, .* it has no NaN"),
        ({"output": FP8, "overflow": Overflow.WRAP}, "overflow must be 'wrap' for int{N} and uint{N} only"),
        ({"output": Integer(8, symmetric=True), "overflow": Overflow.WRAP}, "only, not for int8s"),
        ({"output": INT8, "overflow": "saturate"}, "overflow must be an Overflow, not 'saturate'"),
        ({"output": INT8, "rounding": "ties_to_even"}, "rounding must be a Rounding, not 'ties_to_even'"),
        ({"output": INT8, "seed": 0}, r"seed must be 1 to 2\*\*32 - 1, not 0"),
        ({"output": INT8, "seed": 1 << 32}, r"seed must be 1 to 2\*\*32 - 1, not 4294967296"),
    ],
)
def test_a_requantization_that_cannot_be_is_refused(arguments: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Requantization(**arguments)


def test_requantizations_are_values() -> None:
    how = Requantization(INT8, parse("dyadic16s5"), bias_bits=32, zero_point=True, overflow=Overflow.WRAP)
    assert how == pickle.loads(pickle.dumps(how))
    assert hash(how) == hash(Requantization(INT8, parse("dyadic16s5"), None, 32, True, overflow=Overflow.WRAP))
    assert Requantization(E5M2, overflow=Overflow.INFINITY) != Requantization(E5M2, overflow=Overflow.NAN)
    assert Requantization(Integer(8, symmetric=True), zero_point=True, rounding=Rounding.STOCHASTIC).seed == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((8, FP8, FP8), "block size must be one of 16, 32, 64, 128, not 8"),
        ((16, None, FP8), "weight_scale must be a format"),
        ((16, FP8, "e4m3"), "activation_scale must be a format"),
        ((16, FP8, FP8, "float64"), "accumulate must be one of exact, float32, auto, not 'float64'"),
    ],
)
def test_blocks_that_cannot_be_are_refused(arguments: tuple[object, ...], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Blocks(*arguments)  # type: ignore[arg-type]


def test_terms_of_blocks_must_be_some() -> None:
    with pytest.raises(ValueError, match="terms must be 1 or more, not 0"):
        Blocks(16, FP8, FP8).exact(INT8, INT8, 0)


@pytest.mark.parametrize("names", [("int2", "int2", "ue1m1", "uint2"), ("e1m1", "uint2", "uint1", "int2")])
def test_the_exact_accumulator_of_blocks_is_the_narrowest(names: tuple[str, str, str, str]) -> None:
    weight, activation, weight_scale, activation_scale = factors = [parse(name) for name in names]
    integers = [[format.integer(code) for code in format.codes] for format in factors]
    terms = [w * a * s * t for w, a, s, t in pairs(*integers)]
    for count in (1, 2, 5, 40):
        form = Blocks(16, weight_scale, activation_scale).exact(weight, activation, count)
        least, most = min(0, min(terms) * count), max(0, max(terms) * count)
        assert form.lsb_exponent == sum(format.lsb_exponent for format in factors)
        assert form.min_integer <= least and most <= form.max_integer
        narrower = FixedPoint(form.width - 1, form.signed, form.lsb_exponent)
        assert least < narrower.min_integer or narrower.max_integer < most
        assert form.signed == (least < 0)


def test_blocks_choose_what_they_are_summed_in() -> None:
    e2m1, e8m0, single = parse("e2m1"), parse("float8_e8m0fnu"), parse("float32")
    nvfp4 = Blocks(16, FP8, FP8)
    assert nvfp4.sum_format(e2m1, e2m1, 4096) == nvfp4.exact(e2m1, e2m1, 4096) == FixedPoint(56, True, -20, ("nan",))
    assert Blocks(16, FP8, FP8, "float32").sum_format(e2m1, e2m1, 4096) == single
    mx = Blocks(32, e8m0, e8m0)
    assert mx.sum_format(e2m1, e2m1, 4096) == single
    exact = Blocks(32, e8m0, e8m0, "exact").sum_format(e2m1, e2m1, 4096)
    assert isinstance(exact, FixedPoint) and exact.width > 500 and exact.lsb_exponent == -2 * 127 - 2
    assert Blocks(32, E5M2, e8m0).exact(e2m1, e2m1, 1).specials == ("nan", "positive_infinity", "negative_infinity")
    # One bit more than 128 is float32: each doubling of the terms takes one.
    widths = {terms: mx_like.width for terms in (1 << 20, 1 << 30) for mx_like in [nvfp4.exact(FP8, FP8, terms)]}
    fits = 128 - widths[1 << 20]
    assert nvfp4.sum_format(FP8, FP8, 1 << 20 + fits) == nvfp4.exact(FP8, FP8, 1 << 20 + fits)
    assert nvfp4.sum_format(FP8, FP8, 1 << 21 + fits) == single
