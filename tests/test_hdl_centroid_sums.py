"""GOBO's sums by index against sums in Python."""

import numpy as np
from amaranth.hdl import signed
from amaranth.sim import Simulator
from fewbit.hdl.elements.centroid_sums import CentroidSums


def test_activations_are_added_by_index_and_sums_are_cleared_as_they_are_read():
    dut, random = CentroidSums(3, signed(8), 14), np.random.default_rng(4)

    async def testbench(ctx):
        for _ in range(2):
            expected = [0] * 8
            for index, activation, add in random.integers([0, -128, 0], [8, 128, 2], (60, 3)).tolist():
                ctx.set(dut.index, index)
                ctx.set(dut.activation, activation)
                ctx.set(dut.add, add)
                expected[index] += activation * add
                await ctx.tick()
            ctx.set(dut.add, 0)
            ctx.set(dut.read, 1)
            for index in range(8):
                ctx.set(dut.index, index)
                found = ctx.get(dut.sum)
                await ctx.tick()
                assert found == expected[index]
            ctx.set(dut.read, 0)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
