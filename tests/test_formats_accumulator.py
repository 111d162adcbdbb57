"""The accumulator's width against brute force: every sum that can be reached, and no bit more than those need."""

import pickle
from itertools import product as pairs

import pytest
from each_of import each_of
from fewbit.formats import Accumulator, Format, parse, product_range, study_formats

SMALL = [*study_formats(2, 3), *map(parse, ("uint1", "uint2", "uint3", "int1", "int2s", "int3s", "sm3", "ue2m1"))]


def products(weight: Format, activation: Format) -> set[int]:
    finite = [[f.integer(code) for code in f.codes if f.special(code) is None] for f in (weight, activation)]
    return {w * a for w, a in pairs(*finite)}


def fits(width: int, signed: bool, values: set[int]) -> bool:
    low, high = (-(1 << width - 1), (1 << width - 1) - 1) if signed else (0, (1 << width) - 1)
    return low <= min(values) and max(values) <= high


@each_of("weight", SMALL)
@each_of("activation", SMALL)
def test_the_width_is_the_least_that_holds_every_sum(weight: Format, activation: Format) -> None:
    terms = products(weight, activation)
    sums = {0}
    for count in range(1, 6):
        sums |= {total + term for total in sums for term in terms}
        accumulator = Accumulator(weight, activation, count)
        assert (accumulator.min_sum, accumulator.max_sum) == (min(sums), max(sums))
        assert accumulator.signed == (min(sums) < 0)
        assert fits(accumulator.width, accumulator.signed, sums)
        assert accumulator.width == 1 or not fits(accumulator.width - 1, accumulator.signed, sums)


@pytest.mark.parametrize(
    "name", ["float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e8m0fnu", "e4m3", "int8s", "uint8"]
)
def test_extreme_products(name: str) -> None:
    format, other = parse(name), parse("e3m2")
    reached = products(format, other)
    assert product_range(format, other) == (min(reached), max(reached))


def test_by_hand() -> None:
    mac = Accumulator(parse("int8"), parse("int8"), 1)  # (-128)**2 = 2**14 takes 16 bits
    assert (mac.width, mac.signed, mac.min_sum, mac.max_sum) == (16, True, -128 * 127, 1 << 14)
    assert Accumulator(parse("int8s"), parse("int8s"), 1).width == 15
    assert Accumulator(parse("uint8"), parse("uint8"), 1).width == 16
    e2m1_int4 = Accumulator(parse("e2m1"), parse("int4"), 4096)  # 12 * 8 * 4096 = 393216 on either side
    assert (e2m1_int4.width, e2m1_int4.signed, e2m1_int4.lsb_exponent) == (20, True, -1)
    assert Accumulator(parse("float8_e5m2"), parse("float8_e5m2"), 1).width > 64
    assert Accumulator(parse("float8_e8m0fnu"), parse("float8_e8m0fnu"), 1).width == 509
    assert not Accumulator(parse("float8_e8m0fnu"), parse("uint4"), 1).signed


@pytest.mark.parametrize("terms", [0, -1])
def test_no_terms_are_refused(terms: int) -> None:
    with pytest.raises(ValueError, match=f"^terms must be 1 or more, not {terms}$"):
        Accumulator(parse("int4"), parse("int4"), terms)


def test_an_accumulator_is_a_value() -> None:
    accumulator = Accumulator(parse("int4"), parse("e2m1"), 7)
    assert pickle.loads(pickle.dumps(accumulator)) == accumulator
    assert hash(accumulator) == hash(Accumulator(parse("int4"), parse("e2m1"), 7))
    assert accumulator != Accumulator(parse("int4"), parse("e2m1"), 8)
