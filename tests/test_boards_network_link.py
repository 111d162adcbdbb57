"""A network behind the board's link in Amaranth's simulator: images, answers and weights, frame by frame."""

import random

import numpy as np
import pytest
from fewbit.boards.gateware.network_link import NetworkLink
from fewbit.boards.gateware.top import BoardTop
from fewbit.boards.link.description import Description
from fewbit.boards.link.network import BoardNetwork
from fewbit.boards.link.protocol import FLUSH, MAX_PAYLOAD, Event, Frame, Kind
from link_bench import LinkBench
from network_on_board import LinearHardware, linear_answers, linear_program

PROGRAM = linear_program()
UNLOADED = Event.RESET | Event.UNLOADED


class NetworkBench(LinkBench):
    """A bench of a network's link; images are random."""

    def __init__(self, program=PROGRAM, *, loads=False, images=2, pins=False, ratio=4):
        network = BoardNetwork.of(program, loads)
        description = Description("sim", network, ratio * 1_000_000, 1_000_000, 512)
        hardware = LinearHardware(program, loads, images)
        super().__init__((BoardTop if pins else NetworkLink)(description, hardware), ratio)
        self.program = program
        self.network = network
        self.chance = np.random.default_rng(1)

    async def send(self, ctx, kind: Kind, content: bytes, most: int = MAX_PAYLOAD) -> None:
        for start in range(0, len(content), most):
            payload = content[start : start + most]
            await self.until(ctx, lambda payload=payload: self.host.has_room(payload))
            self.host.send(kind, payload)

    async def compute(self, ctx, count: int = 1, most: int = MAX_PAYLOAD) -> None:
        """Images one behind the other, their answers checked to the bit."""
        host, image = self.host, self.program.image
        host.result, host.events = b"", Event(0)
        images = self.chance.integers(0, 256, (count, image.height, image.width, image.channels), dtype=np.uint8)
        await self.send(ctx, Kind.IMAGE, images.tobytes(), most)
        await self.until(ctx, lambda: len(host.result) >= count * self.network.answer_bytes)
        await self.until(ctx, lambda: host.events & Event.DONE and not host.unconsumed)
        assert host.events == Event.DONE
        assert host.result == answer_bytes(self.program, images)
        assert host.status.consumed == host.status.expected == host.sequence


