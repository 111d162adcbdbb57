"""The units that unpack ternary codes, at their AXI4-Streams."""

import numpy as np
import pytest
from amaranth.sim import Simulator
from fewbit import sim
from fewbit.formats import parse
from fewbit.hdl import Design
from fewbit.tb import lint, simulate

UNITS = ("unpack_trits", "unpack_fields")


@pytest.mark.parametrize("name", UNITS)
def test_every_byte_gives_its_codes(name):
    unit = Design(name, parse("ternary"), lanes=3)
    dut, words = unit.component(), np.stack([np.arange(256) ^ k for k in (0, 85, 201)], axis=1)
    expected = sim.unpack_trits(words, unit.packing.name)

    async def testbench(ctx):
        ctx.set(dut.s_axis_tvalid, 1)
        ctx.set(dut.m_axis_tready, 1)
        for word, codes in zip(words.tolist(), expected.tolist(), strict=True):
            ctx.set(dut.s_axis_tdata, sum(byte << 8 * k for k, byte in enumerate(word)))
            await ctx.tick()
            assert ctx.get(dut.m_axis_tdata) == sum(code << 2 * k for k, code in enumerate(codes))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()


@pytest.mark.slow
@pytest.mark.parametrize("name", UNITS)
def test_unpackers_keep_to_their_contract(name, own_cache):
    unit = Design(name, parse("ternary"), lanes=2)
    assert lint(unit.verilog()) == []
    result = simulate(unit.verilog(), unit.description(), random_cycles=400)
    assert result.ok, result.failed
    assert result.passed == ("every_byte_at_full_speed", "random_stalls", "resets")


@pytest.mark.parametrize("name", UNITS)
def test_unpackers_are_for_ternary_codes(name):
    with pytest.raises(ValueError, match=f"^weight must be ternary for {name}, not int2$"):
        Design(name, parse("int2"))
