"""Stochastic rounding: reproducible, between the neighbours only, and with exactly the right probability."""

from typing import Any

import numpy as np
import pytest
from fewbit.formats import Overflow, Rounding, parse
from fewbit.sim import decode, encode
from fewbit.sim.rounding import round_to_codes, split

SEED = 20240


def stochastic(values: Any, name: str, seed: int = SEED) -> Any:
    return decode(encode(values, parse(name), Rounding.STOCHASTIC, seed=seed), parse(name))


@pytest.mark.parametrize(
    "name", ["e4m3", "e2m1", "int8", "uint8", "sm6", "float8_e5m2", "bfloat16", "float8_e8m0fnu", "e3m0"]
)
def test_the_result_is_one_of_the_neighbours(name: str) -> None:
    random = np.random.default_rng(0)
    values = np.abs(random.standard_normal(20000)) * np.exp2(random.integers(-8, 3, 20000))
    values = values if name in ("uint8", "float8_e8m0fnu") else np.concatenate([values, -values])
    rounded = stochastic(values, name)
    lower = decode(encode(values, parse(name), Rounding.TOWARD_ZERO), parse(name))
    assert set(np.sign(rounded - lower) * np.sign(values)) == {0.0, 1.0}
    steps = np.sort(np.unique(decode(np.arange(1 << parse(name).width), parse(name))))
    above = np.searchsorted(steps, lower) + np.sign(values).astype(int)
    moved = rounded != lower
    np.testing.assert_array_equal(rounded[moved], steps[above[moved]])


def test_up_exactly_where_the_random_word_is_below_the_fraction() -> None:
    """Thereby the probability is the fraction to the last of its bits: words are uniform over 2**64."""
    count = 100_000  # more than a chunk
    words = np.random.PCG64(SEED).random_raw(count)
    for fraction in (0.0, 0.5, 0.25, 0.3, 1 / 3, 2.0**-40, 1 - 2.0**-50):
        value = 4 + fraction  # exact fractions of the sum, which has dropped what 4 + fraction cannot hold
        threshold = int((value - 4) * 2**64)
        np.testing.assert_array_equal(stochastic(np.full(count, value), "int8") == 5, words < np.uint64(threshold))
        np.testing.assert_array_equal(stochastic(np.full(count, -value), "int8") == -5, words < np.uint64(threshold))
    expected = np.where(words < np.uint64(3 << 62), 4.5, 4.0)
    np.testing.assert_array_equal(stochastic(np.full(count, 4.375), "e4m3"), expected)


def test_an_outcome_depends_on_seed_place_and_value_only() -> None:
    values = np.random.default_rng(1).standard_normal((50, 1000)) * 8
    first = stochastic(values, "e4m3")
    np.testing.assert_array_equal(stochastic(values, "e4m3"), first)
    np.testing.assert_array_equal(stochastic(values.reshape(-1)[:777], "e4m3"), first.reshape(-1)[:777])
    others = values.copy()
    others[:, ::2] = 1.0
    np.testing.assert_array_equal(stochastic(others, "e4m3")[:, 1::2], first[:, 1::2])
    assert (stochastic(values, "e4m3", SEED + 1) != first).any()


class Words(np.random.PCG64):
    """Deals out given words in order."""

    def __init__(self, words: list[int]) -> None:
        super().__init__(0)
        self.words = words

    def random_raw(self, size: Any = None, lock: bool = True) -> Any:
        dealt, self.words = self.words[:size], self.words[size:]
        assert len(dealt) == size, "no word may be drawn for what is decided"
        return np.array(dealt, dtype=np.uint64)


@pytest.mark.parametrize(
    ("value", "words", "result"),
    [
        (2.0**-65, [0, (1 << 63) - 1], 1),  # the probability's second word is 2**63
        (2.0**-65, [0, 1 << 63], 0),
        (2.0**-65, [1], 0),
        (2.0**-64, [0], 1),
        (2.0**-64, [1, 0], 0),  # tied so far; 0 is not below the second word, 0
        (2.0**-1074, [0] * 17, 1),  # 2**-1074 is 2**14 units of the seventeenth word
        (2.0**-1074, [0] * 16 + [(1 << 14) - 1], 1),
        (2.0**-1074, [0] * 16 + [1 << 14], 0),
        (2.0**-1074, [0] * 15 + [1], 0),
        (1.5 * 2.0**-64, [1, (1 << 63) - 1], 1),
        (1.5 * 2.0**-64, [1, 1 << 63], 0),
        (1.5 * 2.0**-64, [0], 1),
        (1.5 * 2.0**-64, [2], 0),
    ],
)
def test_probabilities_longer_than_a_word(value: float, words: list[int], result: int) -> None:
    random = Words(list(words))
    code = round_to_codes(split(np.array([value])), parse("int8"), Rounding.STOCHASTIC, Overflow.SATURATE, random)
    assert code.tolist() == [result] and random.words == []


def test_overflow_is_judged_after_stochastic_rounding() -> None:
    format = parse("float8_e4m3fn")
    values = np.full(1000, 456.0)  # a quarter of the way from 448 to 480
    codes = encode(values, format, Rounding.STOCHASTIC, Overflow.NAN, seed=SEED)
    up = np.random.PCG64(SEED).random_raw(1000) < np.uint64(1 << 62)
    np.testing.assert_array_equal(np.isnan(decode(codes, format)), up)
    assert 0 < up.sum() < 1000
    assert (stochastic(values, "float8_e4m3fn") == 448).all()
