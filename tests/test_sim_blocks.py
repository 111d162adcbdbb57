"""Block-scaled sums against exact fractions: the exact ones, and those in float32 with one rounding for each block."""

from math import floor
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from block_reference import (
    E2M1,
    E5M2,
    E8M0,
    FP8,
    NAN_CODE,
    SINGLE,
    finite_codes,
    of_exact,
    random_codes,
    read,
    reference,
)
from each_of import each_of
from fewbit.formats import Blocks, Format, Minifloat, Requantization, Specials, Table, parse
from fewbit.sim import Exact, block_dot, block_matmul, blocks, decode, dequantize, encode, matmul, requantize

LONG_SCALE = Minifloat(8, 23, 200, alias="long_scale")
CASES = [
    # weight, activation, weight scale, activation scale, size
    (E2M1, E2M1, E8M0, E8M0, 32),
    (E2M1, E2M1, FP8, FP8, 16),
    (FP8, FP8, E8M0, E8M0, 32),
    (E5M2, FP8, E8M0, E8M0, 32),
    (E5M2, E5M2, E8M0, E8M0, 16),
    (parse("int8"), parse("int4"), SINGLE, SINGLE, 64),
    (parse("int8"), FP8, parse("bfloat16"), SINGLE, 16),
    (parse("e3m4"), parse("sm4"), parse("dyadic16s5"), parse("int8"), 16),
    (parse("uint4"), parse("int4"), parse("dyadic32s6"), parse("dyadic32s6"), 16),
    (parse("int4"), parse("e2m3"), LONG_SCALE, SINGLE, 16),
    (parse("bfloat16"), parse("int3"), FP8, FP8, 128),
    (parse("int8s"), parse("int8s"), parse("uint2"), parse("e3m0"), 16),
]


