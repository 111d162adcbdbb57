"""The random words of stochastic rounding: against a register that goes bit by bit, and its period."""

import numpy as np
import pytest
from fewbit.sim import lfsr_words


def slow_words(seed: int, count: int) -> list[int]:
    words, state = [], seed
    for _ in range(count):
        words.append(state & 0xFFFF)
        for _ in range(16):
            low, state = state & 1, state >> 1
            state ^= 0x80200003 if low else 0
    return words


def test_words_of_the_register() -> None:
    for seed in (1, 0xDEADBEEF, (1 << 32) - 1):
        for count in (0, 1, 2, 3, 1000):
            words = lfsr_words(seed, count)
            assert words.dtype == np.uint16
            assert words.tolist() == slow_words(seed, count)
    with pytest.raises(ValueError, match="seed must be 1 to"):
        lfsr_words(0, 1)
    with pytest.raises(ValueError, match="count must be 0 or more, not -1"):
        lfsr_words(1, -1)


def test_the_register_passes_through_every_state() -> None:
    """Its step, as a matrix, has the order 2**32 - 1, and 16 steps, having no factor in common with that, too."""

    def times(one: list[int], other: list[int]) -> list[int]:
        result = []
        for column in other:
            total = 0
            for bit in range(32):
                total ^= one[bit] if column >> bit & 1 else 0
            result.append(total)
        return result

    def power(exponent: int) -> list[int]:
        result, square = [1 << bit for bit in range(32)], [0x80200003, *(1 << bit for bit in range(31))]
        while exponent:
            result = times(square, result) if exponent & 1 else result
            square, exponent = times(square, square), exponent >> 1
        return result

    identity = power(0)
    order = (1 << 32) - 1
    assert order == 3 * 5 * 17 * 257 * 65537 and order % 2
    assert power(order) == identity
    assert all(power(order // prime) != identity for prime in (3, 5, 17, 257, 65537))
