"""Encoding by every policy against fractions, the fast path against the exact one, special values, what is refused."""

from bisect import bisect_right
from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from each_of import each_of
from fewbit.formats import Format, Integer, Minifloat, Overflow, Rounding, Special, catalog, parse, study_formats
from fewbit.sim import decode, encode
from fewbit.sim.encode import TABLE_PAYS, _dropped_bits
from fewbit.sim.rounding import round_to_codes, split

EVEN, ZERO, STOCHASTIC = Rounding.TIES_TO_EVEN, Rounding.TOWARD_ZERO, Rounding.STOCHASTIC
SATURATE, INFINITY, NAN, WRAP = Overflow.SATURATE, Overflow.INFINITY, Overflow.NAN, Overflow.WRAP
SMALL = [
    *study_formats(2, *range(3, 7)),
    *map(
        parse, ("int1", "uint1", "int2s", "int5s", "int8s", "uint2", "uint8", "sm2", "sm5", "ue2m1", "ue3m0", "e3m2b9")
    ),
    *map(parse, ("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e3m4", "float6_e2m3fn", "e2m3b-5")),
]


def policies(format: Format) -> list[Overflow]:
    wraps = isinstance(format, Integer) and not format.symmetric
    return [SATURATE] + [INFINITY] * format.has_infinity + [NAN] * format.has_nan + [WRAP] * wraps


@cache
def line(format: Format) -> list[Fraction]:
    """The magnitudes of a format with zero, and as many again as if its exponent (or its integers) went on."""
    if isinstance(format, Minifloat):
        wider = Minifloat(format.exponent_bits + 1, format.fraction_bits, format.bias)
        return [wider.value(code) for code in range(1 << wider.width - 1)]
    return [Fraction(n) for n in range(4 << format.width)]


def expected_value(value: Fraction, negative: bool, format: Format, rounding: Rounding, overflow: Overflow) -> Any:
    """The exact value, or the special value's name, that encoding must give, by the definition of the policies."""
    magnitudes = line(format)
    below = bisect_right(magnitudes, abs(value)) - 1
    rounded = magnitudes[below]
    if rounding is EVEN and rounded != abs(value):
        middle = (rounded + magnitudes[below + 1]) / 2
        normal_power = isinstance(format, Minifloat) and format.fraction_bits == 0 and below > 0
        if abs(value) > middle or (abs(value) == middle and (below % 2 or normal_power)):
            rounded = magnitudes[below + 1]
    signed = -rounded if negative else rounded
    if format.min_finite <= signed <= format.max_finite:
        return signed
    if overflow is WRAP:
        low, span = int(format.min_finite), 1 << format.width
        return (int(signed) - low) % span + low
    if overflow is NAN:
        return Special.NAN
    if overflow is INFINITY:
        return Special.NEGATIVE_INFINITY if negative else Special.POSITIVE_INFINITY
    return format.min_finite if negative else format.max_finite


@each_of("format", SMALL)
def test_every_policy_against_fractions(format: Format) -> None:
    magnitudes = line(format)[: (1 << format.width) + 3]
    eighths = [low + (high - low) * Fraction(n, 8) for low, high in pairwise(magnitudes) for n in range(8)]
    values = np.array([sign * float(value) for value in eighths for sign in (1, -1)])
    assert [Fraction(value) for value in values[::2]] == eighths  # float64 holds them all
    for overflow in policies(format):
        for rounding in (EVEN, ZERO):
            codes = encode(values, format, rounding, overflow)
            for value, code in zip(values, codes.tolist(), strict=True):
                found = format.special(code) or format.value(code)
                negative = bool(np.signbit(value))
                assert found == expected_value(Fraction(value), negative, format, rounding, overflow), (value, code)


@each_of("format", [f for f in catalog() if f.width <= 16])
def test_every_code_encodes_back(format: Format) -> None:
    codes = np.array(format.codes)
    values = decode(codes, format)
    finite = np.isfinite(values)
    back = np.where((values == 0) & isinstance(format, Integer), 0, codes)
    if format.kind == "table":
        lowest = dict(format.ordered)
        back = np.array([lowest[format.integer(code)] for code in codes])
    for rounding in (EVEN, ZERO):
        np.testing.assert_array_equal(encode(values[finite], format, rounding), back[finite])
    if format.stochastic:
        again = encode(values[finite], format, STOCHASTIC, seed=3)
        np.testing.assert_array_equal(again, back[finite])
    infinite = np.isinf(values)
    if infinite.any():
        np.testing.assert_array_equal(encode(values[infinite], format, overflow=INFINITY), codes[infinite])
        assert np.isfinite(decode(encode(values[infinite], format), format)).all()