def problem(random: np.random.Generator, case: Any, finite: bool, k: int) -> tuple[Any, ...]:
    weight, activation, weight_scale, activation_scale, size = case
    make, count, m, n = finite_codes if finite else random_codes, -(-k // size), 3, 4
    return (
        make(random, activation, m, k),
        make(random, weight, k, n),
        make(random, activation_scale, m, count),
        make(random, weight_scale, count, n),
    )


def check(result: Any, arrays: tuple[Any, ...], case: Any, how: Blocks) -> None:
    x, y, x_scale, y_scale = arrays
    single = not isinstance(result, Exact)
    for i, j in np.ndindex(len(x), y.shape[1]):
        wanted = reference(x[i], y[:, j], x_scale[i], y_scale[:, j], case[1], case[0], how, single)
        got = int(result[i, j]) if single else of_exact(result, i, j)
        assert got == wanted or (got != got and wanted != wanted), f"{how}: {got} for {wanted}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(str(item) for item in case))
@pytest.mark.parametrize("accumulate", ["exact", "float32"])
@pytest.mark.parametrize("finite", [True, False], ids=["finite", "any"])
def test_matrix_products_against_fractions(case: Any, accumulate: str, finite: bool) -> None:
    random = np.random.default_rng(CASES.index(case))
    how = Blocks(case[4], case[2], case[3], accumulate)
    # Where every code counts, short sums: NaN would leave nothing else.
    for k in (4 * case[4] - 5, 5 * case[4]) if finite else (3, case[4] + 2):
        arrays = problem(random, case, finite, k)
        result = block_matmul(*arrays, case[1], case[0], how)
        assert isinstance(result, Exact) == (accumulate == "exact")
        check(result, arrays, case, how)


@pytest.mark.parametrize("scale", [SINGLE, LONG_SCALE, parse("bfloat16")], ids=str)
@pytest.mark.parametrize("bits", [8, 16])
def test_sums_that_cancel(scale: Format, bits: int) -> None:
    """Each block all but cancels what was summed before it, so that the last bits of a long product are left over."""
    random, count = np.random.default_rng(20), 300
    how, whole = Blocks(16, scale, scale, "float32"), parse(f"int{bits}")
    x, y = np.zeros((2, count, 48), dtype=np.int64)
    x[:, ::16], y[:, ::16] = random.integers(1, 1 << bits - 1, (2, count, 3))
    real = np.ldexp(random.uniform(1, 2, (2, count, 3)), random.integers(-20, 20, (2, count, 3)))
    first = x[:, 0] * y[:, 0] * real[0, :, 0] * real[1, :, 0]
    real[0, :, 1] = -first / (x[:, 16] * y[:, 16] * real[1, :, 1]) * random.choice([1, 1 + 2.0**-22], count)
    real[0, :, 2] = real[0, :, 2] * random.choice([1, 0, 2.0**-40, -(2.0**-60)], count)
    scales = encode(real, scale)
    codes = block_dot(x, y, *scales, whole, whole, how)
    for i in range(count):
        assert codes[i] == reference(x[i], y[i], scales[0][i], scales[1][i], whole, whole, how, single=True)
    assert len(set((codes >> 23 & 0xFF).tolist())) > 20  # of many magnitudes


def test_the_fast_and_the_general_sum_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the ends of float32: overflow, subnormal sums, zeros of both signs, infinities against each other."""
    random, cases = np.random.default_rng(21), [CASES[0], CASES[3], (*CASES[5][:2], SINGLE, SINGLE, 16)]
    for case in cases:
        how = Blocks(case[4], case[2], case[3], "float32")
        x, y = (finite_codes(random, format, 60, 5 * case[4]) for format in (case[1], case[0]))
        for part in np.split(x[: x.shape[0] // 2], 5, axis=1):
            part[random.random(len(part)) < 0.3] = 0  # blocks of zeros
        x[0] = 0
        scales = [random_codes(random, format, 60, 5) for format in (case[3], case[2])]
        if case[2] == E8M0:
            low, high = random.integers(30, 75, (2, 60, 5)), random.integers(180, 215, (2, 60, 5))
            scales = list(np.where(random.random((60, 1)) < 0.5, low, high))
            scales[0][-1] = 5  # each block less than half of the smallest subnormal
        arguments = (x[:, None], y, scales[0][:, None], scales[1], case[1], case[0], how)
        fast = block_dot(*arguments)
        with monkeypatch.context() as patch:
            patch.setattr(blocks, "_float32", lambda *arguments, whole: blocks._float32_large(*arguments))
            np.testing.assert_array_equal(block_dot(*arguments), fast)
        kinds = fast.view(np.float32)
        assert np.isinf(kinds).any()
        assert (fast[0] == 0).any()
        if case[2] == E8M0:
            assert ((np.abs(kinds) < 2.0**-126) & (kinds != 0)).any()
            assert (fast == 1 << 31).any()


@each_of("scales", [(E8M0, E8M0), (SINGLE, E8M0), (SINGLE, SINGLE)])
@each_of("long", [-1, 0, 1])
@each_of("significand", [0x800000, 0x800001, 0xFFFFFF])
def test_sums_a_hair_from_a_tie(scales: tuple[Format, Format], long: int, significand: int) -> None:
    """Half a step of the sum so far, and 2**-31 of that more or less: beyond what 53 bits can tell."""
    wide, how = parse("int16"), Blocks(16, *scales, "float32")
    x, y = np.zeros((2, 32), dtype=np.int64)
    x[:2], y[:2] = (significand >> 12, significand & 0xFFF), (1 << 12, 1)
    x[16:19], y[16:19] = (1 << 14, 1 << 14, long & 0xFFFF), (1 << 14, 1 << 14, 1)
    # 2**32 for the first block, and 4 for the second's 2**29; one more or less is then 4.
    first, second = [encode([2.0**32, 4.0], scales[1]), encode([1.0, 1.0], scales[0])]
    for sign in (0, 0xFFFF):
        flip = np.where(x > 0, (x ^ sign) + (sign & 1) & 0xFFFF, 0)
        code = block_dot(flip, y, first, second, wide, wide, how)
        assert code == reference(flip, y, first, second, wide, wide, how, single=True)
        up = long > 0 or (long == 0 and significand & 1)
        assert abs(float(code.view(np.float32))) == (significand + up) * 2.0**32


def test_a_microscaling_product_is_float64s() -> None:
    """With scales of a moderate range, all of it fits a float64."""
    random, m, k, n = np.random.default_rng(22), 20, 128, 30
    x, w = random.integers(0, 16, (m, k)), random.integers(0, 16, (k, n))
    x_scale, w_scale = random.integers(120, 135, (m, 4)), random.integers(120, 135, (4, n))
    values = [codes.astype(np.uint8).view(ml_dtypes.float8_e8m0fnu).astype(float) for codes in (x_scale, w_scale)]
    left = decode(x, E2M1) * np.repeat(values[0], 32, axis=1)
    right = decode(w, E2M1) * np.repeat(values[1], 32, axis=0)
    exact = block_matmul(x, w, x_scale, w_scale, E2M1, E2M1, Blocks(32, E8M0, E8M0, "exact"))
    assert isinstance(exact, Exact)
    np.testing.assert_array_equal(exact.to_float(), left @ right)
    # Sums so short that float32 rounds none of them: the same again.
    narrow = (x, w, np.full((m, 4), 127), np.full((4, n), 126))
    single = block_matmul(*narrow, E2M1, E2M1, Blocks(32, E8M0, E8M0))
    wanted = (decode(x, E2M1) @ decode(w, E2M1) / 2).astype(np.float32)
    np.testing.assert_array_equal(single.view(np.float32), wanted)
    np.testing.assert_array_equal(single, wanted.view(np.uint32))


def test_two_levels_of_scales_and_one_rounding() -> None:
    """NVFP4: blocks of 16 with e4m3 scales, summed exactly; then a float32 scale of the tensors, into bfloat16."""
    random, m, k, n = np.random.default_rng(23), 6, 64, 7
    x, w = random.integers(0, 16, (m, k)), random.integers(0, 16, (k, n))
    x_scale, w_scale = random.integers(0, 0x7F, (m, 4)), random.integers(0, 0x7F, (4, n))
    how = Blocks(16, FP8, FP8)
    exact = block_matmul(x, w, x_scale, w_scale, E2M1, E2M1, how)
    assert isinstance(exact, Exact) and exact.integers.dtype == np.int64
    tensor_scale = encode(1 / 2.7, SINGLE)
    final = Requantization(parse("bfloat16"), tensor_scale=SINGLE)
    codes = requantize(exact, final, tensor_scale=tensor_scale)
    for i, j in np.ndindex(m, n):
        value = reference(x[i], w[:, j], x_scale[i], w_scale[:, j], E2M1, E2M1, how, single=False)
        value *= read(SINGLE, int(tensor_scale))
        # The float32 just toward zero, made odd where inexact, rounds on to bfloat16 as the value itself does.
        size, exponent = abs(value), 0
        while size and size >= 1 << 24:
            size, exponent = size / 2, exponent + 1
        while size and size < 1 << 23:
            size, exponent = size * 2, exponent - 1
        odd = (floor(size) | (floor(size) != size)) * 2.0**exponent
        wanted = np.array(-odd if value < 0 else odd, dtype=np.float32).astype(ml_dtypes.bfloat16)
        assert codes[i, j] == wanted.view(np.uint16)


def test_values_beyond_float64_overflow_and_are_no_nan() -> None:
    """A block that float64 cannot hold makes float32's infinity, which no finite block takes back."""
    huge = Table("huge", (0, 1, 2, -3), 600)
    how = Blocks(16, E8M0, E8M0, "float32")
    x, y, scales = np.repeat([1, 3], 16), np.ones(32, dtype=int), np.full(2, 127)
    assert block_dot(x, y, scales, scales, huge, huge, how) == np.float32(np.inf).view(np.uint32)


def test_a_float32_sum_goes_on_through_dequantize() -> None:
    random = np.random.default_rng(24)
    x, w = random.integers(0, 16, (4, 96)), random.integers(0, 16, (96, 5))
    sums = block_matmul(
        x, w, random.integers(100, 150, (4, 3)), random.integers(100, 150, (3, 5)), E2M1, E2M1, Blocks(32, E8M0, E8M0)
    )
    how = Requantization(parse("float16"))
    np.testing.assert_array_equal(dequantize(sums, SINGLE, how), encode(sums.view(np.float32), how.output))


def test_dot_is_matmul_without_the_matrix() -> None:
    random, case = np.random.default_rng(25), CASES[1]
    for accumulate in ("exact", "float32"):
        how = Blocks(case[4], case[2], case[3], accumulate)
        x, y, x_scale, y_scale = problem(random, case, True, 40)
        arguments = (case[1], case[0], how)
        product = block_matmul(x, y, x_scale, y_scale, *arguments)
        sums = block_dot(x[:, None], y.T, x_scale[:, None], y_scale.T, *arguments)
        one = block_dot(x[1], y[:, 2], x_scale[1], y_scale[:, 2], *arguments)
        assert one.shape == ()
        if isinstance(product, Exact):
            np.testing.assert_array_equal(sums.integers, product.integers)
            assert one.integers == product.integers[1, 2]
        else:
            np.testing.assert_array_equal(sums, product)
            assert one == product[1, 2]
        assert one.nan[()] == product.nan[1, 2] if accumulate == "exact" else True


def test_one_block_without_scales_is_matmul() -> None:
    random, one = np.random.default_rng(26), parse("uint2")
    x, w = random.integers(0, 256, (5, 16)), random.integers(0, 256, (16, 6))
    ones = {"activation_scale": np.ones((5, 1), dtype=int), "weight_scale": np.ones((1, 6), dtype=int)}
    for left, right in (("int8", "e4m3"), ("float8_e5m2", "float8_e4m3fn")):
        plain = matmul(x, w, parse(left), parse(right))
        scaled = block_matmul(
            x, w, **ones, activation_format=parse(left), weight_format=parse(right), blocks=Blocks(16, one, one)
        )
        assert isinstance(scaled, Exact) and scaled.lsb_exponent == plain.lsb_exponent
        for member in ("integers", "nan", "positive_infinity", "negative_infinity"):
            mine, theirs = getattr(scaled, member), getattr(plain, member)
            assert (mine is None) == (theirs is None)
            assert mine is None or np.array_equal(mine, theirs)


def test_terms_choose_the_accumulator() -> None:
    """A sum that is part of a longer one is kept as that is."""
    x, w, scales = np.full((1, 16), 7), np.full((16, 1), 7), np.full((1, 1), 100)
    how = Blocks(16, FP8, FP8)
    arguments = (x, w, scales, scales, FP8, FP8, how)
    assert isinstance(block_matmul(*arguments), Exact)
    assert isinstance(block_matmul(*arguments, terms=1 << 70), np.ndarray)
    assert isinstance(block_dot(x[0], w[:, 0], scales[0], scales[0], FP8, FP8, how, terms=1 << 70), np.ndarray)
    with pytest.raises(ValueError, match="terms must be at least the 16 that there are, not 15"):
        block_matmul(*arguments, terms=15)


def test_no_terms_make_zero() -> None:
    for accumulate in ("exact", "float32"):
        how = Blocks(16, FP8, E8M0, accumulate)
        none = np.zeros((2, 0), dtype=int)
        result = block_matmul(none, none.T, none, none.T, E2M1, E2M1, how)
        integers = result.integers if isinstance(result, Exact) else result
        np.testing.assert_array_equal(integers, np.zeros((2, 2)))


@pytest.mark.parametrize(
    ("shapes", "sentence"),
    [
        (((2, 32), (31, 3), (2, 2), (2, 3)), r"shapes must be \(m, k\) and \(k, n\), not \(2, 32\) and \(31, 3\)"),
        (((32,), (32, 3), (2,), (2, 3)), r"shapes must be \(m, k\) and \(k, n\), not \(32,\) and"),
        (
            ((2, 33), (33, 3), (2, 2), (3, 3)),
            r"activation_scale must have one code for each block, shape \(2, 3\), not",
        ),
        (((2, 33), (33, 3), (2, 3), (3, 2)), r"weight_scale must have one code for each block, shape \(3, 3\), not"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(shapes: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        block_matmul(*(np.zeros(shape, dtype=int) for shape in shapes), E2M1, E2M1, Blocks(16, FP8, FP8))


def test_other_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match=r"the last axes must be of one length, not those of shapes \(3,\) and \(4,\)"):
        block_dot([0] * 3, [0] * 4, [0], [0], E2M1, E2M1, Blocks(16, FP8, FP8))
    with pytest.raises(ValueError, match="blocks must be a Blocks, not 16"):
        block_dot([0], [0], [0], [0], E2M1, E2M1, 16)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="code must be 0 to 255 for float8_e4m3fn, not 256"):
        block_dot([0], [0], [256], [0], E2M1, E2M1, Blocks(16, FP8, FP8))


def test_float32_sums_have_one_rounding_a_block() -> None:
    """A product rounded before it is added would give another sum."""
    how = Blocks(16, SINGLE, SINGLE, "float32")
    int8 = parse("int8")
    scale = encode([1 + 2.0**-23, 1.0], SINGLE), encode([1 + 2.0**-23, -1.0], SINGLE)
    x, y = np.zeros((2, 32), dtype=int)
    x[[0, 16]] = y[[0, 16]] = 1
    # (1 + e)**2 - 1, where the first block has been rounded to 1 + 2e.
    assert block_dot(x, y, *scale, int8, int8, how) == encode(2.0**-22, SINGLE)
    reverse = (scale[0][::-1].copy(), scale[1][::-1].copy())
    # -1 + (1 + e)**2, rounded as a whole: 2e + e * e.
    assert block_dot(x, y, *reverse, int8, int8, how) == encode(2.0**-22 + 2.0**-46, SINGLE)


@pytest.mark.parametrize("scale", [SINGLE, parse("bfloat16")], ids=str)
def test_an_exact_zero_is_positive(scale: Format) -> None:
    """Even where a sum that rounded to the negative zero meets a zero with a negative scale."""
    how, int8 = Blocks(16, scale, scale, "float32"), parse("int8")
    x = np.zeros(32, dtype=int)
    x[0] = 1
    scales = encode([-(2.0**-100), -1.0], scale), encode([2.0**-100, 1.0], scale)
    assert block_dot(x[:16], x[:16], scales[0][:1], scales[1][:1], int8, int8, how) == 1 << 31
    assert block_dot(x, x, *scales, int8, int8, how) == 0


def test_specials_of_minifloats_without_nan() -> None:
    """Infinity times zero is NaN though neither format of a scale has one."""
    infinite = Minifloat(3, 0, specials=Specials.IEEE, alias="infinite")
    assert not infinite.has_nan
    for accumulate in ("exact", "float32"):
        how = Blocks(16, infinite, infinite, accumulate)
        result = block_dot([[0], [1], [9], [1]], [1], [[7], [7], [7], [0]], [7], E2M1, E2M1, how)
        if isinstance(result, Exact):
            assert [of_exact(result, i) for i in (1, 2)] == [float("inf"), -float("inf")]
            assert result.nan is not None and result.nan.tolist() == [True, False, False, True]
        else:
            assert result.tolist() == [NAN_CODE, 0x7F800000, 0xFF800000, NAN_CODE]


def test_a_long_exact_sum_of_one_pair_of_vectors():
    element, scale = parse("e2m1"), parse("ue5m3")
    how = Blocks(16, scale, scale, "exact")
    total = block_dot([7] * 3, [7] * 3, [0xFF], [0xFF], element, element, how)
    assert int(total.integers) == 3 * element.max_integer**2 * scale.max_integer**2
