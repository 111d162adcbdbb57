"""The board's link in Amaranth's simulator: frames on its pins and at its bytes, products against the golden model."""

import random
import re
from collections import deque

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.sim import Simulator
from fewbit.boards.description import Description
from fewbit.boards.protocol import (
    BLOCK_BYTES,
    FLUSH,
    MAX_PAYLOAD,
    START,
    STORED_BYTES,
    STREAM_KINDS,
    Event,
    Frame,
    Kind,
    Parser,
    Status,
)
from fewbit.boards.receiver import Receiver, product_bytes
from fewbit.boards.results import RESULT_BYTES, Results
from fewbit.boards.top import BoardTop, Link, top_rtlil, top_verilog
from fewbit.boards.uart import UartReceiver, UartTransmitter, phase_step
from fewbit.formats import Blocks, Engine, Requantization, parse
from fewbit.hdl import Design
from fewbit.sim import engine_matmul, pack, unpack
from fewbit.tb import lint

INT4, INT8 = parse("int4"), parse("int8")
SMALL = Engine(
    INT4, INT4, Requantization(INT8, scale=parse("dyadic16s5")), rows=2, columns=2, tile_m=2, max_k=16, outputs=2
)
MIXED = Engine(
    parse("e2m1"),
    INT4,
    Requantization(INT8, scale=parse("dyadic4s3"), tensor_scale=parse("float8_e8m0fnu")),
    rows=1,
    columns=2,
    tile_m=1,
    max_k=32,
    scale_per="channel",
    blocks=Blocks(16, parse("float8_e8m0fnu"), parse("float8_e8m0fnu")),
)


def describe(engine: Engine, ratio: int = 4, buffer_bytes: int = 512) -> Description:
    return Description("sim", engine, clock_hz=ratio * 1_000_000, baud=1_000_000, buffer_bytes=buffer_bytes)


