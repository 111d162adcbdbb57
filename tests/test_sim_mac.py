"""The MAC's model against a plain loop over the cycles, of the contract's own words."""

from typing import Any

import numpy as np
import pytest
from each_of import each_of
from fewbit.formats import Format, Overflow, Special, parse
from fewbit.sim import Exact, decode, encode, mac

PAIRS = [
    *(("e2m1", "int4"), ("int8", "int8"), ("uint4", "uint4"), ("float8_e4m3fn", "int8"), ("float8_e4m3fnuz", "e4m3")),
    *(("float8_e5m2", "float8_e5m2"), ("float8_e5m2", "uint4"), ("bfloat16", "bfloat16"), ("float8_e8m0fnu", "e3m2")),
]


def loop(
    w: Any, a: Any, w_format: Format, a_format: Format, valid: Any, first: Any, rst: Any
) -> list[tuple[int, str | None]]:
    """The accumulator and its mark after each cycle, one step at a time."""
    total, mark, shown = 0, None, []
    for cycle in range(len(w)):
        if rst[cycle]:
            total, mark = 0, None
        elif valid[cycle]:
            if first[cycle]:
                total, mark = 0, None
            for x, y in zip(w[cycle].tolist(), a[cycle].tolist(), strict=True):
                left, right = w_format.special(x), a_format.special(y)
                if left is None and right is None:
                    total += w_format.integer(x) * a_format.integer(y)
                    continue
                # NumPy's own IEEE arithmetic says what a product with a special value is.
                with np.errstate(invalid="ignore"):
                    product = np.sign(decode(x, w_format)) * decode(y, a_format)
                    if left is not None:
                        product = decode(x, w_format) * np.sign(decode(y, a_format))
                new = (
                    Special.NAN
                    if np.isnan(product)
                    else Special.POSITIVE_INFINITY
                    if product > 0
                    else Special.NEGATIVE_INFINITY
                )
                mark = new if mark in (None, new) else Special.NAN
        shown.append((0 if mark else total, mark))
    return shown


def as_list(result: Exact) -> list[tuple[int, str | None]]:
    names = Special.NAN, Special.POSITIVE_INFINITY, Special.NEGATIVE_INFINITY
    masks = [
        np.zeros(result.shape, bool) if mask is None else mask
        for mask in (result.nan, result.positive_infinity, result.negative_infinity)
    ]
    assert (sum(mask.astype(int) for mask in masks) <= 1).all()
    found = []
    for cycle, integer in enumerate(result.integers.tolist()):
        marks = [name for name, mask in zip(names, masks, strict=True) if mask[cycle]]
        found.append((integer, marks[0] if marks else None))
    return found


@each_of("weight, activation", PAIRS)
@each_of("lanes", [1, 3])
def test_random_cycles_against_a_loop(weight: str, activation: str, lanes: int) -> None:
    w_format, a_format = parse(weight), parse(activation)
    random = np.random.default_rng(5)
    cycles = 3000
    w = random.integers(0, 1 << w_format.width, (cycles, lanes))
    a = random.integers(0, 1 << a_format.width, (cycles, lanes))
    # Special values seldom, so that sums come about, and each of them often enough to meet another.
    for codes, format in ((w, w_format), (a, a_format)):
        finite = np.isfinite(decode(codes, format))
        codes[~finite & (random.random(codes.shape) < 0.7)] = 1
    valid, first, rst = random.random(cycles) < 0.7, random.random(cycles) < 0.05, random.random(cycles) < 0.02
    expected = loop(w, a, w_format, a_format, valid, first, rst)
    result = mac(w, a, w_format, a_format, valid, first, rst)
    assert as_list(result) == expected
    marks = {mark for _, mark in expected}
    assert (marks == {None}) == (w_format.finite and a_format.finite)
    if lanes == 1:
        assert as_list(mac(w[:, 0], a[:, 0], w_format, a_format, valid, first, rst)) == expected


def test_by_hand() -> None:
    int4 = parse("int4")
    w = [2, 3, 4, 5, 6, 7, 1, 1]
    a = [1, 1, 1, 1, 1, 1, 1, 1]
    valid = [1, 1, 0, 1, 1, 1, 0, 1]
    first = [0, 0, 1, 1, 0, 1, 1, 0]
    rst = [0, 0, 0, 0, 0, 1, 0, 0]
    #  without first at the start: from 0; first without valid: held; reset wins over valid and first
    assert mac(w, a, int4, int4, valid, first, rst).integers.tolist() == [2, 5, 5, 5, 11, 0, 0, 1]
    assert mac(w, a, int4, int4).integers.tolist() == [2, 5, 9, 14, 20, 27, 28, 29]


def test_marks_stick_until_first_or_reset() -> None:
    e5m2 = parse("float8_e5m2")
    one, up, down = encode([1.0, np.inf, -np.inf], e5m2, overflow=Overflow.INFINITY).tolist()
    w = [up, one, down, up, one, one, up, one]
    first = [0, 0, 0, 0, 1, 0, 0, 0]
    rst = [0, 0, 0, 0, 0, 0, 0, 1]
    result = mac(w, [one] * 8, e5m2, e5m2, None, first, rst)
    unit = 1 << -result.lsb_exponent
    infinity, nan = (0, Special.POSITIVE_INFINITY), (0, Special.NAN)
    assert as_list(result) == [infinity, infinity, nan, nan, (unit, None), (2 * unit, None), infinity, (0, None)]


def test_sums_beyond_64_bits() -> None:
    e5m2 = parse("float8_e5m2")
    most = encode(1e9, e5m2).item()
    result = mac([most] * 100, [most] * 100, e5m2, e5m2)
    assert result.integers.tolist() == [e5m2.max_integer**2 * count for count in range(1, 101)]
    assert result.integers[0] > 1 << 63


def test_no_cycles() -> None:
    assert mac(np.zeros(0, int), np.zeros(0, int), parse("int4"), parse("int4")).integers.tolist() == []


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda f: mac([1, 2], [1], f, f),
            "weight and activation must both be (cycles,) or (cycles, lanes), not (2,) and (1,)",
        ),
        (lambda f: mac(1, 1, f, f), "weight and activation must both be (cycles,) or (cycles, lanes), not () and ()"),
        (lambda f: mac([1], [1], f, f, valid=[1, 0]), "valid must have one entry for each of 1 cycles, not shape (2,)"),
        (lambda f: mac([1], [1], f, f, rst=1), "rst must have one entry for each of 1 cycles, not shape ()"),
    ],
)
def test_what_is_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError) as error:
        call(parse("int4"))
    assert str(error.value) == message
