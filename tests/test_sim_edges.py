"""The golden model where NumPy's types end: sums near 2**63, integers of any length, single values, and none at all."""

import itertools
import random
from fractions import Fraction

import numpy as np
import pytest
from fewbit.formats import Blocks, Engine, Overflow, Requantization, Rounding, parse
from fewbit.sim import (
    Exact,
    block_dot,
    decode,
    dequantize,
    dot,
    dyadic_codes,
    encode,
    engine_matmul,
    mac,
    matmul,
    multiply,
    requantize,
    zero_point_bias,
)
from requantize_reference import Reference, expect, real

INT8, UINT8, FLOAT32 = parse("int8"), parse("uint8"), parse("float32")
OUTPUTS = [
    *("int8", "uint8", "int8s", "sm8", "int2", "uint1", "e4m3", "float8_e4m3fn", "float8_e5m2"),
    *("float8_e4m3fnuz", "float8_e8m0fnu", "ue4m3", "e2m1", "e3m0"),
]
ENDS = [sign * (1 << bits) + step for sign in (1, -1) for bits in (31, 32, 53, 61, 62, 63) for step in range(-2, 3)]
FITS = [integer for integer in ENDS if -(1 << 63) <= integer < 1 << 63]


def policies(name: str):
    """Every requantization of a format that differs in what is done at its ends."""
    output = parse(name)
    for rounding, overflow, point, relu in itertools.product(Rounding, Overflow, (False, True), (False, True)):
        try:
            yield Requantization(output, zero_point=point, relu=relu, rounding=rounding, overflow=overflow)
        except ValueError:
            continue


@pytest.mark.parametrize("name", OUTPUTS)
def test_sums_at_the_ends_of_64_bits_are_requantized_by_the_definition(name):
    chance = random.Random(name)
    for how in policies(name):
        integers = [*chance.sample(FITS, 12), 1, 0, -1, (1 << 63) - 1, -(1 << 63)]
        scaled = Exact(np.array(integers), chance.choice((0, 0, -1, -31, -60, 3)))
        count = len(integers)
        more = {}
        if how.zero_point:
            least = 0 if how.output.unsigned else -(1 << how.output.width - 1)
            points = [chance.choice((least, how.output.max_integer, chance.randint(least, how.output.max_integer)))]
            more["zero_point"] = np.array(points * count)
        if how.rounding is Rounding.STOCHASTIC:
            more["words"] = np.array([chance.choice((0, 65535, chance.randrange(65536))) for _ in range(count)])
        expect(requantize(scaled, how, **more), real(scaled), how, **more)


@pytest.mark.parametrize(
    ("integer", "output", "point", "code"),
    [(2**63 - 1, UINT8, 1, 255), (2**63 - 1, INT8, 5, 127), (-(2**63), INT8, -5, 128), (2**63, UINT8, 255, 255)],
)
def test_a_zero_point_never_wraps(integer, output, point, code):
    how = Requantization(output, zero_point=True)
    assert requantize(Exact(integer, 0), how, zero_point=point).tolist() == code
    assert requantize(Exact([integer], 0), how, zero_point=[point]).tolist() == [code]


@pytest.mark.parametrize("name", OUTPUTS)
def test_integers_of_any_length_are_encoded_by_the_definition(name):
    chance = random.Random(name)
    lengths = [chance.getrandbits(chance.randrange(1, 200)) * chance.choice((1, -1)) for _ in range(12)]
    values = chance.sample(ENDS, 20) + lengths + [chance.choice((1, -1)) << bits for bits in (63, 64, 70)]
    for how in policies(name):
        if how.zero_point or how.relu or how.rounding is Rounding.STOCHASTIC:
            continue
        codes = encode(values, how.output, how.rounding, how.overflow)
        assert codes.tolist() == [Reference(how).code([Fraction(value)]) for value in values], how
        for array in (np.array(values, dtype=object), tuple(values), [[value] for value in values]):
            assert encode(array, how.output, how.rounding, how.overflow).reshape(-1).tolist() == codes.tolist()


