"""Elements that look sums up in tables, which codes of one or two bits choose from."""

import itertools

import numpy as np
import pytest
from amaranth.hdl import Module, Signal
from amaranth.sim import Simulator
from fewbit.formats import parse
from fewbit.hdl import Build, hardware_of
from test_hdl_element_kinds import arithmetic_of, check_cycles, check_engine, engine_of

TABLE_PAIRS = [("int8", "ternary"), ("e2m1", "bipolar"), ("uint4", "uint1"), ("e5m2", "ternary"), ("ue4m3", "uint1")]
"""Weights of the last two are integers of many bits."""


@pytest.mark.parametrize(("weight", "activation"), TABLE_PAIRS)
def test_every_choice_of_a_table_is_its_sum(weight, activation):
    """All words of a group of codes, with random weights and the extreme ones, in a column of one table."""
    arithmetic, build = arithmetic_of(f"{weight} {activation}", "table"), Build("rows", pipeline=1)
    hardware, m, group = (
        hardware_of(arithmetic),
        Module(),
        arithmetic.element.lane_multiple(*map(parse, (weight, activation))),
    )
    bits = [format.width for format in (arithmetic.weight, arithmetic.activation)]
    load, swap, words = Signal(), Signal(), [Signal(group * width) for width in bits]
    m.submodules.column = column = hardware.keeping_column(arithmetic, build, 1, group)
    entered = [
        bus.enter_word(
            m, [word.word_select(k, width) for k in range(group)], [f"{k}" for k in range(group)], [None] * group
        )
        for bus, word, width in zip(hardware.buses(arithmetic, build), words, bits, strict=True)
    ]
    control = hardware.load_control(m, arithmetic, 1, load, swap)
    m.d.comb += [column.load.eq(load), column.weight.eq(entered[0]), column.activation.eq(entered[1])]
    m.d.comb += [getattr(column, name).eq(signal) for name, signal in control.items()]
    known = [{code: each.integer(code) for code in each.codes} for each in (arithmetic.weight, arithmetic.activation)]
    rng, latency = np.random.default_rng(5), hardware.column_latency(arithmetic, build, group)

    async def testbench(ctx):
        least, most = (min(known[0], key=known[0].get), max(known[0], key=known[0].get))
        for weights in ([least] * group, [most] * group, rng.choice([*known[0]], group).tolist()):
            ctx.set(words[0], sum(code << bits[0] * k for k, code in enumerate(weights)))
            ctx.set(load, 1)
            await ctx.tick()
            ctx.set(load, 0)
            await ctx.tick().repeat(arithmetic.load_interval)
            ctx.set(swap, 1)
            await ctx.tick()
            ctx.set(swap, 0)
            for vector in itertools.product(known[1], repeat=group):
                ctx.set(words[1], sum(code << bits[1] * k for k, code in enumerate(vector)))
                await ctx.tick().repeat(latency)
                expected = sum(known[0][w] * known[1][a] for w, a in zip(weights, vector, strict=True))
                assert ctx.get(column.partial) == expected

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()


@pytest.mark.parametrize(
    ("pair", "shape"), [("int4 ternary", {"lanes": 6}), ("e2m1 bipolar", {"lanes": 5, "tile_m": 30})]
)
def test_an_engine_of_tables_is_the_golden_product_in_the_predicted_cycles(pair, shape):
    engine = engine_of(pair, "table", rows=2, columns=2, dataflow="weight_stationary", **shape)
    check_engine(engine, [(5, 23, 3), (1, 1, 1)])
    check_cycles(engine, [(1, 1, 1), (5, 23, 3), (33, 23, 2)])
