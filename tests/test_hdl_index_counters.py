"""Mokey's counters against a count in Python."""

from collections import Counter

import numpy as np
from amaranth.sim import Simulator
from fewbit.hdl.elements.index_counters import IndexCounters


def test_products_are_counted_by_their_indices():
    dut, codes = IndexCounters(8), np.random.default_rng(2).integers(0, 16, (50, 2)).tolist()

    async def testbench(ctx):
        ctx.set(dut.valid, 1)
        for number, (weight, activation) in enumerate([[5, 6], *codes]):
            ctx.set(dut.first, number < 2)
            ctx.set(dut.weight, weight)
            ctx.set(dut.activation, activation)
            await ctx.tick()
        expected = Counter()
        for w, a in codes:
            sign = -1 if (w ^ a) & 8 else 1
            for key in (("sums", (w & 7) + (a & 7)), ("weights", w & 7), ("activations", a & 7), "signs"):
                expected[key] += sign
        assert ctx.get(dut.signs) == expected["signs"]
        for name in ("sums", "weights", "activations"):
            counts = getattr(dut, name)
            assert [ctx.get(count) for count in counts] == [expected[name, k] for k in range(len(counts))]

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