def test_integers_keep_all_their_bits_beside_floats_and_in_lists_of_mixed_signs():
    assert encode([2**63 + 1, -1], INT8, overflow=Overflow.WRAP).tolist() == [1, 255]
    assert encode([2**53 + 1, 0.5], parse("uint16"), overflow=Overflow.WRAP).tolist() == [1, 0]
    # A tie of float32, and a little more: the sum of both is not a float64.
    tie = 2**60 + 2**36
    assert encode([tie, tie + 1, 0.25], FLOAT32).tolist() == [0x5D800000, 0x5D800001, 0x3E800000]
    assert encode([2**70, float("inf"), float("nan")], FLOAT32).tolist() == [0x62800000, 0x7F7FFFFF, 0x7FC00000]
    assert dyadic_codes([2**1100, 1], parse("dyadic8s3")).tolist() == [255, 7 << 8 | 128]


def test_stochastic_rounding_refuses_what_it_cannot_do_exactly():
    assert encode([2**100, -(2**100)], parse("bfloat16"), Rounding.STOCHASTIC, seed=1).tolist() == [0x7180, 0xF180]
    with pytest.raises(ValueError, match="at most 64 significant bits where they are rounded stochastically"):
        encode([2**100 + 1, 1], parse("bfloat16"), Rounding.STOCHASTIC, seed=1)


@pytest.mark.parametrize("values", [[Fraction(1, 2)], [None], [2**70, None], np.array(["1"], dtype=object)])
def test_objects_that_are_no_numbers_are_refused(values):
    with pytest.raises(ValueError, match="values must be real numbers of at most 64 bits, not object"):
        encode(values, INT8)
    with pytest.raises(ValueError, match="codes must be integers, not object"):
        decode(values, INT8)


def test_codes_and_parameters_out_of_range_are_named_whatever_numpy_makes_of_them():
    with pytest.raises(ValueError, match=f"code .*{2**63 + 1}|.*{-1}"):
        decode([2**63 + 1, -1], INT8)
    with pytest.raises(ValueError, match=f"bias must be -128 to 127, not -1 to {2**63}"):
        requantize(Exact([0, 0], 0), Requantization(INT8, bias_bits=8), bias=[2**63, -1])
    with pytest.raises(ValueError, match="bias must be integers, not object"):
        requantize(Exact([0, 0], 0), Requantization(INT8, bias_bits=8), bias=np.array([1.5, 1], dtype=object))


def test_exact_integers_are_integers():
    assert Exact([2**63, -1], 0).integers.tolist() == [2**63, -1]
    with pytest.raises(ValueError, match="integers must be integers, not float64"):
        Exact([0.5], 0)
    with pytest.raises(ValueError, match="integers must be integers, not object"):
        Exact(np.array([1.5, 1 << 70], dtype=object), 0)


def single(how: Requantization, integer: int, **more) -> int:
    """The code of a 0-d sum, which must be that of an array of one."""
    alone = requantize(Exact(np.array(integer), 0), how, **more)
    assert alone.shape == ()
    assert isinstance(alone, np.ndarray)
    assert alone.tolist() == requantize(Exact(np.array([integer]), 0), how, **more).tolist()[0]
    return int(alone)


@pytest.mark.parametrize("name", [*OUTPUTS, "float32"])
def test_a_single_sum_is_requantized_like_one_of_many(name):
    output = parse(name)
    for scale, relu, overflow in itertools.product(("float32", "dyadic8s4", None), (False, True), Overflow):
        try:
            how = Requantization(output, scale and parse(scale), relu=relu, overflow=overflow)
        except ValueError:
            continue
        one = {"float32": 0x3F800000, "dyadic8s4": 1 | 4 << 8 ^ 4 << 8}
        more = {} if scale is None else {"scale": one[scale]}
        for integer in (11, -7, 0, 2**63 - 1):
            single(how, integer, **more)
    total = dot([1, 2], [3, 4], INT8, INT8)
    assert requantize(total, Requantization(INT8, FLOAT32), scale=np.uint32(0x3F800000)).tolist() == 11
    assert requantize(total, Requantization(INT8, relu=True)).tolist() == 11
    assert requantize(total, Requantization(FLOAT32)).tolist() == 0x41300000
    assert requantize(total, Requantization(parse("bfloat16"))).tolist() == 0x4130


