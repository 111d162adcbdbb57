"""Testbench of ``matmul`` with a DMA: products of every shape and kind from memory to memory through the emitted
Verilog, every bit of C against the golden model.

The memory is that of cocotbext-axi, which is of other people's making.
"""

import itertools
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from .memory_bench import MemoryBench


@cocotb.test()
async def random_shapes(dut: Any) -> None:
    """Products of many shapes, anywhere in memory, with rows far apart; nothing ever stalls."""
    await several(dut, "random_shapes", (0.0,))


@cocotb.test()
async def stalls(dut: Any) -> None:
    """Every channel of the memory stalls at random."""
    await several(dut, "stalls", (0.1, 0.4, 0.7))


async def several(dut: Any, test: str, rates: tuple[float, ...]) -> None:
    """Random products until about as many cycles have passed as the job has."""
    bench = MemoryBench(dut, test)
    await bench.start()
    for count in itertools.count():
        if bench.cycle > bench.budget and count > 2:
            break
        bench.stall(rates[count % len(rates)])
        await bench.run(bench.random_sizes(), "special" if count % 3 == 2 else "finite")
    bench.end()


@cocotb.test()
async def edges(dut: Any) -> None:
    """The smallest product, the largest and least codes, and sizes about those that the engine was made for."""
    bench = MemoryBench(dut, "edges")
    await bench.start()
    engine = bench.engine
    await bench.run((1, 1, 1))
    for kind in ("largest", "least", "opposite"):
        await bench.run((engine.rows + 1, min(engine.max_k, 2 * engine.k_step + 1), engine.columns + 1), kind)
    await bench.run((engine.tile_m + 1, min(engine.max_k, engine.k_step), engine.columns))
    bench.end()


@cocotb.test()
async def errors(dut: Any) -> None:
    """An answer that is an error sets its bit in status, and the product comes to its end."""
    bench = MemoryBench(dut, "errors")
    await bench.start()
    sizes = bench.engine.rows + 1, min(bench.engine.max_k, 3), bench.engine.columns + 1
    for matrix in ("a", "w", "c"):
        product, image = bench.product(sizes)
        address = [image.descriptors[f"{matrix}_address"]]
        bench.fail(*(((), address) if matrix == "c" else (address, ())))
        await bench.configure(product, image)
        await bench.command()
        await RisingEdge(dut.irq)
        await bench.settle("done", "error_write" if matrix == "c" else "error_read")
    bench.fail()
    bench.words_given = 0
    await bench.reset(1)
    await bench.run(sizes)
    bench.end()


@cocotb.test()
async def refused(dut: Any) -> None:
    """Starts that cannot be obeyed set their bit and move nothing; so does one while a product is at hand, whose
    registers may be written for the next one."""
    bench = MemoryBench(dut, "refused")
    await bench.start()
    sizes = bench.engine.rows + 1, min(bench.engine.max_k, 3), bench.engine.columns + 1
    product, image = bench.product(sizes)
    wrong = {
        **dict.fromkeys(("m", "n", "k"), "error_zero"),
        **dict.fromkeys(image.descriptors, "error_alignment"),
    }
    for name, event in wrong.items():
        await bench.configure(product, image, **{name: 0 if event == "error_zero" else image.descriptors[name] + 1})
        await bench.command()
        await bench.settle(event)
    await bench.configure(product, image, k=bench.engine.max_k + 1)
    await bench.command()
    await bench.settle("error_large")
    await bench.configure(product, image)
    bench.stall(0.7)
    await bench.command()
    for name in wrong:
        await bench.registers.set(name, 0)
    await bench.command()
    status, expected = await bench.registers.read("status"), bench.registers.bits("status", "busy", "error_busy")
    assert status == expected, f"status must be {expected:#x} (busy, error_busy), not {status:#x}"
    await bench.registers.write("status", bench.registers.bits("status", "error_busy"))
    await bench.finish(product, image)
    await bench.settle("done")
    bench.end()


@cocotb.test()
async def resets(dut: Any) -> None:
    """A reset at any time drops the product; the next one is right."""
    bench = MemoryBench(dut, "resets")
    await bench.start()
    for count in itertools.count():
        if bench.cycle > bench.budget and count > 5:
            break
        bench.stall(float(bench.generator.choice([0.0, 0.3])))
        product, image = bench.product(bench.random_sizes())
        await bench.configure(product, image)
        await bench.command()
        for _ in range(int(bench.generator.integers(400))):
            await RisingEdge(dut.clk)
        await bench.reset(int(bench.generator.integers(1, 4)))
        bench.stall(0)
        await bench.run(bench.random_sizes())
    bench.end()
