"""The board's link in Amaranth's simulator: frames on its pins and at its bytes, products against the golden model."""

import random
import re

import numpy as np
import pytest
from fewbit.boards.gateware.engine_link import EngineLink
from fewbit.boards.gateware.top import BoardTop, top_rtlil, top_verilog
from fewbit.boards.link.description import Description
from fewbit.boards.link.protocol import (
    BLOCK_BYTES,
    FLUSH,
    MAX_PAYLOAD,
    START,
    STREAM_KINDS,
    Event,
    Frame,
    Kind,
)
from fewbit.boards.link.traffic import Traffic
from fewbit.formats import Blocks, Engine, Requantization, parse
from fewbit.hdl import Design
from fewbit.sim import engine_matmul, pack, unpack
from fewbit.sim.codes import random_codes
from fewbit.tb import lint
from link_bench import LinkBench

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

    how = engine.requantization
    inputs = {
        "activation": random_codes(engine.activation, rng, (m, k)),
        "weight": random_codes(engine.weight, rng, (k, n)),
    }
    for name, format in (("scale", how.scale), ("tensor_scale", how.tensor_scale)):
        if format is not None:
            inputs[name] = random_codes(format, rng, (n,) if name in engine.channel_fields else ())
    if engine.blocks is not None:
        count = -(-k // engine.blocks.size)
        inputs["activation_scale"] = random_codes(engine.blocks.activation_scale, rng, (m, count))
        inputs["weight_scale"] = random_codes(engine.blocks.weight_scale, rng, (count, n))
    return inputs


def payload_of(engine: Engine, inputs: dict) -> bytes:
    """The payload of a PRODUCT."""
    (m, k), n = inputs["activation"].shape, inputs["weight"].shape[1]
    values = {"m": m, "n": n, "k": k} | {name: int(inputs[name]) for name in engine.tensor_fields}
    return b"".join(values[name].to_bytes(size, "little") for name, size in Traffic.of(engine).sizes.items())


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


class EngineBench(LinkBench):
    """A bench of a matmul engine's link, by its pins or by bytes."""

    def __init__(self, engine: Engine, *, pins: bool = False, ratio: int = 4, **build):
        self.engine = engine
        design = Design.matmul(engine, **build)
        super().__init__((BoardTop if pins else EngineLink)(describe(engine, ratio), design), ratio)

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

    EngineBench(engine, pins=True, ratio=ratio).run(test)


def test_sizes_stand_before_an_engine_for_a_fast_clock_starts() -> None:
    async def test(bench, ctx):
        host, rng = bench.host, np.random.default_rng(1)
        await bench.reset(ctx, 0)
        host.events = Event(0)
        good = payload_of(SMALL, inputs_of(SMALL, rng, 2, 3, 2))
        host.send(Kind.PRODUCT, good[:4] + b"\0\0" + good[6:])
        await bench.until(ctx, lambda: host.events == Event.ZERO_SIZE)
        await bench.product(ctx, inputs_of(SMALL, rng, 2, 5, 2))

    EngineBench(SMALL, pipeline=3, family="ecp5").run(test)


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

    EngineBench(SMALL).run(test)


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

    EngineBench(SMALL).run(test)


def test_flush_ends_whatever_began() -> None:
    async def test(bench, ctx):
        host, rng = bench.host, np.random.default_rng(2)
        chance = random.Random(1)
        for _ in range(2):
            host.outgoing += bytes([START]) + chance.randbytes(chance.randrange(9)) + FLUSH
            await bench.reset(ctx, chance.randrange(65536))
        await bench.product(ctx, inputs_of(SMALL, rng, 1, 2, 2))

    EngineBench(SMALL).run(test)


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

    EngineBench(SMALL).run(test)


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

    EngineBench(MIXED).run(test)


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

    EngineBench(engine).run(test)


@pytest.mark.slow
def test_top_is_clean_verilog() -> None:
    assert lint(top_verilog(describe(MIXED), Design.matmul(MIXED))) == []


def test_memories_that_are_written_are_relaxed_and_no_others() -> None:
    rtlil = top_rtlil(describe(SMALL), Design.matmul(SMALL))
    ports = re.findall(r'MEMID "\\\\(\w+)"\n(?: *parameter .*\n)*? *parameter \\COLLISION_X_MASK (.*)', rtlil)
    assert sorted(ports) == [("bytes", "1'1")] * 2 + [("memory", "1'1")] * 2 + [("rom", "0'0")]


def test_top_refuses_another_engine() -> None:
    with pytest.raises(ValueError, match="design must be a matmul of the description's engine"):
        BoardTop(describe(SMALL), Design.matmul(MIXED))
