"""Products from memory to memory in Amaranth's simulator: every bit of C, every cycle, and every rule of AXI4."""

import json
import random
import re
from dataclasses import replace

import numpy as np
import pytest
from fewbit.formats import PACKINGS, Dma, Engine, Requantization, Rounding, check_memory, parse
from fewbit.hdl import Design
from fewbit.sim import engine_matmul, lay_out, memory_beats, memory_cycles
from fewbit.sim.memory import place_matrices
from fewbit.tb import lint, simulate, simulate_matmul
from fewbit.tb.engine import read_engine
from memory_bench import MemoryBench
from stream_driver import drive
from test_hdl_matmul import random_engine, random_inputs

INT8 = parse("int8")
REFUSALS = ("refused_busy", "refused_zero", "refused_large", "refused_alignment")


def engine_of(**others):
    shape = {"rows": 2, "columns": 2, "lanes": 2, "tile_m": 4, "max_k": 16, "outputs": 2, "dma": Dma(burst=2)}
    return Engine(INT8, INT8, Requantization(INT8, scale=parse("dyadic16s5")), **shape | others)


def random_memory_engine(chance):
    """An engine with a DMA that it can have."""
    while True:
        dma = Dma(
            memory_bits=chance.choice([32, 64, 128]),
            address_bits=chance.choice([20, 32, 40]),
            burst=chance.choice([1, 2, 4, 8]),
            outstanding=chance.choice([2, 4, 16]),
            packing=chance.choice(PACKINGS),
        )
        try:
            engine = replace(random_engine(chance, blocks=chance.random() < 0.3), bus_bits=None, dma=dma)
            check_memory(engine)
            return engine
        except ValueError:
            continue


@pytest.mark.parametrize("seed", [1, 2, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (3, 4, 5, 6, 9))])
def test_random_products(seed):
    """Right to the bit whatever stalls; and where nothing does, in as many cycles as predicted."""
    chance, rng = random.Random(seed), np.random.default_rng(seed)
    bench = MemoryBench(random_memory_engine(chance), pipeline=chance.choice([1, 2, 3]))
    engine, design = bench.engine, bench.design

    async def testbench(ctx):
        # Random words of stochastic rounding go on from product to product.
        once = engine.requantization.rounding is Rounding.STOCHASTIC
        for stalls in [0] if once else [0, chance.choice([0.2, 0.6])]:
            m, k, n = (int(rng.integers(1, most)) for most in (2 * engine.tile_m + 2, engine.max_k + 1, 12))
            inputs = random_inputs(engine, rng, m, k, n)
            gap, start = chance.choice([0, 1, 3]), engine.dma.beat_bytes * chance.randrange(600)
            latency = chance.choice([2, 7, 30])
            found, cycles, ram, failed = await bench.product(
                *(ctx, inputs), gap=gap, start=start, latency=latency, stalls=stalls, seed=seed
            )
            assert (found == engine_matmul(engine, **inputs)).all() and not failed
            assert {"read": ram.read_beats, "write": ram.write_beats} == memory_beats(engine, m, k, n)
            if not stalls:
                where, _ = place_matrices(engine, m, k, n, start, gap)
                expected = memory_cycles(
                    *(engine, m, k, n, design.latencies),
                    descriptors=where,
                    read_latency=latency,
                    write_latency=latency,
                )
                assert cycles == expected.total

    bench.run(testbench)


def test_starts_that_are_refused_move_nothing():
    bench = MemoryBench(engine_of())
    dut = bench.dut
    inputs = random_inputs(bench.engine, np.random.default_rng(2), 3, 4, 5)
    image = lay_out(bench.engine, inputs["activation"], inputs["weight"])
    size_of = dict(zip("mkn", image.sizes, strict=True))

    async def testbench(ctx):
        ram = bench.memory(image)
        before = bytes(ram.bytes)
        for name, value, expected in (
            *((name, at + place, "refused_alignment") for name, at in image.descriptors.items() for place in (1, 4)),
            ("m", 0, "refused_zero"),
            ("k", 17, "refused_large"),
        ):
            for other, right in {**image.descriptors, **size_of, name: value}.items():
                ctx.set(getattr(dut, other), right)
            ctx.set(dut.start, 1)
            refused = {each for each in REFUSALS if ctx.get(getattr(dut, each))}
            assert refused == {expected}
            await ctx.tick()
            ctx.set(dut.start, 0)
            assert not ctx.get(dut.busy)
            await drive(ctx, [ram], until=lambda cycle: cycle == 20, most=21)
        assert bytes(ram.bytes) == before and not ram.read_beats

    bench.run(testbench)


