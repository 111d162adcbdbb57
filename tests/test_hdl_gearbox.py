"""The gearboxes keep every bit in order under any back pressure, and lose no cycle without it."""

import random

import pytest
from amaranth.hdl import ClockDomain, Module, ResetInserter, Signal
from fewbit.hdl.bus.gearbox import Downsizer, Upsizer
from stream_driver import Feed, Take, drive, simulate

WIDTHS = [(1, 1), (32, 32), (20, 32), (8, 3), (64, 32), (96, 32), (100, 32), (129, 64), (256, 8), (7, 1)]
RATES = [(1.0, 1.0), (0.4, 1.0), (1.0, 0.4), (0.6, 0.6)]


class Independence:
    """A side of a simulation that sees whether ``valid`` is the same with and without ``ready``."""

    def __init__(self, stream):
        self.stream = stream

    def offer(self, ctx):
        ready = ctx.get(self.stream.ready)
        found = set()
        for value in (0, 1, ready):
            ctx.set(self.stream.ready, value)
            found.add(ctx.get(self.stream.valid))
        assert len(found) == 1, "valid must not depend on ready"

    def look(self, ctx, cycle):
        pass


def exchange(component, payloads, count, *, send=1.0, take=1.0, reset_in=None):
    """The cycles in which payloads went in, and (cycle, payload) of what came out; both sides stall at random.

    A payload is what ``ctx.set`` takes; one with ``last`` comes out as a dict. In the
    cycle ``reset_in`` the component is reset, and nothing moves.
    """
    chance = random.Random(1)
    reset = Signal()
    top = Module()
    top.domains.sync = ClockDomain()
    top.submodules.dut = ResetInserter(reset)(component)
    source, sink = Feed(component.i, payloads, send, chance), Take(component.o, take, chance)

    async def testbench(ctx):
        def is_over(cycle):
            source.paused = sink.paused = cycle == reset_in
            ctx.set(reset, cycle == reset_in)
            return len(sink.seen) >= count

        await drive(ctx, [source, sink, Independence(component.o)], until=is_over, most=400 * (count + 1))

    simulate(top, testbench)
    seen = sink.fields() if isinstance(component, Downsizer) else sink.seen
    return source.cycles, list(zip(sink.cycles, seen, strict=True))


def split(word, beats, bus_bits):
    return [word >> (k * bus_bits) & ((1 << bus_bits) - 1) for k in range(beats)]


@pytest.mark.parametrize("shift", [False, True])
@pytest.mark.parametrize(("send", "take"), RATES)
@pytest.mark.parametrize(("word_bits", "bus_bits"), WIDTHS)
def test_upsizer_puts_words_together(word_bits, bus_bits, send, take, shift):
    rng = random.Random(word_bits)
    component = Upsizer(word_bits, bus_bits, shift)
    beats = component.beats
    # Bits past the word are there, and count for nothing.
    padded = [rng.getrandbits(beats * bus_bits) for _ in range(20)]
    payloads = [beat for word in padded for beat in split(word, beats, bus_bits)]
    sent, seen = exchange(component, payloads, 20, send=send, take=take)
    assert [word for _, word in seen] == [word & ((1 << word_bits) - 1) for word in padded]
    if take == 1.0:
        assert [cycle for cycle, _ in seen] == [cycle + component.latency for cycle in sent[beats - 1 :: beats]]
    if send == take == 1.0:
        assert sent == list(range(20 * beats))


@pytest.mark.parametrize(("send", "take"), RATES)
@pytest.mark.parametrize(("word_bits", "bus_bits"), WIDTHS)
def test_downsizer_takes_words_apart(word_bits, bus_bits, send, take):
    rng = random.Random(word_bits)
    component = Downsizer(word_bits, bus_bits)
    beats = component.beats
    words = [{"data": rng.getrandbits(word_bits), "last": rng.getrandbits(1)} for _ in range(20)]
    sent, seen = exchange(component, words, 20 * beats, send=send, take=take)
    assert [beat for _, beat in seen] == [
        {"data": part, "last": word["last"] & (k == beats - 1)}
        for word in words
        for k, part in enumerate(split(word["data"], beats, bus_bits))
    ]
    if take == 1.0:
        assert [cycle for cycle, _ in seen[::beats]] == [cycle + component.latency for cycle in sent]
    if send == take == 1.0:
        assert [cycle for cycle, _ in seen] == [component.latency + cycle for cycle in range(20 * beats)]


@pytest.mark.parametrize("take", [1.0, 0.5])
def test_upsizer_takes_beats_while_a_word_leaves(take):
    """One word in as many cycles as it has beats, though it leaves in the same ones."""
    component = Upsizer(24, 8)
    sent, seen = exchange(component, [*range(60)], 20, take=take)
    for (leaves, _), follows in zip(seen, sent[3::3], strict=False):
        assert follows == leaves, "the next word's first beat goes in as the word leaves"


@pytest.mark.parametrize("shift", [False, True])
def test_upsizer_forgets_part_of_a_word_in_reset(shift):
    _, seen = exchange(Upsizer(16, 4, shift), [0xA, 0xB, 0xC, *(0x1, 0x2, 0x3, 0x4)], 1, reset_in=3)
    assert [word for _, word in seen] == [0x4321]


def test_downsizer_forgets_the_rest_of_a_word_in_reset():
    words = [{"data": 0x4321, "last": 1}, {"data": 0x8765, "last": 0}]
    _, seen = exchange(Downsizer(16, 4), words, 6, reset_in=3)
    assert [beat["data"] for _, beat in seen] == [0x1, 0x2, 0x5, 0x6, 0x7, 0x8]
    assert not any(beat["last"] for _, beat in seen)


@pytest.mark.parametrize("gearbox", [Upsizer, Downsizer])
@pytest.mark.parametrize(
    ("widths", "message"),
    [
        ((0, 8), "word_bits must be 1 or more, not 0"),
        ((8, 0), "bus_bits must be 1 or more, not 0"),
        ((8, "8"), "bus_bits must be 1 or more, not '8'"),
    ],
)
def test_wrong_widths_are_refused(gearbox, widths, message):
    with pytest.raises(ValueError, match=message):
        gearbox(*widths)
