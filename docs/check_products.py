"""A testbench with fewbit's models: `fewbit verilog matmul --max-k 64`, then `python docs/check_products.py`."""

import json
from pathlib import Path

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles
from fewbit.sim import dyadic_codes, pack
from fewbit.tb import read_engine, run
from fewbit.tb.bus import AxiLiteAccess, ProductScoreboard, Registers, feed


@cocotb.test()
async def two_products(dut):
    description = json.loads(Path("job.json").read_text())
    engine = read_engine(description)
    scale = int(dyadic_codes(1 / 300, engine.requantization.scale))
    Clock(dut.clk, 10, unit="ns").start()
    registers = Registers(description["registers"], AxiLiteAccess(dut))
    for name in "aw":
        getattr(dut, f"s_axis_{name}_tvalid").value = 0
    dut.m_axis_c_tready.value = 1
    dut.rst.value = 1
    await ClockCycles(dut.clk, 3)
    dut.rst.value = 0
    scoreboard = ProductScoreboard(dut, description)
    for seed, (m, k, n) in enumerate([(10, 20, 10), (3, 7, 9)]):
        random = np.random.default_rng(seed)
        a, w = random.integers(0, 256, (m, k)), random.integers(0, 256, (k, n))  # codes of int8
        scoreboard.expect(a, w, scale=scale)
        for name, value in {"m": m, "k": k, "n": n, "scale": scale}.items():
            await registers.set(name, value)
        for name, words in pack(engine, a, w).items():  # your DMA, if you have one
            beats = [int.from_bytes(word.tobytes(), "little") for word in words]
            cocotb.start_soon(feed(dut, f"s_axis_{name}", beats))
        await registers.write("control", registers.bits("control", "start"))
        assert await scoreboard.done() == seed + 1


if __name__ == "__main__":
    out = Path("out")
    description = json.loads((out / "matmul.json").read_text())
    print(run("example", (out / "matmul.v").read_text(), "matmul", "check_products", description)[0])
