"""Testbench of ``matmul`` with a DMA for one product, however large, from memory to memory: every bit of C against the
golden model.

The memory never stalls, or is that of cocotbext-axi and stalls at random. The job is that of ``product_tb``.
"""

from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from ..sim import lay_out
from .control import Registers, connect
from .engine import read_engine
from .job import load_job, random_generator, record
from .memory import FaultyRam, SteadyMemory
from .memory_bench import pauses
from .product import make_product, random_product

job = load_job()
engine = read_engine(job["description"])


@cocotb.test()
async def one_product(dut: Any) -> None:
    generator = random_generator(job["seed"], "one_product")
    if "size" in job:
        m, k, n = job["size"]
        product = random_product(engine, generator, (m, k, n))
    else:
        operands: dict[str, Any] = {name: np.array(values) for name, values in job["operands"].items()}
        product = make_product(engine, generator, **operands)
    m, k, n = product.sizes
    streamed: dict[str, Any] = dict(product.operands)
    image = lay_out(engine, **streamed)
    Clock(dut.clk, 10, unit="ns").start()
    dut.rst.value = 1
    memory: FaultyRam | SteadyMemory = FaultyRam(dut, image.end) if job["stalls"] else SteadyMemory(dut, image.end)
    if isinstance(memory, FaultyRam):
        memory.stall(lambda: pauses(generator, 0.2))
    for address, content in image.contents.items():
        memory.bytes[address : address + len(content)] = content
    registers = Registers(job["description"]["registers"], connect(dut, engine.control, generator))
    for _ in range(3):
        await RisingEdge(dut.clk)
    dut.rst.value = 0
    for name, value in {"m": m, "k": k, "n": n, **image.descriptors, **product.parameters}.items():
        await registers.set(name, value)
    await registers.write("control", registers.bits("control", "start"))
    await RisingEdge(dut.irq)
    found = image.output(bytes(memory.bytes))
    wrong = np.argwhere(found != product.expected)
    assert not len(wrong), f"C must be right in all of {found.size}, not wrong in {len(wrong)}, first at {wrong[0]}"
    status, done = await registers.read("status"), registers.bits("status", "done")
    assert status == done, f"status must be {done:#x} (done), not {status:#x}"
    cycles = await registers.read("cycles")
    codes = found.tolist() if "operands" in job else None
    record(cycles=cycles, utilization=m * k * n / (engine.products * cycles), codes=codes)
