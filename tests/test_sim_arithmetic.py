"""Products, sums and matrix products against Python's fractions and IEEE 754's rules, for pairs of any width."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from each_of import each_of
from fewbit.formats import Accumulator, Format, Minifloat, Overflow, Special, parse
from fewbit.formats.minifloat import Specials
from fewbit.sim import Exact, decode, dot, encode, matmul, multiply
from fewbit.sim.codes import largest_integer
from fewbit.sim.elements.exact import _plan
from numpy.typing import NDArray

PAIRS = [
    *(("e2m1", "int4"), ("int8", "int8"), ("int8s", "int8s"), ("uint8", "int4"), ("e4m3", "e4m3"), ("e5m2", "uint8")),
    *(("float8_e4m3fn", "e3m0"), ("float8_e5m2", "float8_e5m2"), ("float8_e4m3fnuz", "float8_e5m2"), ("e1m0", "sm8")),
    *(
        ("float8_e8m0fnu", "float8_e4m3fn"),
        ("float8_e8m0fnu", "float8_e8m0fnu"),
        ("float8_e5m2", "uint4"),
        ("uint4", "float8_e5m2"),
    ),
    *(("bfloat16", "bfloat16"), ("float32", "float32"), ("float32", "int2"), ("int1", "bfloat16"), ("uint1", "uint1")),
    *(("e4m3b-300", "e8m7b300"), ("float16", "int16"), ("e5m10", "float8_e5m2"), ("e6m1", "int2s"), ("int1", "int1")),
]
NAN, UP, DOWN = math.nan, math.inf, -math.inf  # finite values are fractions


def value(format: Format, code: int) -> Fraction | float:
    special = format.special(code)
    if special is None:
        return format.value(code)
    return {Special.NAN: NAN, Special.POSITIVE_INFINITY: UP, Special.NEGATIVE_INFINITY: DOWN}[special]


def times(x: Fraction | float, y: Fraction | float) -> Fraction | float:
    if isinstance(x, Fraction) and isinstance(y, Fraction):
        return x * y
    return float((x > 0) - (x < 0) if isinstance(x, Fraction) else x) * float(
        (y > 0) - (y < 0) if isinstance(y, Fraction) else y
    )


def plus(x: Fraction | float, y: Fraction | float) -> Fraction | float:
    if isinstance(x, Fraction) and isinstance(y, Fraction):
        return x + y
    return (0.0 if isinstance(x, Fraction) else x) + (0.0 if isinstance(y, Fraction) else y)


def values_of(result: Exact) -> list[Fraction | float]:
    """A flat list of the exact values; checks that at most one mask is set, over an integer of 0."""
    lists = []
    for mask in (result.nan, result.positive_infinity, result.negative_infinity):
        assert mask is None or mask.shape == result.shape
        lists.append([False] * result.integers.size if mask is None else mask.ravel().tolist())
    values: list[Fraction | float] = []
    for integer, *marks in zip(result.integers.ravel().tolist(), *lists, strict=True):
        assert isinstance(integer, int) and sum(marks) <= 1 and not (any(marks) and integer)
        marked = [special for special, mark in zip((NAN, UP, DOWN), marks, strict=True) if mark]
        values.append(marked[0] if marked else integer * Fraction(2) ** result.lsb_exponent)
    return values


def assert_same(found: list[Fraction | float], expected: list[Fraction | float]) -> None:
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours == theirs or (ours != ours and theirs != theirs)


def some_codes(format: Format, shape: tuple[int, ...], seed: int, specials: bool = True) -> NDArray[Any]:
    """Random codes, the extreme ones among them in plenty."""
    random = np.random.default_rng(seed)
    codes = random.integers(0, 1 << format.width, shape, dtype=np.uint32)
    extremes = np.array([code for code in extreme_codes(format) if specials or format.special(code) is None], np.uint32)
    codes = np.where(random.random(shape) < 0.3, random.choice(extremes, shape), codes)
    return codes if specials else np.where(np.isfinite(decode(codes, format)), codes, extremes[0])


def extreme_codes(format: Format) -> list[int]:
    top = 1 << format.width
    ends = encode([float(format.max_finite), float(format.min_finite)], format).tolist()
    return [*ends, *(code % top for code in (0, 1, top // 2 - 1, top // 2, top // 2 + 1, top - 1))]


@each_of("weight, activation", PAIRS)
def test_multiply(weight: str, activation: str) -> None:
    w_format, a_format = parse(weight), parse(activation)
    w = np.concatenate([np.repeat(extreme_codes(w_format), 8), some_codes(w_format, (1000,), 1)])
    a = np.concatenate([np.tile(extreme_codes(a_format), 8), some_codes(a_format, (1000,), 2)])
    expected = [times(value(w_format, x), value(a_format, y)) for x, y in zip(w.tolist(), a.tolist(), strict=True)]
    result = multiply(w, a, w_format, a_format)
    assert result.lsb_exponent == w_format.lsb_exponent + a_format.lsb_exponent
    assert_same(values_of(result), expected)


@pytest.mark.parametrize("name", ["e2m1", "int4", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e8m0fnu"])
def test_multiply_every_pair_of_codes(name: str) -> None:
    format, other = parse(name), parse("e3m2")
    w, a = np.arange(1 << format.width)[:, None], np.arange(1 << other.width)[None, :]
    expected = [times(value(format, x), value(other, y)) for x in w.ravel().tolist() for y in a.ravel().tolist()]
    result = multiply(w, a, format, other)
    assert result.shape == (1 << format.width, 1 << other.width)
    assert_same(values_of(result), expected)
    turned = np.array(expected, dtype=object).reshape(result.shape).T.ravel().tolist()
    assert_same(values_of(multiply(a.T, w.T, other, format)), turned)


@each_of("weight, activation", PAIRS)
@each_of("specials", [True, False])
def test_dot_and_matmul(weight: str, activation: str, specials: bool) -> None:
    w_format, a_format = parse(weight), parse(activation)
    m, k, n = 3, 37, 5
    a = some_codes(a_format, (m, k), 3, specials)
    w = some_codes(w_format, (k, n), 4, specials)
    if specials:  # some columns without any
        w[:, 0] = some_codes(w_format, (k,), 5, False)
        a[0] = some_codes(a_format, (k,), 6, False)
    expected = []
    for row in a.tolist():
        for column in w.T.tolist():
            total: Fraction | float = Fraction(0)
            for x, y in zip(row, column, strict=True):
                total = plus(total, times(value(a_format, x), value(w_format, y)))
            expected.append(total)
    product = matmul(a, w, a_format, w_format)
    assert product.shape == (m, n)
    assert_same(values_of(product), expected)
    sums = dot(w.T[None, :, :], a[:, None, :], w_format, a_format)
    assert sums.shape == (m, n)
    assert_same(values_of(sums), expected)


@each_of("weight, activation", [*PAIRS[:8], ("bfloat16", "int4"), ("e6m9", "e5m10")])
@each_of("terms", [1, 1000, 5000])
def test_sums_of_extremes_are_exact(weight: str, activation: str, terms: int) -> None:
    """The sums that strain the digits most, at the ends of the accumulator and one product beside."""
    w_format, a_format = parse(weight), parse(activation)
    accumulator = Accumulator(w_format, a_format, terms)
    w_codes, a_codes = (encode([float(f.min_finite), float(f.max_finite)], f) for f in (w_format, a_format))
    for w_code in w_codes.tolist():
        for a_code in a_codes.tolist():
            w = np.full((terms, 1), w_code)
            a = np.full((1, terms), a_code)
            exact = w_format.integer(w_code) * a_format.integer(a_code) * terms
            assert accumulator.min_sum <= exact <= accumulator.max_sum
            assert matmul(a, w, a_format, w_format).integers.tolist() == [[exact]]
            assert dot(w.T[0], a[0], w_format, a_format).integers.tolist() == exact
            a[0, -1] = 1
            exact = exact // terms * (terms - 1) + w_format.integer(w_code) * a_format.integer(1)
            assert matmul(a, w, a_format, w_format).integers.tolist() == [[exact]]


def test_left_out_code_of_a_symmetric_integer_still_counts() -> None:
    format = parse("int16s")
    codes = np.full((1, 1 << 10), 1 << 15)
    assert matmul(codes, codes.T, format, format).integers.tolist() == [[1 << 40]]
    assert largest_integer(format) == 1 << 15 and largest_integer(parse("int16")) == 1 << 15


@each_of("weight, activation", PAIRS)
@each_of("terms", [1, 7, 1024, 100_000, 1 << 30])
def test_plans_stay_within_what_floats_hold(weight: str, activation: str, terms: int) -> None:
    x, y = largest_integer(parse(weight)), largest_integer(parse(activation))
    plan = _plan(x, y, terms)
    x_digit = x if plan.x_digits == 1 else (1 << plan.x_width) - 1
    y_digit = y if plan.y_digits == 1 else (1 << plan.y_width) - 1
    assert plan.x_digits * plan.x_width >= x.bit_length() and plan.y_digits * plan.y_width >= y.bit_length()
    assert x_digit * y_digit * plan.terms <= (1 << 24 if plan.dtype == np.float32 else 1 << 53)
    assert x_digit * y_digit * terms < 1 << 63
    assert max(plan.x_width, plan.y_width) <= 53 and 1 <= plan.terms <= terms


def test_integers_are_int64_where_every_result_fits() -> None:
    int8, e5m2 = parse("int8"), parse("float8_e5m2")
    assert matmul(np.zeros((1, 9), int), np.zeros((9, 1), int), int8, int8).integers.dtype == np.int64
    assert matmul(np.zeros((1, 9), int), np.zeros((9, 1), int), e5m2, e5m2).integers.dtype == object
    assert multiply([1], [1], int8, e5m2).integers.dtype == np.int64
    assert dot(np.zeros(9, int), np.zeros(9, int), parse("bfloat16"), parse("int1")).integers.dtype == object


def test_a_matmul_of_many_pieces() -> None:
    """Large enough that blocks of k and digits both are cut; Python's integers as the reference."""
    for a_name, w_name in (
        ("float8_e5m2", "float8_e5m2"),
        ("bfloat16", "e4m3"),
        ("float16", "int16"),
        ("int16", "int16"),
    ):
        a_format, w_format = parse(a_name), parse(w_name)
        a, w = some_codes(a_format, (4, 700), 7, False), some_codes(w_format, (700, 3), 8, False)
        a_integers = np.array([[a_format.integer(code) for code in row] for row in a.tolist()], dtype=object)
        w_integers = np.array([[w_format.integer(code) for code in row] for row in w.tolist()], dtype=object)
        assert matmul(a, w, a_format, w_format).integers.tolist() == (a_integers @ w_integers).tolist()


