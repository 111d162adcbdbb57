"""C = A @ W through the engine in out/: `fewbit verilog matmul --max-k 64`, then `python docs/drive_matmul.py`."""

import json
from pathlib import Path

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge, Timer
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiStreamBus, AxiStreamSink, AxiStreamSource
from fewbit.sim import dyadic_codes, engine_matmul, pack, unpack
from fewbit.tb import read_engine, run


@cocotb.test()
async def product(dut):
    engine = read_engine(json.loads(Path("job.json").read_text()))
    a, w = np.random.default_rng(1).integers(0, 256, (2, 10, 10))  # codes of A and W, int8
    scale = int(dyadic_codes(1 / 300, engine.requantization.scale))
    Clock(dut.clk, 10, unit="ns").start()
    registers = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), dut.clk, dut.rst)
    sources = {
        name: AxiStreamSource(AxiStreamBus.from_prefix(dut, f"s_axis_{name}"), dut.clk, dut.rst) for name in "aw"
    }
    sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis_c"), dut.clk, dut.rst)
    dut.rst.value = 1
    await Timer(30, unit="ns")
    dut.rst.value = 0
    for offset, value in ((0x08, 10), (0x0C, 10), (0x10, 10), (0x24, scale), (0x00, 1)):  # m, n, k, scale, start
        await registers.write(offset, value.to_bytes(4, "little"))
    for name, words in pack(engine, a, w).items():
        await sources[name].send(words.tobytes())
    frame = await sink.recv()
    c = unpack(engine, np.frombuffer(bytes(frame.tdata), np.uint8).reshape(-1, len(dut.m_axis_c_tdata) // 8), 10, 10)
    assert np.array_equal(c, engine_matmul(engine, a, w, scale=scale))
    await RisingEdge(dut.clk)


if __name__ == "__main__":
    out = Path("out")
    print(
        run(
            "example",
            (out / "matmul.v").read_text(),
            "matmul",
            "drive_matmul",
            json.loads((out / "matmul.json").read_text()),
        )[0]
    )
