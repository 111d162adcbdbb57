"""Testbench of ``matmul``: products of every shape and kind through the streams of the emitted Verilog, every bit of C
against the golden model.

The client is cocotbext-axi, which is of other people's making (the Wishbone initiator is not). Whatever is on the
streams, their rules are looked at in every cycle.
"""

import itertools
from collections.abc import Callable
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge, with_timeout

from ..formats import MAX_SIZE
from .matmul_bench import SIZES, MatmulBench, budget, engine, patience, random_sizes, steps

IDENTITY = 0x46425431


@cocotb.test()
async def registers(dut: Any) -> None:
    """What the engine says of itself, and what it keeps of what is written."""
    bench = MatmulBench(dut, "registers")
    await bench.start()
    bank = bench.registers
    fixed = {
        "identity": IDENTITY,
        "shape": bank.word(
            "shape", **{f"shape_{name}": getattr(engine, name) for name in ("rows", "columns", "lanes", "outputs")}
        ),
        "limits": bank.word("limits", limit_tile_m=engine.tile_m, limit_k=engine.max_k),
        "cycles": 0,
        "status": 0,
        "control": 0,
    }
    written = {name: 0 for name in bank.map if name not in fixed}
    for rate in (0.0, 0.5):
        bench.stall(rate)
        for name, value in {**fixed, **written}.items():
            found = await bank.read(name)
            assert found == value, f"{name} must read {value:#x}, not {found:#x}"
        for name in written:
            value = int(bench.generator.integers(1 << 32))
            await bank.write(name, value)
            written[name] = value & bank.bits(name)
        for name in ("identity", "shape", "limits", "cycles"):
            await bank.write(name, 0xFFFFFFFF)
    await bench.reset(1)
    for name, value in {**fixed, **dict.fromkeys(written, 0)}.items():
        found = await bank.read(name)
        assert found == value, f"{name} must read {value:#x} after reset, not {found:#x}"
    bench.end()


@cocotb.test()
async def random_shapes(dut: Any) -> None:
    """Products of many shapes, nothing ever stalls."""
    await several(dut, "random_shapes", lambda bench: None)


@cocotb.test()
async def stalls(dut: Any) -> None:
    """Everything stalls at random, or a single stream nearly always."""

    def stall(bench: MatmulBench) -> None:
        bench.stall(0)
        if bench.generator.random() < 0.5:
            bench.stall(float(bench.generator.choice([0.1, 0.4, 0.7])))
        else:
            bench.stall(0.85, str(bench.generator.choice([*engine.stream_bits])))

    await several(dut, "stalls", stall)