def test_strides_are_zero_or_negative_and_errors_end_in_the_status():
    bench = MemoryBench(engine_of(dma=Dma(burst=2, address_bits=40)))
    engine = bench.engine
    inputs = random_inputs(engine, np.random.default_rng(3), 5, 9, 7)
    image = lay_out(engine, inputs["activation"], inputs["weight"])
    a, stride = image.descriptors["a_address"], image.descriptors["a_stride"]
    first = {**inputs, "activation": np.repeat(inputs["activation"][:1], 5, axis=0)}
    turned = {**inputs, "activation": inputs["activation"][::-1]}
    others = (
        ({"a_stride": 0}, first, (), set()),
        ({"a_stride": -stride, "a_address": a + 4 * stride}, turned, (), set()),
        ({}, inputs, ["a_address"], {"read_failed"}),
        ({}, inputs, ["w_address"], {"read_failed"}),
        ({}, inputs, ["c_address"], {"write_failed"}),
    )

    async def testbench(ctx):
        for descriptors, meant, failing, expected in others:
            ram = bench.memory(image, failing)
            await bench.start(ctx, image, inputs, **descriptors)
            failed, _ = await bench.finish(ctx, ram)
            assert failed == expected
            assert (image.output(bytes(ram.bytes)) == engine_matmul(engine, **meant)).all()

    bench.run(testbench)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"memory_bits": 48}, r"memory_bits \(--dma\) must be a power of two from 32 to 1024, not 48"),
        ({"burst": 3}, "burst must be a power of two from 1 to 256, not 3"),
        ({"memory_bits": 256, "burst": 256}, "burst must be at most 128 beats of a page, not 256"),
        ({"outstanding": 1}, "outstanding must be a power of two from 2 to 256, not 1"),
        ({"address_bits": 12}, "address_bits must be 13 to 64, not 12"),
        ({"packing": "tight"}, "packing must be packed or bytes, not 'tight'"),
    ],
)
def test_a_dma_that_cannot_be_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        Dma(**wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"bus_bits": 32}, "bus_bits must be left out with a dma, which has no streams, not 32"),
        ({"lanes": 3}, "lanes must be a power of two with a dma, not 3"),
        ({"columns": 6, "outputs": 3}, "columns must be a power of two with a dma, not 6"),
        ({"rows": 3, "tile_m": 3, "dataflow": "weight_stationary"}, "rows must be a power of two with a dma, not 3"),
        ({"columns": 32, "dma": Dma(burst=2)}, "burst must be at least 4 beats for words of w, not 2"),
        ({"dma": 64}, "dma must be a Dma or None, not 64"),
    ],
)
def test_an_engine_that_cannot_have_a_dma_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        Design.matmul(engine_of(**wrong))


def test_a_memory_of_64_bits_keeps_256_products_a_cycle_busy():
    """The product of the issue: 256 x 256 x 256 on 8 x 8 x 4. What is simulated is in results/dma.json."""
    engine = engine_of(rows=8, columns=8, lanes=4, outputs=4, tile_m=64, max_k=256, dma=Dma(burst=4))
    took = memory_cycles(engine, 256, 256, 256, Design.matmul(engine).latencies)
    assert took.utilization > 0.9
    assert took.total > max(memory_beats(engine, 256, 256, 256).values())


@pytest.mark.slow
def test_the_verilog_passes_with_the_memory_of_cocotbext_axi(own_cache):
    """Products with stalls, errors, refusals and resets; and one of 32 x 32 x 32 in the predicted cycles."""
    engine = engine_of(max_k=32, tile_m=8, scale_per="channel", control="wishbone")
    design = Design.matmul(engine)
    text, description = design.verilog(), json.loads(json.dumps(design.description()))
    assert read_engine(description) == engine and lint(text) == []
    result = simulate(text, description, random_cycles=1500)
    assert result.ok and len(result.passed) == 6, result.failed
    product = simulate_matmul(text, description, size=(32, 32, 32))
    assert product.ok, product.failed
    assert product.cycles == memory_cycles(engine, 32, 32, 32, design.latencies, write_latency=1).total
    wrong, count = re.subn("assign w_last = ", "assign w_last = 1'h1 | ", text)
    assert count == 1 and not simulate_matmul(wrong, description, size=(9, 9, 40), stalls=True).ok
