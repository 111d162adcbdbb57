"""The gearboxes keep every bit in order under any back pressure, and lose no cycle without it."""

import random

import pytest
from amaranth.hdl import ClockDomain, Module, ResetInserter, Signal
from amaranth.sim import Simulator
from fewbit.hdl.bus.gearbox import Downsizer, Upsizer

WIDTHS = [(1, 1), (32, 32), (20, 32), (8, 3), (64, 32), (96, 32), (100, 32), (129, 64), (256, 8), (7, 1)]
RATES = [(1.0, 1.0), (0.4, 1.0), (1.0, 0.4), (0.6, 0.6)]


def exchange(component, payloads, count, *, send=1.0, take=1.0, reset_in=None):
    """The cycles in which payloads went in, and (cycle, payload) of what came out; both sides stall at random.

    A payload is what ``ctx.set`` takes; one with ``last`` comes out as a dict. All valids have to keep the stream
    contract. In the cycle ``reset_in`` the component is reset, and nothing moves.
    """
    rng = random.Random(1)
    sent, seen = [], []
    reset = Signal()

    def read(ctx):
        payload = component.o.payload
        return {name: ctx.get(payload[name]) for name in ("data", "last")} if has_last else ctx.get(payload)

    has_last = isinstance(component, Downsizer)

    async def testbench(ctx):
        index, offered, held = 0, False, None
        cycle = 0
        while len(seen) < count:
            assert cycle < 400 * (count + 1), "nothing comes any more"
            ctx.set(reset, cycle == reset_in)
            offered = (offered or (index < len(payloads) and rng.random() < send)) and cycle != reset_in
            ctx.set(component.i.valid, offered)
            if offered:
                ctx.set(component.i.payload, payloads[index])
            ctx.set(component.o.ready, 0)
            valid = ctx.get(component.o.valid)
            ready = rng.random() < take and cycle != reset_in
            ctx.set(component.o.ready, ready)
            assert ctx.get(component.o.valid) == valid, "valid must not depend on ready"
            now = read(ctx) if valid else None
            assert held is None or held == now, "a payload must wait unchanged"
            if valid and ready:
                seen.append((cycle, now))
            held = now if valid and not ready and cycle != reset_in else None
            if offered and ctx.get(component.i.ready):
                sent.append(cycle)
                index, offered = index + 1, False
            await ctx.tick()
            cycle += 1

    top = Module()
    top.domains.sync = ClockDomain()
    top.submodules.dut = ResetInserter(reset)(component)
    simulator = Simulator(top)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    return sent, seen


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
