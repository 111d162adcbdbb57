"""An array of which some elements leave their products to the device: the same sums, in the same cycle."""

import random

import pytest
from amaranth.hdl import Module
from amaranth.sim import Simulator
from each_of import each_of
from fewbit.formats import Engine, Requantization, parse
from fewbit.hdl.engine.output_stationary import OutputStationary
from fewbit.hdl.products.build import Build
from fewbit.hdl.products.choose_build import choose_build
from fewbit.hdl.products.packing import GridPacking, SummedPacking

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
    check_same_sums(engine, [OutputStationary(engine, logic, elements) for elements in (0, 4)])


GRIDS = {
    ("int4", "int4", "ecp5"): GridPacking(2, 2, "magnitudes", 7, False),
    ("int4", "int4", "xc7"): GridPacking(2, 2, "signed", 8, False),
    ("e2m1", "int4", "ecp5"): GridPacking(2, 2, "magnitudes", 7, False),
    ("int8", "int8", "xc7"): GridPacking(2, 1, "signed", 16, False),
    ("e2m1", "e2m1", "ecp5"): SummedPacking(2, 10, False),
    ("e4m3", "e5m2", "xc7"): GridPacking(2, 2, "significands", 7, False),
}
"""What elements share a block by, or what else is in one, by the formats and the family."""


@each_of("weight, activation, family", GRIDS)
def test_elements_that_share_multipliers_agree_with_those_in_logic(weight, activation, family):
    """All of a shape that they do not fill, and one tile of a mixed array."""
    formats = parse(weight), parse(activation)
    engine = Engine(*formats, Requantization(parse("int8")), rows=2, columns=3, lanes=2, tile_m=2, max_k=64)
    how = {"pipeline": 2, "family": family, "lanes": 2, "packed": True}
    logic = choose_build(*formats, "auto", dsp=False, **how)
    shared, mixed = (choose_build(*formats, "auto", dsp=True, mixed=mixed, grid=(2, 3), **how) for mixed in (0, 1))
    assert shared.packing == GRIDS[weight, activation, family]
    arrays = [OutputStationary(engine, logic), OutputStationary(engine, shared), OutputStationary(engine, mixed, 4)]
    check_same_sums(engine, arrays, words=45)


def check_same_sums(engine, arrays, words=300):
    """Let arrays add up the same words."""
    m = Module()
    for array in arrays:
        m.submodules += array
        if array is not arrays[0]:
            m.d.comb += [getattr(array, name).eq(getattr(arrays[0], name)) for name in INPUTS]
    chance = random.Random(7)
    groups = 0

    async def bench(ctx):
        nonlocal groups
        left = 0
        for _ in range(words):
            valid = chance.random() < 0.8
            first = valid and not left
            left = chance.randint(1, 6) if first else left
            left -= valid
            given = {
                "valid": valid,
                "first": first,
                "last": valid and not left,
                "keep": chance.getrandbits(engine.lanes) | 1,
            }
            for name in INPUTS:
                value = given.get(name)
                bits = len(getattr(arrays[0], name))
                ctx.set(getattr(arrays[0], name), chance.getrandbits(bits) if value is None else value)
            await ctx.tick()
            done = ctx.get(arrays[0].done)
            assert all(ctx.get(array.done) == done for array in arrays)
            if done:
                groups += 1
                found = [[ctx.get(each.as_value()) for row in array.sums for each in row] for array in arrays]
                assert all(sums == found[0] for sums in found)

    simulator = Simulator(m)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()
    assert groups > words // 15


def test_sums_that_shift_have_no_control_of_their_own():
    engine = Engine(parse("int4"), parse("int4"), Requantization(parse("int8")), rows=2, columns=2)
    with pytest.raises(ValueError, match="early must be False where sums shift"):
        OutputStationary(engine, Build("rows"), shifts=True, early=True)