async def several(dut: Any, test: str, prepare: Callable[[MatmulBench], None]) -> None:
    """Random products until about as many cycles have passed as the job has."""
    bench = MatmulBench(dut, test)
    await bench.start()
    for count in itertools.count():
        if bench.cycle > budget and count > 2:
            break
        prepare(bench)
        await bench.run(random_sizes(bench.generator, budget // 4))
    bench.end()


@cocotb.test()
async def edges(dut: Any) -> None:
    """The smallest product, and sizes about every one that the engine was made for."""
    bench = MatmulBench(dut, "edges")
    await bench.start()
    near = {
        "m": (engine.rows, engine.tile_m, 2 * engine.tile_m),
        "k": (engine.k_step, engine.max_k),
        "n": (engine.outputs, engine.columns, 2 * engine.columns),
    }
    order = {}
    for name, sizes in near.items():
        values = {max(1, size + step) for size in sizes for step in (-1, 0, 1)}
        values = {value for value in values if name != "k" or value <= engine.max_k}
        order[name] = bench.generator.permutation(sorted(values)).tolist()
    await bench.run((1, 1, 1))
    for count in range(max(map(len, order.values()))):
        m, k, n = (sizes[count % len(sizes)] for sizes in order.values())
        for sizes in [(m, k, n)] if steps((m, k, n)) <= budget // 4 else [(m, 1, n), (1, k, 1)]:
            await bench.run(sizes)
    bench.end()


@cocotb.test()
async def refused(dut: Any) -> None:
    """Starts that cannot be obeyed set their bit and touch nothing; so does one while a product is at hand."""
    bench = MatmulBench(dut, "refused")
    await bench.start()
    m, k, n = sizes = (engine.rows + 1, min(engine.max_k, engine.k_step + 1), engine.columns + 1)
    over = MAX_SIZE + 1
    await bench.run(sizes)
    last = await bench.registers.read("cycles")
    product = bench.product(sizes)
    bench.offer(product)
    for wrong, *events in (
        ((0, k, n), "error_zero"),
        ((m, 0, n), "error_zero"),
        ((m, k, 0), "error_zero"),
        ((0, 0, 0), "error_zero"),
        ((m, engine.max_k + 1, n), "error_large"),
        ((m, over + 1, n), "error_large"),
        ((m, (1 << 31) + 1, n), "error_large"),
        ((over, k, n), "error_large"),
        ((m, k, over + n), "error_large"),
        ((0xFFFFFFFF, k, n), "error_large"),
        ((0, k, over), "error_zero", "error_large"),
    ):
        for name, size in zip(SIZES, wrong, strict=True):
            await bench.registers.write(name, size)
        await bench.command()
        await bench.check_status(*events)
        await bench.registers.write("status", 0)
        await bench.settle(*events)
        found = await bench.registers.read("cycles")
        assert found == last, f"cycles must stay those of the last product, {last}, not become {found}"
    await bench.configure(product)
    bench.sink.pause = True
    began = await bench.begin(product)
    for name in (*SIZES, *product.parameters):
        await bench.registers.set(name, int(bench.generator.integers(1 << 16)))
    await bench.command()
    for name in SIZES:
        await bench.registers.write(name, 0)
    await bench.command()
    status = await bench.registers.read("status")
    expected = bench.registers.bits("status", "busy", "error_busy")
    assert status == expected, f"status must be {expected:#x} (busy, error_busy), not {status:#x}"
    if not int(dut.m_axis_c_tvalid.value):
        # It must not wait for tready.
        await with_timeout(RisingEdge(dut.m_axis_c_tvalid), patience(product.sizes), "ns")
    bench.sink.pause = False
    await bench.receive(product)
    await bench.check_cycles(began)
    await bench.settle("done", "error_busy")
    bench.end()


@cocotb.test()
async def resets(dut: Any) -> None:
    """A reset at any time drops the product and all its data; the next product is right."""
    bench = MatmulBench(dut, "resets")
    await bench.start()
    for count in itertools.count():
        if bench.cycle > budget and count > 5:
            break
        bench.stall(float(bench.generator.choice([0.0, 0.3])))
        product = bench.product(random_sizes(bench.generator, budget // 8))
        await bench.configure(product)
        bench.offer(product)
        await bench.begin(product)
        for _ in range(int(bench.generator.integers(1 + 3 * steps(product.sizes) // 2))):
            await RisingEdge(dut.clk)
        await bench.reset(int(bench.generator.integers(1, 4)))
        bench.stall(0)
        await bench.run(random_sizes(bench.generator, budget // 16), early=True)
    bench.end()


@cocotb.test()
async def extreme_values(dut: Any) -> None:
    """The largest and the least codes everywhere, for as long a sum as there may be."""
    bench = MatmulBench(dut, "extreme_values")
    await bench.start()
    m, n = engine.rows + 1, engine.columns + 1
    sizes = (m, engine.max_k, n) if steps((m, engine.max_k, n)) < budget else (1, engine.max_k, 1)
    for kind in ("largest", "least", "opposite"):
        await bench.run(sizes, kind)
    bench.end()


@cocotb.test(skip=engine.weight.finite and engine.activation.finite and engine.requantization.scale is None)
async def special_values(dut: Any) -> None:
    """NaN and infinities in the operands, and scales whatever their bits say."""
    bench = MatmulBench(dut, "special_values")
    await bench.start()
    for count in itertools.count():
        if bench.cycle > budget and count > 2:
            break
        await bench.run(random_sizes(bench.generator, budget // 4), "special")
    bench.end()


@cocotb.test()
async def back_to_back(dut: Any) -> None:
    """The data of many products in a row on the streams; each is configured while the one before is at hand, and
    started as soon as that is complete."""
    bench = MatmulBench(dut, "back_to_back")
    await bench.start()
    for rate in (0.0, 0.3):
        bench.stall(rate)
        products = [bench.product(random_sizes(bench.generator, budget // 8)) for _ in range(6)]
        for product in products:
            bench.offer(product)
        await bench.configure(products[0])
        for product, after in itertools.zip_longest(products, products[1:]):
            await bench.begin(product)
            if after is not None:
                await bench.configure(after)
            if not int(dut.irq.value):
                await with_timeout(RisingEdge(dut.irq), patience(product.sizes), "ns")
            bench.check_taken()
            await bench.registers.write("status", bench.registers.bits("status", "done"))
        for product in products:
            await bench.receive(product)
        await bench.settle()
    bench.end()
