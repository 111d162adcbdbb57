"""The parts of the board's link in Amaranth's simulator: the UART, the receiver of frames, the results on their way."""

import random

import pytest
from amaranth.hdl import Module
from amaranth.sim import Simulator
from fewbit.boards.gateware.receiver import Receiver
from fewbit.boards.gateware.result_stream import RESULT_BYTES, Results
from fewbit.boards.gateware.uart import UartReceiver, UartTransmitter, phase_step
from fewbit.boards.link.protocol import STORED_BYTES, Event, Frame, Kind
from fewbit.boards.link.traffic import Traffic
from fewbit.formats import Engine, Requantization, parse

INT4, INT8 = parse("int4"), parse("int8")
SMALL = Engine(
    INT4, INT4, Requantization(INT8, scale=parse("dyadic16s5")), rows=2, columns=2, tile_m=2, max_k=16, outputs=2
)


async def feed(ctx, stream, data: bytes, gap: int = 10) -> None:
    for byte in data:
        ctx.set(stream.payload, byte)
        ctx.set(stream.valid, 1)
        await ctx.tick()
        ctx.set(stream.valid, 0)
        await ctx.tick().repeat(gap - 1)


def simulate(dut, *testbenches) -> None:
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    for index, testbench in enumerate(testbenches):
        simulator.add_testbench(testbench, background=index > 0)
    simulator.run()


@pytest.mark.parametrize(("sent", "received"), [(250, 250), (240, 235), (240, 245), (200, 203), (97, 97)])
def test_uart_at_any_fraction_of_the_clock(sent: int, received: int) -> None:
    """Bytes without a pause between two clocks that are 2% apart."""
    dut = Module()
    dut.submodules.transmitter = transmitter = UartTransmitter(1000, sent)
    dut.submodules.receiver = receiver = UartReceiver(1000, received)
    dut.d.comb += receiver.rx.eq(transmitter.tx)
    data = bytes([0, 255, 0xA5, 0x55, *random.Random(sent).randbytes(20)])
    found = []

    async def write(ctx):
        for byte in data:
            ctx.set(transmitter.i.payload, byte)
            ctx.set(transmitter.i.valid, 1)
            await ctx.tick().until(transmitter.i.ready)
        ctx.set(transmitter.i.valid, 0)
        await ctx.tick().repeat(130)
        assert bytes(found) == data

    async def read(ctx):
        async for _, _, valid, payload in ctx.tick().sample(receiver.o.valid, receiver.o.payload):
            found.extend([payload] if valid else [])

    simulate(dut, write, read)


def test_uart_drops_what_is_no_byte() -> None:
    receiver = UartReceiver(8, 1)
    found = []

    async def line(ctx):
        async def hold(value, bits=1.0):
            ctx.set(receiver.rx, value)
            await ctx.tick().repeat(int(8 * bits))

        await hold(1, 2)
        await hold(0, 0.25)  # no start bit
        await hold(1, 2)
        await hold(0, 30)  # a break
        await hold(1, 1)
        for byte, stop in ((0x81, 0), (0x42, 1), (0x24, 1)):
            for bit in (0, *(byte >> place & 1 for place in range(8)), stop):
                await hold(bit)
            await hold(1)
        assert found == [0x42, 0x24]

    async def read(ctx):
        async for _, _, valid, payload in ctx.tick().sample(receiver.o.valid, receiver.o.payload):
            found.extend([payload] if valid else [])

    simulate(receiver, line, read)


def test_uart_refuses_what_it_cannot_do() -> None:
    with pytest.raises(ValueError, match="baud must be at most 1/4 of the clock's 12000000 Hz, not 3000001"):
        UartReceiver(12_000_000, 3_000_001)
    with pytest.raises(ValueError, match="baud must be 1 or more, not 0"):
        UartTransmitter(12_000_000, 0)
    for clock, baud in ((12_000_000, 3_000_000), (100_000_000, 115_200), (25_000_000, 9600)):
        bits, step = phase_step(clock, baud)
        assert abs(step / 2**bits * clock / baud - 1) * 10 <= 0.015


DEPTH = 32


