"""An LFSR makes the random words of stochastic rounding."""

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...formats import RANDOM_BITS, Requantization, Rounding
from .settle import Random

__all__ = ["Lfsr", "random_sources"]

STATE_BITS = 32
TAPS = 0x80200003  # x**32 + x**22 + x**2 + x + 1, which is primitive


class Lfsr(wiring.Component):
    """A Galois LFSR of 32 bits that goes on by ``RANDOM_BITS`` steps for every word taken, so that words share no bit.

    Parameters
    ----------
    seed: the state after reset, 1 to 2**32 - 1
    count: words taken at once, 1 or more

    Members
    -------
    advance: In(1), the words are taken
    words: Out(count * RANDOM_BITS), the first one in the lowest bits
    """

    def __init__(self, seed: int, count: int = 1):
        if not 1 <= seed < 1 << STATE_BITS:
            raise ValueError(f"seed must be 1 to 2**32 - 1, not {seed!r}")
        if count < 1:
            raise ValueError(f"count must be 1 or more, not {count!r}")
        self.seed = seed
        self.count = count
        super().__init__({"advance": In(1), "words": Out(count * RANDOM_BITS)})

    def elaborate(self, platform) -> Module:
        m = Module()
        state = Signal(STATE_BITS, init=self.seed)
        m.d.comb += self.words.eq(Cat(_later(state, RANDOM_BITS * index)[:RANDOM_BITS] for index in range(self.count)))
        with m.If(self.advance):
            m.d.sync += state.eq(_later(state, RANDOM_BITS * self.count))
        return m


def random_sources(m: Module, how: Requantization, lanes: int = 1) -> list[Random | None]:
    """Make what gives every lane its random words; None without stochastic rounding.

    The lanes use their words up together, when the first lane says so.
    """
    if how.rounding is not Rounding.STOCHASTIC:
        return [None] * lanes
    m.submodules.lfsr = lfsr = Lfsr(how.seed, lanes)

    def of(lane: int) -> Random:
        def random(taken: Value) -> Value:
            if lane == 0:
                m.d.comb += lfsr.advance.eq(taken)
            return lfsr.words.word_select(lane, len(lfsr.words) // lanes)

        return random

    return [of(lane) for lane in range(lanes)]


def _later(state: Value, steps: int) -> Value:
    """The state that so many steps lead to. Every bit of it is the parity of some bits of today's."""
    columns = [1 << bit for bit in range(STATE_BITS)]
    for _ in range(steps):
        columns = [column >> 1 ^ TAPS * (column & 1) for column in columns]
    return Cat(
        Cat(state[k] for k, column in enumerate(columns) if column >> bit & 1).xor() for bit in range(STATE_BITS)
    )