def test_leading_axes_and_empty_sums() -> None:
    format = parse("e2m1")
    a, w = some_codes(format, (2, 1, 3, 4), 1), some_codes(format, (5, 4, 2), 2)
    product = matmul(a, w, format, format)
    assert product.shape == (2, 5, 3, 2)
    for i in range(2):
        for j in range(5):
            assert product.integers[i, j].tolist() == matmul(a[i, 0], w[j], format, format).integers.tolist()
    assert matmul(np.zeros((2, 0), int), np.zeros((0, 3), int), format, format).integers.tolist() == [[0] * 3] * 2
    empty = dot(np.zeros(0, int), np.zeros(0, int), parse("float8_e5m2"), parse("float8_e5m2"))
    assert values_of(empty) == [0]
    assert multiply(3, 5, format, format).integers.shape == ()


def test_masks_are_none_where_the_value_cannot_be() -> None:
    def masks(weight: str, activation: str, sums: bool = False) -> str:
        result = (dot if sums else multiply)([1], [1], parse(weight), parse(activation))
        pairs = zip("n+-", (result.nan, result.positive_infinity, result.negative_infinity), strict=True)
        return "".join(letter for letter, mask in pairs if mask is not None)

    assert masks("e4m3", "int8") == masks("e4m3", "int8", True) == ""
    assert masks("float8_e4m3fn", "int8") == masks("float8_e8m0fnu", "e2m1", True) == "n"
    assert masks("float8_e5m2", "uint4") == masks("float8_e5m2", "float8_e8m0fnu") == "n+-"