def dense_float32(format: Format) -> Any:
    """All float32 by their upper 16 bits, with lower bits on, beside and between where the table cuts them."""
    upper = np.arange(1 << 16, dtype=np.uint32) << np.uint32(16)
    lower = [0, 1, 0x1FFF, 0x2000, 0x2001, 0x3FFF, 0x4000, 0x4001, 0x7FFF, 0x8000, 0x8001, 0xC000, 0xFFFF]
    values = (upper[:, None] | np.array(lower, dtype=np.uint32)).view(np.float32).reshape(-1)
    return values if format.has_nan else values[~np.isnan(values)]


WITHOUT_TABLE = ("e8m2b140", "e4m3b140", "e3m2b300")  # subnormals of float32 are among their values


@pytest.mark.parametrize(
    "name",
    [
        *(
            "e2m1",
            "e4m3",
            "e5m2",
            "e3m4",
            "e1m6",
            "e7m0",
            "int4",
            "int8",
            "uint8",
            "sm8",
            "int8s",
            "int9",
            "uint2",
            "ue4m3",
        ),
        *(
            "float8_e4m3fn",
            "float8_e5m2",
            "float8_e4m3fnuz",
            "float8_e8m0fnu",
            "bfloat16",
            "float16",
            "e8m2b140",
            "e8m0b-20",
        ),
        *("e8m3b-200", "e4m3b140", "e3m2b300"),
    ],
)
def test_the_table_agrees_with_the_exact_path(name: str) -> None:
    format = parse(name)
    values = dense_float32(format)
    assert values.size >= TABLE_PAYS
    assert (_dropped_bits(format) is None) == (name in WITHOUT_TABLE)
    with np.errstate(over="ignore", invalid="ignore"):
        widened = values.astype(np.float64)
        aside = np.concatenate([np.nextafter(widened, np.inf), np.nextafter(widened, -np.inf)])
    for overflow in policies(format):
        for rounding in (EVEN, ZERO):
            if overflow is WRAP:
                continue
            exact = round_to_codes(split(widened), format, rounding, overflow, None)
            np.testing.assert_array_equal(encode(values, format, rounding, overflow), exact)
            np.testing.assert_array_equal(encode(widened, format, rounding, overflow), exact)
    exact = round_to_codes(split(aside), format, EVEN, SATURATE, None)
    np.testing.assert_array_equal(encode(aside, format), exact)


def test_overflow_is_judged_after_rounding() -> None:
    format = parse("float8_e4m3fn")
    values = [448.0, 463.0, 464.0, 465.0, 1e9, np.inf]
    assert decode(encode(values, format), format).tolist() == [448.0] * 6
    overflown = decode(encode(values, format, overflow=NAN), format)
    np.testing.assert_array_equal(overflown, [448.0, 448.0, 448.0, np.nan, np.nan, np.nan])
    assert encode([-465.0, 465.0], format, overflow=NAN).tolist() == [0xFF, 0x7F]
    toward_zero = decode(encode([479.0, 480.0], format, ZERO, NAN), format)
    np.testing.assert_array_equal(toward_zero, [448.0, np.nan])
    assert encode([61439.0, 61440.0, -61440.0], parse("float8_e5m2"), overflow=INFINITY).tolist() == [0x7B, 0x7C, 0xFC]


def test_nothing_is_rounded_twice() -> None:
    """Just above a tie, by less than float32 can tell: rounding to float32 first would make it a tie."""
    for count in (1, TABLE_PAYS):
        above = np.full(count, 1.0625 + 2.0**-50)
        assert set(decode(encode(above, parse("e4m3")), parse("e4m3")).tolist()) == {1.125}
        below = np.full(count, 1.1875 - 2.0**-50)
        assert set(decode(encode(below, parse("e4m3")), parse("e4m3")).tolist()) == {1.125}
    # An integer that float64 does not hold either.
    assert encode([(1 << 24) + (1 << 53) + 1], parse("float32"), ZERO).view(np.float32)[0] == 2.0**53
    tie = (1 << 62) + (1 << 38)
    found = encode(np.array([tie - 1, tie, tie + 1]), parse("float32")).view(np.float32)
    assert found.tolist() == [2.0**62, 2.0**62, 2.0**62 + 2.0**39]


