"""Testbench of ``matmul`` for one product, however large: words straight onto the streams, with as little Python a
cycle as possible, every bit of C against the golden model.

The job has the keys ``seed``, ``stalls``, and either ``size``, that is m, k and n, or ``operands``, those of
``make_product`` by name.
"""

from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from ..sim import unpack
from .axi_stream import beat_bytes, collect, feed, from_beats
from .control import Registers, connect
from .engine import read_engine
from .golden import Array
from .job import load_job, random_generator, record
from .product import EngineProduct, make_product, random_product

job = load_job()
engine = read_engine(job["description"])


def pauses(generator: np.random.Generator, count: int) -> list[int] | None:
    """Of every beat, the cycles that the stream stalls before it; None for none ever."""
    if not job["stalls"]:
        return None
    stalls: Array = np.where(generator.random(count) < 0.2, generator.integers(1, 8, count), 0)
    return stalls.tolist()


def make(generator: np.random.Generator) -> EngineProduct:
    if "size" in job:
        m, k, n = job["size"]
        return random_product(engine, generator, (m, k, n))
    operands: dict[str, Any] = {name: np.array(values) for name, values in job["operands"].items()}
    return make_product(engine, generator, **operands)


@cocotb.test()
async def one_product(dut: Any) -> None:
    generator = random_generator(job["seed"], "one_product")
    product = make(generator)
    m, k, n = product.sizes
    Clock(dut.clk, 10, unit="ns").start()
    dut.rst.value = 1
    for name in engine.stream_bits:
        if name == "c":
            dut.m_axis_c_tready.value = 1
        else:
            getattr(dut, f"s_axis_{name}_tvalid").value = 0
            getattr(dut, f"s_axis_{name}_tlast").value = 0
    registers = Registers(job["description"]["registers"], connect(dut, engine.control, generator))
    for _ in range(3):
        await RisingEdge(dut.clk)
    dut.rst.value = 0
    for name, value in {"m": m, "k": k, "n": n, **product.parameters}.items():
        await registers.set(name, value)
    feeds = []
    for name, words in product.words.items():
        width = engine.bus(name) // 8
        data = beat_bytes(words, engine.bus(name), generator).tobytes()
        beats = [int.from_bytes(data[place : place + width], "little") for place in range(0, len(data), width)]
        feeds.append(cocotb.start_soon(feed(dut, f"s_axis_{name}", beats, pauses(generator, len(beats)))))
    # A stream that puts words together has the first one by the time of the start.
    for _ in range(max(engine.beats(name) for name in product.words)):
        await RisingEdge(dut.clk)
    outputs = cocotb.start_soon(collect(dut, "m_axis_c", pauses(generator, 1000)))
    await registers.write("control", registers.bits("control", "start"))
    found = unpack(engine, from_beats(await outputs, engine.stream_bits["c"], engine.bus("c")), m, n)
    wrong = np.argwhere(found != product.expected)
    assert not len(wrong), f"C must be right in all of {found.size}, not wrong in {len(wrong)}, first at {wrong[0]}"
    for name, feeding in zip(product.words, feeds, strict=True):
        assert feeding.done(), f"s_axis_{name}: all beats must be taken"
    if not int(dut.irq.value):
        await RisingEdge(dut.irq)
    status, done = await registers.read("status"), registers.bits("status", "done")
    assert status == done, f"status must be {done:#x} (done), not {status:#x}"
    cycles = await registers.read("cycles")
    codes = found.tolist() if "operands" in job else None
    record(cycles=cycles, utilization=m * k * n / (engine.products * cycles), codes=codes)
