"""The random words of stochastic rounding, as the hardware makes them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..formats import RANDOM_BITS

__all__ = ["lfsr_words"]

TAPS = 0x80200003  # x**32 + x**22 + x**2 + x + 1, which is primitive


def lfsr_words(seed: int, count: int) -> NDArray[np.uint16]:
    """The first ``count`` words of a 32-bit Galois LFSR: its low 16 bits, every 16 steps.

    A step shifts to the right by one and, where a one falls off, inverts the taps 0x80200003. The first word is that of
    the seed itself. They repeat after 2**32 - 1 words.

    Parameters
    ----------
    seed: the state that the register starts from, 1 to 2**32 - 1
    count: 0 or more
    """
    if not isinstance(seed, int) or not 1 <= seed < 1 << 32:
        raise ValueError(f"seed must be 1 to 2**32 - 1, not {seed!r}")
    if not isinstance(count, int) or count < 0:
        raise ValueError(f"count must be 0 or more, not {count!r}")
    states = np.array([seed], dtype=np.uint32)
    # The steps from a state to one further on are linear, so they are known by what they make of each bit alone.
    columns = np.uint32(1) << np.arange(32, dtype=np.uint32)
    for _ in range(RANDOM_BITS):
        columns = np.where(columns & np.uint32(1), columns >> np.uint32(1) ^ np.uint32(TAPS), columns >> np.uint32(1))
    while states.size < count:
        states = np.concatenate([states, _apply(columns, states)])
        columns = _apply(columns, columns)
    return states[:count].astype(np.uint16)


def _apply(columns: NDArray[np.uint32], states: NDArray[np.uint32]) -> NDArray[Any]:
    """What the linear map with these columns makes of every state, a byte of it at a time."""
    result = np.zeros_like(states)
    for byte in range(4):
        table = np.zeros(1, dtype=np.uint32)
        for column in columns[8 * byte : 8 * byte + 8]:
            table = np.concatenate([table, table ^ column])
        result ^= table[(states >> np.uint32(8 * byte)) & np.uint32(0xFF)]
    return result
