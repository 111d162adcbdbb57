"""A testbench in which the scoreboard has something to find: see test_tb_scoreboard.py."""

import json
from pathlib import Path

import cocotb
import numpy as np
import pytest
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles
from fewbit.sim import pack
from fewbit.tb import read_engine
from fewbit.tb.bus import AxiLiteAccess, ProductScoreboard, Registers, feed

DESCRIPTION = json.loads(Path("job.json").read_text())
ENGINE = read_engine(DESCRIPTION)
A, W = np.arange(6).reshape(2, 3), np.arange(9).reshape(3, 3)


async def begin(dut):
    Clock(dut.clk, 10, unit="ns").start()
    for name in "aw":
        getattr(dut, f"s_axis_{name}_tvalid").value = 0
    dut.m_axis_c_tready.value = 1
    dut.rst.value = 1
    await ClockCycles(dut.clk, 3)
    dut.rst.value = 0
    return Registers(DESCRIPTION["registers"], AxiLiteAccess(dut)), ProductScoreboard(dut, DESCRIPTION)


async def compute(dut, registers):
    for name, value in {"m": 2, "k": 3, "n": 3}.items():
        await registers.set(name, value)
    for name, words in pack(ENGINE, A, W).items():
        beats = [int.from_bytes(word.tobytes(), "little") for word in words]
        cocotb.start_soon(feed(dut, f"s_axis_{name}", beats))
    await registers.write("control", registers.bits("control", "start"))


@cocotb.test()
async def another_product_is_found_out(dut):
    registers, scoreboard = await begin(dut)
    other = W.copy()
    other[1, 2] ^= 1
    scoreboard.expect(A, other)
    await compute(dut, registers)
    message = r"C of product 0 must be 0x\w+ in row 0, column 2, not 0x\w+; 2 of 6 differ"
    with pytest.raises(AssertionError, match=message):
        await scoreboard.done()


@cocotb.test()
async def a_beat_that_nobody_expects_is_found_out(dut):
    registers, scoreboard = await begin(dut)
    await compute(dut, registers)
    with pytest.raises(AssertionError, match="m_axis_c: a beat is offered that no product has, after 0"):
        await scoreboard.watching


@cocotb.test()
async def a_reset_forgets(dut):
    registers, scoreboard = await begin(dut)
    scoreboard.expect(A, W + 1)
    dut.rst.value = 1
    await ClockCycles(dut.clk, 2)
    dut.rst.value = 0
    await ClockCycles(dut.clk, 2)
    scoreboard.expect(A, W)
    await compute(dut, registers)
    assert await scoreboard.done() == 1