def test_single_values_have_the_shape_of_what_came():
    e2m1 = parse("e2m1")
    blocks = Blocks(16, parse("float8_e8m0fnu"), parse("float8_e8m0fnu"))
    results = [
        *(encode(1.5, e2m1), encode(2**70, e2m1), decode(3, e2m1), dyadic_codes(0.5, parse("dyadic8s3"))),
        dequantize(3, e2m1, Requantization(INT8)),
        *(multiply(3, 5, e2m1, e2m1).integers, dot([3], [5], e2m1, e2m1).integers),
        block_dot([3, 1], [5, 2], [127], [127], e2m1, e2m1, blocks),
    ]
    for result in results:
        assert isinstance(result, np.ndarray)
        assert result.shape == ()


@pytest.mark.parametrize("name", ["int8", "e2m1", "float8_e5m2", "uint16", "float32"])
def test_nothing_gives_nothing_and_an_empty_sum_is_zero(name):
    form, blocks = parse(name), Blocks(16, parse("float8_e8m0fnu"), parse("float8_e4m3fn"))
    for empty in (encode([], form), decode([], form), multiply([], [], form, form).integers):
        assert empty.shape == (0,)
    assert mac([], [], form, form).shape == (0,)
    assert mac([], [], form, form, valid=[], first=[], rst=[]).shape == (0,)
    assert dot([], [], form, form).integers.tolist() == 0
    assert dot([[], []], [[], []], form, form).integers.tolist() == [0, 0]
    assert matmul(np.empty((2, 0)), np.empty((0, 3)), form, form).integers.tolist() == [[0] * 3] * 2
    exact = block_dot([], [], [], [], form, form, blocks)
    assert (exact.integers if isinstance(exact, Exact) else exact).tolist() == 0
    how = Requantization(INT8, FLOAT32, bias_bits=8, zero_point=True, rounding=Rounding.STOCHASTIC)
    codes = requantize(dot(np.empty((0, 4)), [1, 2, 3, 4], INT8, INT8), how, scale=[], bias=[], zero_point=[], words=[])
    assert codes.dtype == np.uint8
    assert codes.shape == (0,)


def test_floats_of_sums_are_rounded_once_where_float64_has_subnormals():
    # A little more than a tie between subnormals: rounded to 53 bits first, it would be the tie.
    for bits, step in itertools.product((55, 60, 62), (1, 3, -1)):
        integer, exponent = (1 << bits) + (1 << 19) + step, -1074 - 20
        wanted = float(Fraction(integer) * Fraction(2) ** exponent)
        assert Exact(np.array([integer, -integer]), exponent).to_float().tolist() == [wanted, -wanted]


def test_zero_points_of_an_engine_are_computed_without_wrapping():
    how = Requantization(INT8, bias_bits=32)
    engine = Engine(INT8, INT8, how, rows=1, columns=1, max_k=4, weight_zero_point=True)
    operands = np.array([[1]], dtype=np.uint8), np.array([[2]], dtype=np.uint8)
    wanted = engine_matmul(engine, *operands, bias=[3], weight_zero_point=-5)
    for kind in (np.uint64, np.uint8, np.int64):
        bias = np.array([3], dtype=kind)
        assert engine_matmul(engine, *operands, bias=bias, weight_zero_point=np.int8(-5)).tolist() == wanted.tolist()
    assert zero_point_bias([[127], [127]], INT8, 2**40, 2**20).tolist() == [2**40 * (2 * 2**20 - 254)]
    with pytest.raises(ValueError, match="zero points must give a bias of at most 64 bits, not 1099511627776 and 1"):
        zero_point_bias([[127], [127]], INT8, 2**40, 2**40)


def test_a_running_sum_is_exact_where_it_is_longer_than_64_bits():
    form = parse("bfloat16")
    codes = encode([3.0e38] * 5, form)
    product = form.integer(int(codes[0])) ** 2
    assert mac(codes, codes, form, form).integers.tolist() == [(i + 1) * product for i in range(5)]