def test_infinities_follow_ieee() -> None:
    format = parse("float8_e5m2")
    zero, one, up, down, nan = encode([0.0, 1.0, np.inf, -np.inf, np.nan], format, overflow=Overflow.INFINITY).tolist()
    minus = one | 0x80

    def total(*products: tuple[int, int]) -> float:
        w, a = zip(*products, strict=True)
        return float(dot(list(w), list(a), format, format).to_float())

    assert total((up, one)) == total((down, minus)) == total((up, up), (one, one)) == UP
    assert total((up, minus)) == total((minus, up)) == total((down, up)) == DOWN
    for indefinite in (
        ((up, zero),),
        ((zero, down),),
        ((up, one), (down, one)),
        ((nan, zero),),
        ((nan, up), (up, one)),
    ):
        assert math.isnan(total(*indefinite))


def test_to_float_rounds_once() -> None:
    tie = (1 << 53) + 1
    integers = [tie, tie + 2, -tie, (1 << 62) + (1 << 9) + 1, 3, 0]
    expected = [float(integer) for integer in integers]  # Python rounds these correctly
    for kind in (np.int64, object):
        for exponent in (0, -40, 7):
            result = Exact(np.array(integers, dtype=kind), exponent)
            assert result.to_float().tolist() == [number * 2.0**exponent for number in expected]
    wide = Exact(np.array([(1 << 2000) + 1, -(1 << 1100), (1 << 1000) * 3], dtype=object), -900)
    assert wide.to_float().tolist() == [UP, -(2.0**200), 3 * 2.0**100]
    assert Exact(np.array([1, -1]), 1024).to_float().tolist() == [UP, DOWN]
    marks = np.eye(3, dtype=bool)
    marked = Exact(np.zeros(3, np.int64), 0, marks[0], marks[1], marks[2]).to_float()
    assert math.isnan(marked[0]) and marked[1:].tolist() == [UP, DOWN]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f: dot([1, 2], [1], f, f), "the last axes must be of one length, not those of shapes (2,) and (1,)"),
        (lambda f: dot(1, [1], f, f), "the last axes must be of one length, not those of shapes () and (1,)"),
        (
            lambda f: matmul([[1]], [[1], [2]], f, f),
            "shapes must be (..., m, k) and (..., k, n), not (1, 1) and (2, 1)",
        ),
        (lambda f: matmul([1], [[1]], f, f), "shapes must be (..., m, k) and (..., k, n), not (1,) and (1, 1)"),
        (lambda f: multiply([16], [1], f, f), "code must be 0 to 15 for int4, not 16"),
        (lambda f: matmul([[1]], [[0.5]], f, f), "codes must be integers, not float64"),
    ],
)
def test_what_is_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError) as error:
        call(parse("int4"))
    assert str(error.value) == message


def test_a_name_is_not_a_format():
    with pytest.raises(ValueError, match=r"^weight must be a format, as formats\.parse gives, not 'int4'"):
        multiply([1], [1], "int4", "int4")
    with pytest.raises(ValueError, match=r"^format must be a format, as formats\.parse gives, not 'int4'"):
        encode([1.0], "int4")


@pytest.mark.parametrize("swapped", [False, True])
def test_infinity_times_zero_is_nan_where_neither_format_has_one(swapped: bool) -> None:
    endless, other = Minifloat(3, 0, specials=Specials.IEEE, alias="endless"), parse("int4")
    assert endless.has_infinity and not endless.has_nan
    pairs = [([0x07, 0x0F, 0x07], endless), ([0, 0, 1], other)]
    (x, x_format), (y, y_format) = pairs[::-1] if swapped else pairs
    product = multiply(x, y, x_format, y_format)
    assert product.nan is not None and product.nan.tolist() == [True, True, False]
    assert product.positive_infinity is not None and product.positive_infinity.tolist() == [False, False, True]
