"""The cycles of a network: predicted, and counted in simulation of the hardware."""

from dataclasses import replace

import pytest
from amaranth.sim import Simulator
from fewbit.formats.network import NetworkTiming, Pool
from fewbit.hdl.network.network import NetworkCore
from fewbit.hdl.network.network_build import NetworkBuild
from fewbit.hdl.products.build import Build
from fewbit.sim import network_answers, network_cycles, network_pause
from network_programs import random_images, random_program
from resnet_program import resnet8

LIMIT = 100_000
ONE_ROW = {"rows": 1, "columns": 8, "lanes": 4, "outputs": 2}


def counted(network, image):
    """The cycles in which each record is at hand, until the last sum; what the hardware counts; and the sums."""
    simulator = Simulator(network)
    simulator.add_clock(1e-6)
    layers, sums, cycles = [0] * len(network.program.records), [], []

    async def bench(ctx):
        if network.hardware.loaded:
            for byte in network.program.packed_words():
                await send(ctx, network.weights, byte)
        for byte in image.ravel().tolist():
            await send(ctx, network.image, byte)
        ctx.set(network.answer.ready, 1)
        last = False
        for _ in range(LIMIT):
            if last:
                break
            layers[ctx.get(network.layer)] += ctx.get(network.busy)
            if ctx.get(network.answer.valid):
                sums.append(ctx.get(network.answer.payload.data))
                last = ctx.get(network.answer.payload.last)
            await ctx.tick()
        cycles.append(ctx.get(network.cycles))

    simulator.add_testbench(bench)
    simulator.run()
    return layers, cycles[0], sums


async def send(ctx, stream, byte):
    ctx.set(stream.payload, byte)
    ctx.set(stream.valid, 1)
    await ctx.tick().until(stream.ready)
    ctx.set(stream.valid, 0)


@pytest.mark.parametrize(
    ("seeds", "shape", "fields"),
    [
        (range(4), {}, {}),
        (range(4, 8), {"outputs": 1}, {}),
        (range(10, 14), ONE_ROW, {"ports": "single"}),
        (range(20, 23), ONE_ROW | {"outputs": 4}, {"ports": "single", "weight_store": "loaded", "piece": 16}),
        (range(30, 32), {}, {"weight_store": "loaded"}),
    ],
    ids=["all kinds", "one output", "single ports", "loaded and single ports", "loaded"],
)
def test_simulation_takes_the_cycles_that_are_predicted(seeds, shape, fields):
    for seed in seeds:
        program = random_program(seed, side=5, **shape)
        assert not fields.get("weight_store") or any(not isinstance(record, Pool) for record in program.records)
        images = random_images(program, seed, 3)
        network = NetworkCore(NetworkBuild(program, Build("operator", pipeline=1 + seed % 3), **fields))
        layers, cycles, sums = counted(network, images[2])
        assert layers == [record.cycles for record in network_cycles(program, network.hardware.timing)], seed
        assert cycles == sum(layers)
        assert sorted(sums) == sorted(network_answers(program, images)[2].ravel().tolist())


@pytest.mark.parametrize("seed", [2, 3, 12])
def test_the_next_image_begins_after_a_pause_that_is_predicted(seed):
    program = random_program(seed, side=4, layers=2)
    program = replace(program, image=replace(program.image, resident=False))
    network = NetworkCore(NetworkBuild(program, Build("operator")))
    bytes_in = [byte for image in random_images(program, seed, 2) for byte in image.ravel().tolist()]
    simulator = Simulator(network)
    simulator.add_clock(1e-6)
    ends = []

    async def give(ctx):
        for byte in bytes_in:
            await send(ctx, network.image, byte)

    async def take(ctx):
        ctx.set(network.answer.ready, 1)
        for cycle in range(LIMIT):
            if len(ends) == 2:
                break
            if ctx.get(network.answer.valid) and ctx.get(network.answer.payload.last):
                ends.append(cycle)
            await ctx.tick()

    simulator.add_testbench(give)
    simulator.add_testbench(take)
    simulator.run()
    predicted = sum(record.cycles for record in network_cycles(program, network.hardware.timing))
    assert ends[1] - ends[0] == predicted + network_pause(program, network.hardware.timing)


def test_every_cycle_has_its_reason():
    """Of a ResNet-8: words of the array that no hardware takes fewer cycles for, and what it waits for."""
    program = resnet8(rows=4, columns=16, lanes=4, outputs=2)
    ample = network_cycles(program, NetworkTiming(2, 9, 9))
    for record, found in zip(program.records, ample, strict=True):
        groups = record.height * -(-record.width // (1 if isinstance(record, Pool) else 4))
        tiles = -(-record.channels // 16)
        each = record.window.taps * (8 if isinstance(record, Pool) else record.words)
        assert found.taps == tiles * groups * each
        assert found.memory == found.weights == 0 < found.rest < 100
    loaded = network_cycles(program, NetworkTiming(2, 9, 9, pieces=8))
    for record, found, slow in zip(program.records, ample, loaded, strict=True):
        fills = 0 if isinstance(record, Pool) else -(-record.channels // 16) * (8 * record.terms + 2)
        assert slow.weights == fills
        assert slow.taps == found.taps and slow.sums <= found.sums
    single = network_cycles(program, NetworkTiming(2, 9, 9, single_port=True))
    assert sum(found.memory for found in single) > 0


def test_timing_of_other_types_is_refused():
    with pytest.raises(ValueError, match="array must be 0 to 65536, not -1"):
        NetworkTiming(-1, 3, 3)
    with pytest.raises(ValueError, match="single_port must be True or False, not 1"):
        NetworkTiming(1, 3, 3, single_port=1)
