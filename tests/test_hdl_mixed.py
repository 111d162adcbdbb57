"""An array of which some elements leave their products to the device: the same sums, in the same cycle."""

import random

import pytest
from amaranth.hdl import Module
from amaranth.sim import Simulator
from fewbit.formats import Engine, Requantization, parse
from fewbit.hdl.engine.output_stationary import OutputStationary
from fewbit.hdl.products.choose_build import choose_build

INPUTS = ("valid", "first", "last", "activation", "weight", "keep")


@pytest.mark.parametrize(
    ("weight", "activation", "build"),
    [("int8", "int8", "auto"), ("e2m1", "int4", "auto"), ("int3", "int3", "whole"), ("e4m3", "e5m2", "auto")],
)
@pytest.mark.parametrize(("pipeline", "lanes"), [(1, 1), (2, 2), (3, 1)])
def test_mixed_elements_agree_with_those_in_logic(weight, activation, build, pipeline, lanes):
    formats = parse(weight), parse(activation)
    how = Requantization(parse("int8"))
    engine = Engine(*formats, how, rows=2, columns=3, lanes=lanes, tile_m=2, max_k=64)
    logic = choose_build(
        *formats, build, pipeline=pipeline, family="ecp5", dsp=True, lanes=lanes, packed=True, mixed=True
    )
    arrays = [OutputStationary(engine, logic, elements) for elements in (0, 4)]
    m = Module()
    m.submodules.plain, m.submodules.mixed = arrays
    for name in INPUTS:
        m.d.comb += getattr(arrays[1], name).eq(getattr(arrays[0], name))
    chance = random.Random(7)
    groups = 0

    async def bench(ctx):
        nonlocal groups
        left = 0
        for _ in range(300):
            valid = chance.random() < 0.8
            first = valid and not left
            left = chance.randint(1, 6) if first else left
            left -= valid
            given = {"valid": valid, "first": first, "last": valid and not left, "keep": chance.getrandbits(lanes) | 1}
            for name in INPUTS:
                value = given.get(name)
                bits = len(getattr(arrays[0], name))
                ctx.set(getattr(arrays[0], name), chance.getrandbits(bits) if value is None else value)
            await ctx.tick()
            done = ctx.get(arrays[0].done)
            assert ctx.get(arrays[1].done) == done
            if done:
                groups += 1
                for plain, mixed in zip(*(array.sums for array in arrays), strict=True):
                    for one, other in zip(plain, mixed, strict=True):
                        assert ctx.get(one.as_value()) == ctx.get(other.as_value())

    simulator = Simulator(m)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()
    assert groups > 20