def test_signed_zeros() -> None:
    for name, negative in (("e4m3", 0x80), ("sm4", 8), ("float8_e5m2", 0x80), ("float32", 1 << 31)):
        assert encode([0.0, -0.0, -1e-300], parse(name)).tolist() == [0, negative, negative]
        assert np.signbit(decode([0, negative], parse(name))).tolist() == [False, True]
    for name in ("float8_e4m3fnuz", "int4", "uint4", "ue4m3", "int4s"):
        assert encode([0.0, -0.0, -1e-300], parse(name)).tolist() == [0, 0, 0]


def test_unsigned_formats_and_formats_without_zero() -> None:
    assert encode([-1.0, -0.5, -0.4, 300.0, -np.inf], parse("uint8")).tolist() == [0, 0, 0, 255, 0]
    assert encode([-1.0, -1e9], parse("ue4m3")).tolist() == [0, 0]
    scale = parse("float8_e8m0fnu")
    assert encode([0.0, -0.0, -1.0, 1e-300, 2.0**-127], scale).tolist() == [0] * 5
    assert encode([1.0, 1e300, np.inf], scale).tolist() == [127, 254, 254]
    assert encode([0.0, -1.0, 1e-300, 1e300], scale, overflow=NAN).tolist() == [255, 255, 0, 255]
    assert encode([1.49, 1.5, 3.0, 6.0], scale).tolist() == [127, 128, 129, 130]
    assert encode([1.99, 3.99, 1e-300], scale, ZERO).tolist() == [127, 128, 0]


def test_symmetric_integers_never_give_the_code_they_leave_out() -> None:
    values = np.linspace(-1000, 1000, 20001)
    for name in ("int2s", "int4s", "int8s", "int16s"):
        format = parse(name)
        assert (1 << format.width - 1) not in encode(np.concatenate([values, [-1e9, -np.inf]]), format)


def test_wrapping_keeps_the_low_bits() -> None:
    whole = np.array([0, 1, -1, 7, 8, -8, -9, 1 << 40, (1 << 62) + 5, -(1 << 63)])
    for name in ("int4", "uint4", "int1", "int16", "uint16"):
        format = parse(name)
        np.testing.assert_array_equal(encode(whole, format, overflow=WRAP), whole & ((1 << format.width) - 1))
    assert encode([2.0**80 + 2.0**40, 2.0**300, -(2.0**63)], parse("int8"), overflow=WRAP).tolist() == [0, 0, 0]
    assert encode([128.5, 129.5, -129.5], parse("int8"), overflow=WRAP).tolist() == [128, 130, 126]


def test_input_types_and_shapes() -> None:
    format = parse("int8")
    expected = np.array([[1, 2, 3], [4, 5, 6]], dtype=np.uint8)
    types = [*"bhilqBHILQ", *"efd", ">f4", ">f8", ">i4", ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.int4]
    for kind in types:
        codes = encode(expected.astype(kind), format)
        assert codes.dtype == np.uint8
        np.testing.assert_array_equal(codes, expected)
    np.testing.assert_array_equal(encode(expected.astype(np.float32).T, format), expected.T)
    np.testing.assert_array_equal(encode(expected.astype(float)[:, ::-2], format), expected[:, ::-2])
    assert encode([True, False], format).tolist() == [1, 0]
    assert encode(3.0, format).shape == () and encode([], format).shape == (0,)
    assert encode(np.zeros((2, 0)), parse("e4m3")).shape == (2, 0)
    assert [encode(1.0, parse(name)).dtype for name in ("e2m1", "int9", "float32")] == [np.uint8, np.uint16, np.uint32]
    zeros = np.zeros(3, dtype=np.int64)
    assert encode(zeros, parse("e8m3b200")).tolist() == encode(zeros, parse("e2m1b-300")).tolist() == [0, 0, 0]
    large = np.array([(1 << 64) - 1], dtype=np.uint64)
    assert encode(large, parse("float32")).view(np.float32)[0] == 2.0**64 and encode(large, parse("uint16")) == 65535