def random_frame(chance: random.Random, expected: int, used: int) -> tuple[bytes, Event | None, bytes]:
    """Bytes for a receiver of 32 bytes, the event that must follow, and what must be given out of it."""
    lengths = {Kind.DESCRIBE: 1, Kind.PRODUCT: 9}
    kind = chance.choice([Kind.DESCRIBE, Kind.PRODUCT, Kind.A, Kind.A, Kind.W])
    length = lengths.get(kind) or chance.choice([1, 2, 5, max(1, DEPTH - used - STORED_BYTES), DEPTH])
    sequence = expected
    event = None
    wrong = chance.randrange(8)
    if wrong == 0:
        sequence, event = chance.choice([expected ^ 1, expected ^ 0x100, (expected - 1) % 65536]), Event.SEQUENCE
    if wrong == 1:
        kind = chance.choice([0, 4, 0x0F, Kind.P, Kind.A_SCALES, 0x15, 0x80, 0xFF])
        event = Event.KIND
    if wrong == 2:
        kind, length = chance.choice([(Kind.A, 0), (Kind.PRODUCT, 8), (Kind.DESCRIBE, 0), (Kind.RESET, 1)])
        event = Event.KIND
    payload = chance.randbytes(max(length, 0))
    if event is None and len(payload) + STORED_BYTES + used > DEPTH:
        event = Event.OVERRUN
    sent = bytearray(bytes(Frame(kind, sequence, payload)))
    if wrong == 3:
        sent[chance.choice([place for place in range(1, len(sent)) if place != 4])] ^= 1 << chance.randrange(8)
        event = Event.CRC
    return bytes(sent), event, bytes([kind, len(payload), *payload])


def test_receiver_gives_out_good_frames_and_names_all_others() -> None:
    """Random frames of every fault from sequence 65500 on, into a buffer that is emptied now and then."""
    receiver = Receiver(Traffic.of(SMALL), DEPTH)
    chance = random.Random(5)
    found, events, resets = bytearray(), [], []

    async def watch(ctx):
        async for _, _, event, reset in ctx.tick().sample(receiver.events, receiver.reset):
            events.extend([Event(event)] if event else [])
            resets.extend([1] if reset else [])

    async def take(ctx):
        sampled = ctx.tick().sample(receiver.o.valid, receiver.o.ready, receiver.o.payload)
        async for _, _, valid, ready, payload in sampled:
            found.extend([payload] if valid and ready else [])

    async def test(ctx):
        await feed(ctx, receiver.i, bytes(Frame(Kind.RESET, 65499)))
        expected, want, used, seen = 65500, bytearray(), 0, set()
        for _ in range(120):
            if chance.random() < 0.4:
                ctx.set(receiver.o.ready, 1)
                await ctx.tick().repeat(2 * DEPTH + 5)
                ctx.set(receiver.o.ready, 0)
                assert found == want
                used = 0
            if chance.random() < 0.04:
                del want[len(want) - used :]
                expected = chance.randrange(65536) if expected < 60 else expected
                await feed(ctx, receiver.i, bytes(Frame(Kind.RESET, (expected - 1) % 65536)))
                used = 0
            events.clear()
            sent, event, given = random_frame(chance, expected, used)
            noise = bytes(chance.choice([0, 1, 0x5A, 0xFF]) for _ in range(chance.randrange(3)))
            await feed(ctx, receiver.i, noise + sent)
            await ctx.tick().repeat(3)
            assert events == ([] if event is None else [event])
            seen.add(event)
            if event is None:
                expected = (expected + 1) % 65536
                want += given
                used += len(given)
                seen.add("full" if used == DEPTH else None)
            assert ctx.get(receiver.expected) == expected
        assert seen == {None, "full", Event.SEQUENCE, Event.KIND, Event.CRC, Event.OVERRUN}
        assert len(resets) > 2 and expected < 60000

    simulate(receiver, test, watch, take)


def test_results_when_full_and_between_products() -> None:
    results = Results()
    chance = random.Random(3)
    sent = [chance.randbytes(RESULT_BYTES + 100), chance.randbytes(3)]

    async def push(ctx):
        for product in sent:
            ctx.set(results.start, 1)
            await ctx.tick()
            ctx.set(results.start, 0)
            for place, byte in enumerate(product):
                ctx.set(results.i.payload, {"data": byte, "last": place == len(product) - 1})
                ctx.set(results.i.valid, 1)
                await ctx.tick().until(results.i.ready)
            ctx.set(results.i.valid, 0)

    async def pull(ctx):
        await ctx.tick().repeat(2 * RESULT_BYTES + 10)
        assert ctx.get(results.count) == RESULT_BYTES and not ctx.get(results.i.ready) and not ctx.get(results.ended)
        for product in sent:
            for place, byte in enumerate(product):
                await ctx.tick().repeat(chance.choice([3, 3, 9]))
                assert ctx.get(results.byte) == byte, place
                ctx.set(results.give, 1)
                await ctx.tick()
                ctx.set(results.give, 0)
            await ctx.tick().repeat(10)
            assert ctx.get(results.ended) and not ctx.get(results.count) and not ctx.get(results.i.ready)
            ctx.set(results.done, 1)
            await ctx.tick()
            ctx.set(results.done, 0)
            await ctx.tick().repeat(10)

    simulate(results, pull, push)