def answer_bytes(program, images) -> bytes:
    """The answers as they go over the link."""
    bits = program.shape.sum.width
    sums = linear_answers(program, images).ravel()
    return b"".join((int(value) & (1 << bits) - 1).to_bytes(-(-bits // 8), "little") for value in sums)


@pytest.mark.parametrize("images", [1, 2])
def test_images_on_the_pins_across_the_wrap_of_the_sequence(images) -> None:
    async def test(bench, ctx):
        await bench.reset(ctx, 65534)
        for _ in range(2):
            await bench.compute(ctx, 1)
            terms = PROGRAM.image.size * PROGRAM.answer.channels
            assert bench.host.status.cycles == 2 * terms + PROGRAM.answer.channels
        await bench.compute(ctx, 3, most=7)
        assert bench.host.parser.dropped == 0

    NetworkBench(images=images, pins=True).run(test)


def test_images_wait_in_the_buffer_while_others_are_computed() -> None:
    """Three images come in less time than one is computed in, and no cycle passes between two of them."""
    program = linear_program(1, 40, 4, answers=15)

    async def test(bench, ctx):
        await bench.reset(ctx, 1)
        host = bench.host
        images = bench.chance.integers(0, 256, (4, 1, 40, 4), dtype=np.uint8)
        for image in images:
            host.send(Kind.IMAGE, image.tobytes()[:100])
            host.send(Kind.IMAGE, image.tobytes()[100:])
        await bench.until(ctx, lambda: not host.outgoing)
        assert host.result == b"" and host.status.consumed != host.sequence
        await bench.until(ctx, lambda: host.events & Event.DONE)
        first = ctx.get(bench.dut.busy)
        await bench.until(ctx, lambda: len(host.result) == 4 * bench.network.answer_bytes)
        assert first and host.result == answer_bytes(program, images)

    NetworkBench(program).run(test)


def test_weights_are_loaded_once_and_survive_a_reset() -> None:
    async def test(bench, ctx):
        weights = PROGRAM.weights
        await bench.reset(ctx, 1, UNLOADED)
        await bench.send(ctx, Kind.WEIGHTS, weights, most=10)
        await bench.compute(ctx, 2)
        await bench.reset(ctx, 100)
        await bench.compute(ctx, 2)
        await bench.send(ctx, Kind.WEIGHTS, bytes(len(weights)))  # which changes nothing
        await bench.compute(ctx, 1)
        await bench.reset(ctx, 200)
        await bench.send(ctx, Kind.WEIGHTS, bytes(10))
        await bench.compute(ctx, 1)

    NetworkBench(loads=True).run(test)


WRONG = {
    "none": b"",
    "too few": PROGRAM.weights[:-1],
    "a bit": bytes([PROGRAM.weights[0] ^ 0x80]) + PROGRAM.weights[1:],
    "another program's": linear_program(seed=2).weights,
    "another program's, and then its own": linear_program(seed=2).weights + PROGRAM.weights,
}


@pytest.mark.parametrize("weights", WRONG.values(), ids=WRONG)
def test_without_its_weights_a_board_gives_no_answer(weights) -> None:
    async def test(bench, ctx):
        host, image = bench.host, bytes(PROGRAM.image.size)
        await bench.reset(ctx, 1, UNLOADED)
        host.events = Event(0)
        await bench.send(ctx, Kind.WEIGHTS, weights)
        await bench.send(ctx, Kind.IMAGE, image)
        await bench.quiet(ctx)
        assert Event.UNLOADED in host.events and Event.DONE not in host.events and host.result == b""
        assert ctx.get(bench.dut.error) and not ctx.get(bench.dut.busy)
        await bench.reset(ctx, 7, UNLOADED)
        await bench.send(ctx, Kind.WEIGHTS, PROGRAM.weights)
        await bench.compute(ctx, 1)

    NetworkBench(loads=True).run(test)


def test_frames_of_an_engine_are_none_of_a_network() -> None:
    async def test(bench, ctx):
        host = bench.host
        await bench.reset(ctx, 1)
        for kind in (Kind.PRODUCT, Kind.A, Kind.WEIGHTS):
            host.events = Event(0)
            host.outgoing += bytes(Frame(kind, host.sequence, b"123456"))
            await bench.quiet(ctx)
            assert host.events == Event.KIND
        await bench.compute(ctx, 1)

    NetworkBench().run(test)


@pytest.mark.slow
def test_a_reset_at_any_moment_leaves_nothing_of_an_image() -> None:
    """Frames cut off between any two bytes, or all sent and an image anywhere on its way: the next answer is right."""

    async def test(bench, ctx):
        host, chance = bench.host, random.Random(9)
        await bench.reset(ctx, 0)
        for _ in range(12):
            await bench.send(ctx, Kind.IMAGE, bench.chance.bytes(3 * PROGRAM.image.size), chance.choice([3, 9, 40]))
            await cut(bench, ctx, chance, chance.randrange(len(host.outgoing)) if chance.random() < 0.6 else 0)
            await bench.reset(ctx, chance.randrange(65536))
            await bench.compute(ctx, 2)

    NetworkBench().run(test)


@pytest.mark.slow
def test_a_reset_at_any_moment_leaves_nothing_of_weights() -> None:
    async def test(bench, ctx):
        chance = random.Random(9)
        await bench.reset(ctx, 0, UNLOADED)
        for _ in range(8):
            await bench.send(ctx, Kind.WEIGHTS, PROGRAM.weights, chance.choice([3, 9, 40]))
            await cut(bench, ctx, chance, chance.randrange(1, len(bench.host.outgoing)))
            await bench.reset(ctx, chance.randrange(65536), UNLOADED)
        await bench.send(ctx, Kind.WEIGHTS, PROGRAM.weights)
        await bench.compute(ctx, 2)

    NetworkBench(loads=True).run(test)


async def cut(bench, ctx, chance, stop: int) -> None:
    """Cut off what is sent when so many bytes are left, or some time after its end."""
    await bench.until(ctx, lambda: len(bench.host.outgoing) <= stop)
    await ctx.tick().repeat(chance.randrange(1, 10) if stop else chance.randrange(1, 300))
    bench.host.outgoing.clear()
    bench.host.outgoing += FLUSH if stop else b""


def test_a_link_refuses_hardware_of_another_program() -> None:
    description = Description("sim", BoardNetwork.of(PROGRAM, False), 4_000_000, 1_000_000)
    with pytest.raises(ValueError, match="hardware must be of the description's program"):
        BoardTop(description, LinearHardware(linear_program(seed=2)))
    with pytest.raises(ValueError, match="hardware must be of the description's program"):
        BoardTop(description, LinearHardware(PROGRAM, loads=True))
    with pytest.raises(ValueError, match="board must have a matmul engine, not the network linear"):
        description.engine  # noqa: B018


def test_a_description_of_a_network_is_read_as_it_was_written() -> None:
    long = linear_program(name='"' * 39 + "ü and more")
    for program, loads in ((PROGRAM, False), (long, True)):
        description = Description("ice40_hx8k_b_evn", BoardNetwork.of(program, loads), 99_999_999, 921_600, 4096, "0.1")
        assert Description.of(description.text()) == description
        assert description.network.digest == program.digest