def test_nan_in_formats_with_nan() -> None:
    for name in (
        "float8_e4m3fn",
        "float8_e4m3fnuz",
        "float8_e5m2",
        "float8_e3m4",
        "float8_e8m0fnu",
        "bfloat16",
        "float32",
    ):
        for overflow in policies(parse(name)):
            assert np.isnan(decode(encode([np.nan, -np.nan], parse(name), overflow=overflow), parse(name))).all()


@each_of(
    "arguments, message",
    [
        (([1.0, np.nan, np.nan], parse("e4m3")), "values must not be NaN for e4m3, which has none: 2 of 3 are"),
        (
            ([1.0], parse("e4m3"), EVEN, INFINITY),
            "overflow must be one that e4m3 can show, not 'infinity': it has no infinity",
        ),
        (
            ([1.0], parse("float8_e4m3fn"), EVEN, INFINITY),
            "overflow must be one that float8_e4m3fn can show, not 'infinity': it has no infinity",
        ),
        (([1.0], parse("int8"), EVEN, NAN), "overflow must be one that int8 can show, not 'nan': it has no NaN"),
        (([1.0], parse("int8s"), EVEN, WRAP), "overflow must be 'wrap' for int{N} and uint{N} only, not for int8s"),
        (([1.0], parse("e4m3"), EVEN, WRAP), "overflow must be 'wrap' for int{N} and uint{N} only, not for e4m3"),
        (([1.0, np.inf], parse("int8"), EVEN, WRAP), "values must be finite to wrap, not infinite: 1 of 2 are"),
        (
            ([1.0], parse("int8"), STOCHASTIC),
            "seed must be given with stochastic rounding and with no other, not None with stochastic",
        ),
        (
            ([1.0], parse("int8"), EVEN, SATURATE, 1),
            "seed must be given with stochastic rounding and with no other, not 1 with ties_to_even",
        ),
        (([1.0], parse("int8"), STOCHASTIC, SATURATE, -1), "seed must be 0 or more, not -1"),
        (([1.0], parse("int8"), "even"), "rounding must be a Rounding, not 'even'"),
        (([1.0], parse("int8"), EVEN, "saturate"), "overflow must be an Overflow, not 'saturate'"),
        (([[1, 2], [3]], parse("int8")), "values must be an array of numbers, with as many in each row"),
        ((["1"], parse("int8")), "values must be real numbers of at most 64 bits, not <U1"),
        (([1j], parse("int8")), "values must be real numbers of at most 64 bits, not complex128"),
        (([None], parse("int8")), "values must be real numbers of at most 64 bits, not object"),
        ((np.ones(1, np.longdouble), parse("int8")), "values must be real numbers of at most 64 bits, not float128"),
    ],
)
def test_what_is_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError) as error:
        encode(*arguments)
    assert str(error.value) == message


def test_codes_that_are_refused() -> None:
    for codes, message in (
        ([16], "code must be 0 to 15 for e2m1, not 16"),
        ([3, -1], "code must be 0 to 15 for e2m1, not -1"),
        ([1.0], "codes must be integers, not float64"),
    ):
        with pytest.raises(ValueError) as error:
            decode(codes, parse("e2m1"))
        assert str(error.value) == message


@each_of("format", [f for f in catalog() if f.width <= 16])
def test_decoding_agrees_with_the_formats_own_values(format: Format) -> None:
    names = {Special.NAN: np.nan, Special.POSITIVE_INFINITY: np.inf, Special.NEGATIVE_INFINITY: -np.inf}
    expected = [names.get(format.special(code) or "") for code in range(1 << format.width)]
    integers = format.integers
    for code, value in enumerate(decode(np.arange(1 << format.width), format).tolist()):
        if expected[code] is None:
            # The quotient is exact: a power of two times an integer that float64 holds.
            numerator, denominator = value.as_integer_ratio()
            shift = format.lsb_exponent
            assert numerator << max(-shift, 0) == (integers[code] or 0) * denominator << max(shift, 0)
        else:
            np.testing.assert_equal(value, expected[code])


@pytest.mark.parametrize("name", ["e8m23b400", "e8m23b-400", "e8m0b400", "e8m0b-400"])
def test_the_widest_range_fits_float64(name: str) -> None:
    bias = int(name.split("b")[1])
    format = Minifloat(8, int(name[3 : name.index("b")]), bias)
    codes = [1, 2, (1 << format.fraction_bits) + 1, (1 << format.width - 1) - 1, (1 << format.width) - 1]
    assert [Fraction(value) for value in decode(codes, format)] == [format.value(code) for code in codes]