def inputs_of(engine: Engine, rng: np.random.Generator, m: int, k: int, n: int) -> dict[str, object]:
    """All that a product takes, by the names of ``engine_matmul``."""

    def codes(format, shape):
        return (
            rng.choice(np.array(format.codes), shape)
            if format.width <= 16
            else rng.integers(0, 1 << format.width, shape)
        )

    how = engine.requantization
    inputs = {"activation": codes(engine.activation, (m, k)), "weight": codes(engine.weight, (k, n))}
    for name, format in (("scale", how.scale), ("tensor_scale", how.tensor_scale)):
        if format is not None:
            inputs[name] = codes(format, (n,) if name in engine.channel_fields else ())
    if engine.blocks is not None:
        count = -(-k // engine.blocks.size)
        inputs["activation_scale"] = codes(engine.blocks.activation_scale, (m, count))
        inputs["weight_scale"] = codes(engine.blocks.weight_scale, (count, n))
    return inputs


def payload_of(engine: Engine, inputs: dict) -> bytes:
    """The payload of a PRODUCT."""
    (m, k), n = inputs["activation"].shape, inputs["weight"].shape[1]
    values = {"m": m, "n": n, "k": k} | {name: int(inputs[name]) for name in engine.tensor_fields}
    return b"".join(values[name].to_bytes(size, "little") for name, size in product_bytes(engine).items())


def frames_of(engine: Engine, inputs: dict, most: int = MAX_PAYLOAD) -> list[tuple[Kind, bytes]]:
    """Kinds and payloads of a whole product, every panel's operands in the order in which the engine takes them."""
    streamed = {"activation", "weight", "activation_scale", "weight_scale", *engine.channel_fields}
    streams = pack(engine, **{name: value for name, value in inputs.items() if name in streamed})
    waiting = {name: words.tobytes() for name, words in streams.items()}
    panels = -(-len(inputs["activation"]) // engine.tile_m)
    rows = -(-inputs["weight"].shape[1] // engine.columns)
    found = [(Kind.PRODUCT, payload_of(engine, inputs))]
    for step in range(panels * rows):
        for name in ("p", "a_scales", "a", "w_scales", "w"):
            by_row = name in ("a", "a_scales")
            if name not in waiting or (by_row and step % rows):
                continue
            size = len(waiting[name]) // (panels - step // rows if by_row else panels * rows - step)
            if name == "p":
                size = step_bytes(engine, inputs, step % rows, words=streams["p"].shape[1])
            part, waiting[name] = waiting[name][:size], waiting[name][size:]
            found += [(STREAM_KINDS[name], part[at : at + most]) for at in range(0, len(part), most)]
    assert not any(waiting.values())
    return found


def step_bytes(engine: Engine, inputs: dict, row: int, words: int) -> int:
    return words * min(engine.columns, inputs["weight"].shape[1] - row * engine.columns)


def product_of(engine: Engine, inputs: dict, received: bytes) -> np.ndarray:
    size = -(-engine.stream_bits["c"] // 8)
    words = np.frombuffer(received, dtype=np.uint8).reshape(-1, size)
    return unpack(engine, words, len(inputs["activation"]), inputs["weight"].shape[1])


class Host:
    """The other side of a link: sends frames with their sequence, heeds the room, and keeps what comes back.

    The board's sequence is checked to have no gap since the last STATUS that answers a RESET.
    """

    def __init__(self, buffer_bytes: int):
        self.buffer_bytes = buffer_bytes
        self.sequence = 0
        self.outgoing: deque[int] = deque()
        self.parser = Parser()
        self.frames: list[Frame] = []
        self.result = b""
        self.events = Event(0)
        self.status: Status | None = None
        self.unconsumed: deque[tuple[int, int]] = deque()

    def reset(self, sequence: int) -> None:
        self.outgoing += bytes(Frame(Kind.RESET, sequence))
        self.sequence = (sequence + 1) % 65536
        self.unconsumed.clear()

    def send(self, kind: int, payload: bytes = b"") -> None:
        self.outgoing += bytes(Frame(kind, self.sequence, payload))
        self.unconsumed.append((self.sequence, len(payload) + STORED_BYTES))
        self.sequence = (self.sequence + 1) % 65536

    def has_room(self, payload: bytes) -> bool:
        return sum(size for _, size in self.unconsumed) + len(payload) + STORED_BYTES <= self.buffer_bytes

    def receive(self, byte: int) -> None:
        for frame in self.parser.feed(bytes([byte])):
            self.frames.append(frame)
            if frame.kind == Kind.RESULT:
                assert len(frame.payload) >= 1
                self.result += frame.payload
            if frame.kind == Kind.STATUS:
                status = self.status = Status.parse(frame.payload)
                if status.events & Event.RESET:
                    assert frame.sequence == 0
                    self.events, self.result, self.frames = Event(0), b"", [frame]
                self.events |= status.events
                while self.unconsumed and (status.consumed - self.unconsumed[0][0] - 1) % 65536 < 32768:
                    self.unconsumed.popleft()
            if self.frames[0].sequence == 0:
                assert frame.sequence == len(self.frames) - 1


class Bench:
    """A link in the simulator with a host beside it; the test is a coroutine that waits for the host.

    By its pins, as bits, or by the bytes of a ``Link``, one every ``gap`` cycles.
    """

    def __init__(self, engine: Engine, *, pins: bool = False, ratio: int = 4, gap: int = 10, buffer_bytes: int = 512):
        self.engine = engine
        self.description = describe(engine, ratio, buffer_bytes)
        design = Design.matmul(engine)
        self.dut = BoardTop(self.description, design) if pins else Link(self.description, design)
        self.host = Host(buffer_bytes)
        self.pins = pins
        self.ratio = ratio
        self.gap = self.read_gap = gap
        self.is_over = False

    def run(self, test) -> None:
        async def run(ctx):
            try:
                await test(self, ctx)
            finally:
                self.is_over = True

        simulator = Simulator(self.dut)
        simulator.add_clock(1e-6)
        for testbench in (
            run,
            *((self.drive_pin, self.watch_pin) if self.pins else (self.drive_bytes, self.watch_bytes)),
        ):
            simulator.add_testbench(testbench)
        simulator.run()

    async def drive_pin(self, ctx) -> None:
        while not self.is_over:
            if not self.host.outgoing:
                await ctx.tick()
                continue
            byte = self.host.outgoing.popleft()
            for bit in (0, *(byte >> place & 1 for place in range(8)), 1):
                ctx.set(self.dut.rx, bit)
                await ctx.tick().repeat(self.ratio)

    async def watch_pin(self, ctx) -> None:
        while not self.is_over:
            await ctx.tick()
            if ctx.get(self.dut.tx):
                continue
            await ctx.tick().repeat(self.ratio + self.ratio // 2 - 1)
            byte = 0
            for place in range(8):
                byte |= ctx.get(self.dut.tx) << place
                await ctx.tick().repeat(self.ratio)
            assert ctx.get(self.dut.tx), "stop bit"
            self.host.receive(byte)

    async def drive_bytes(self, ctx) -> None:
        while not self.is_over:
            if not self.host.outgoing:
                await ctx.tick()
                continue
            ctx.set(self.dut.i.payload, self.host.outgoing.popleft())
            ctx.set(self.dut.i.valid, 1)
            await ctx.tick()
            ctx.set(self.dut.i.valid, 0)
            await ctx.tick().repeat(self.gap - 1)

    async def watch_bytes(self, ctx) -> None:
        ctx.set(self.dut.o.ready, 1)
        while not self.is_over:
            _, _, valid, payload = await ctx.tick().sample(self.dut.o.valid, self.dut.o.payload)
            if not valid:
                continue
            ctx.set(self.dut.o.ready, 0)
            self.host.receive(payload)
            await ctx.tick().repeat(self.read_gap - 1)
            ctx.set(self.dut.o.ready, 1)

    async def until(self, ctx, condition, most: int = 30_000) -> None:
        waited = 0
        while not condition():
            await ctx.tick().repeat(20)
            waited += 20
            assert waited < most, f"nothing more comes: {self.host.status}"

    def is_receiving(self, kind: Kind, bytes: int) -> bool:
        """Whether so many bytes of a frame of that kind came, and no last one."""
        held = self.host.parser._held
        return len(held) >= bytes and held[1] == kind

    async def quiet(self, ctx, bytes: int = 40) -> None:
        """Wait until nothing is sent, either way, for so many bytes' time."""
        each = 10 * self.ratio if self.pins else self.gap
        seen = -1
        while seen != len(self.host.frames):
            await self.until(ctx, lambda: not self.host.outgoing)
            seen = len(self.host.frames)
            await ctx.tick().repeat(bytes * each)

    async def reset(self, ctx, sequence: int) -> None:
        self.host.reset(sequence)
        self.host.status = None
        expected = self.host.sequence

        def answered() -> bool:
            status = self.host.status
            return status is not None and bool(status.events & Event.RESET) and status.expected == expected

        await self.until(ctx, answered)
        assert self.host.status == Status(Event.RESET, expected, expected, self.host.status.cycles)

    async def product(self, ctx, inputs: dict, most: int = MAX_PAYLOAD) -> None:
        """A product from frame to frame, checked to the bit."""
        host = self.host
        host.result, host.events = b"", Event(0)
        for kind, payload in frames_of(self.engine, inputs, most):
            await self.until(ctx, lambda payload=payload: host.has_room(payload))
            host.send(kind, payload)
        await self.until(ctx, lambda: host.events & Event.DONE)
        assert host.events == Event.DONE
        np.testing.assert_array_equal(
            product_of(self.engine, inputs, host.result), engine_matmul(self.engine, **inputs)
        )
        await self.until(ctx, lambda: not host.unconsumed)
        assert host.status.consumed == host.status.expected == host.sequence


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
    receiver = Receiver(SMALL, DEPTH)
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


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "ratio"), [(SMALL, 4), (MIXED, 5)])
def test_products_on_the_pins(engine: Engine, ratio: int) -> None:
    """Across the sequence's wrap."""

    async def test(bench, ctx):
        rng = np.random.default_rng(1)
        await bench.reset(ctx, 65530)
        for shape in ((1, 1, 1), (1, 2, 3)):
            await bench.product(ctx, inputs_of(engine, rng, *shape))
        assert bench.host.parser.dropped == 0

    Bench(engine, pins=True, ratio=ratio).run(test)


def test_description_in_blocks() -> None:
    async def test(bench, ctx):
        await bench.reset(ctx, 7)
        blocks = [1, 0, 2, 3, 4, 205]
        for block in blocks:
            bench.host.send(Kind.DESCRIBE, bytes([block]))
        await bench.until(ctx, lambda: not bench.host.unconsumed)
        payloads = [frame.payload for frame in bench.host.frames if frame.kind == Kind.DESCRIPTION]
        assert [payload[0] for payload in payloads] == blocks
        text = b"".join(payload[1:] for payload in sorted(payloads))
        size = int.from_bytes(text[:2], "little")
        assert len(text) == 6 * BLOCK_BYTES and size > 3 * BLOCK_BYTES and not any(text[2 + size :])
        assert Description.of(text[2 : 2 + size].decode()) == bench.description

    Bench(SMALL).run(test)


@pytest.mark.slow
def test_events_of_products_and_frames() -> None:
    async def test(bench, ctx):
        host, rng = bench.host, np.random.default_rng(2)
        await bench.reset(ctx, 100)
        good = payload_of(SMALL, inputs_of(SMALL, rng, 2, 3, 2))
        for change, event in ((b"\0\0", Event.ZERO_SIZE), (b"\xff\xff", Event.TOO_LARGE)):
            host.events = Event(0)
            host.send(Kind.PRODUCT, good[:4] + change + good[6:])
            await bench.until(ctx, lambda event=event: host.events == event)
            assert ctx.get(bench.dut.error) and not ctx.get(bench.dut.busy)
        await bench.quiet(ctx)
        host.events = Event(0)
        host.outgoing += bytes(Frame(Kind.A, host.sequence, b"x"))[:-1] + b"?"
        host.outgoing += bytes(Frame(Kind.P, host.sequence, b"x"))
        host.outgoing += bytes(Frame(Kind.A, host.sequence + 1, b"x"))
        await bench.quiet(ctx)
        assert host.events == Event.CRC | Event.KIND | Event.SEQUENCE
        assert host.status.expected == host.status.consumed == host.sequence
        for _ in range(13):  # A goes as far as the engine's input, and no product begins
            host.send(Kind.A, bytes(40))
        await bench.quiet(ctx)
        assert Event.OVERRUN in host.events and host.status.consumed != host.status.expected
        await bench.reset(ctx, 5)
        assert not ctx.get(bench.dut.error)
        await bench.product(ctx, inputs_of(SMALL, rng, 2, 4, 2))

    Bench(SMALL).run(test)


def test_flush_ends_whatever_began() -> None:
    async def test(bench, ctx):
        host, rng = bench.host, np.random.default_rng(2)
        chance = random.Random(1)
        for _ in range(2):
            host.outgoing += bytes([START]) + chance.randbytes(chance.randrange(9)) + FLUSH
            await bench.reset(ctx, chance.randrange(65536))
        await bench.product(ctx, inputs_of(SMALL, rng, 1, 2, 2))

    Bench(SMALL).run(test)


@pytest.mark.parametrize("resets", [1, 2])
def test_resets_while_a_result_is_sent(resets: int) -> None:
    """What is cut off comes to its end with a wrong CRC; of the next product, whose C waits for the line, no byte."""

    async def test(bench, ctx):
        host, rng = bench.host, np.random.default_rng(4)
        await bench.reset(ctx, 1)
        bench.read_gap = 70
        for _ in range(2):
            for kind, payload in frames_of(SMALL, inputs_of(SMALL, rng, 4, 1, 4)):
                host.send(kind, payload)
        await bench.until(ctx, lambda: not host.outgoing and bench.is_receiving(Kind.RESULT, 6))
        assert ctx.get(bench.dut.busy)
        if resets == 2:
            host.reset(65535)
        await bench.reset(ctx, 0x1234)
        assert host.parser.dropped > 0 and host.result == b""
        assert [frame.kind for frame in host.frames] == [Kind.STATUS]
        bench.read_gap = bench.gap
        await bench.product(ctx, inputs_of(SMALL, rng, 1, 2, 2))

    Bench(SMALL).run(test)


@pytest.mark.slow
def test_a_reset_while_the_engine_takes_nothing() -> None:
    """A frame is half given out, others wait in a full buffer; half a word and half a panel are loaded."""

    async def test(bench, ctx):
        host, rng = bench.host, np.random.default_rng(6)
        await bench.reset(ctx, 1)
        host.send(Kind.PRODUCT, payload_of(MIXED, inputs_of(MIXED, rng, 2, 3, 3)))
        host.send(Kind.W_SCALES, b"x")
        host.send(Kind.P, b"x")
        for _ in range(14):
            host.send(Kind.A, rng.bytes(40))
        await bench.until(ctx, lambda: not host.outgoing)
        assert ctx.get(bench.dut.busy)
        await bench.reset(ctx, 65535)
        assert not ctx.get(bench.dut.busy)
        await bench.product(ctx, inputs_of(MIXED, rng, 1, 17, 2), most=3)

    Bench(MIXED).run(test)


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "times"), [(SMALL, 25), (MIXED, 8)])
def test_a_reset_at_any_moment_leaves_nothing(engine: Engine, times: int) -> None:
    """Frames cut off between any two bytes, or all sent and a product anywhere on its way: the next one is right."""

    async def test(bench, ctx):
        host, rng, chance = bench.host, np.random.default_rng(9), random.Random(9)
        await bench.reset(ctx, 0)
        for _ in range(times):
            for kind, payload in frames_of(engine, inputs_of(engine, rng, 2, 3, 2), chance.choice([1, 3, 9])):
                host.send(kind, payload)
            stop = chance.randrange(len(host.outgoing)) if chance.random() < 0.6 else 0
            await bench.until(ctx, lambda stop=stop: len(host.outgoing) <= stop)
            await ctx.tick().repeat(chance.randrange(1, 10) if stop else chance.randrange(1, 600))
            host.outgoing.clear()
            host.outgoing += FLUSH if stop or chance.random() < 0.2 else b""
            if chance.random() < 0.5:
                host.reset(chance.randrange(65536))
            await bench.reset(ctx, chance.randrange(65536))
            if chance.random() < 0.5:
                await bench.product(ctx, inputs_of(engine, rng, 1, 2, 2))
        await bench.product(ctx, inputs_of(engine, rng, 1, 2, 2))

    Bench(engine).run(test)


@pytest.mark.slow
def test_top_is_clean_verilog() -> None:
    assert lint(top_verilog(describe(MIXED), Design.matmul(MIXED))) == []


def test_memories_of_the_link_are_relaxed_and_no_others() -> None:
    rtlil = top_rtlil(describe(SMALL), Design.matmul(SMALL))
    ports = re.findall(r'MEMID "\\\\(\w+)"\n(?: *parameter .*\n)*? *parameter \\COLLISION_X_MASK (.*)', rtlil)
    assert sorted(ports) == [("bytes", "1'1")] * 2 + [("memory", "1'0")] * 2 + [("rom", "0'0")]


def test_top_refuses_another_engine() -> None:
    with pytest.raises(ValueError, match="design must be a matmul of the description's engine"):
        BoardTop(describe(SMALL), Design.matmul(MIXED))
