"""The cycle model against the engine itself, to the cycle."""

import random
import time
from dataclasses import replace

import pytest
from amaranth.sim import Simulator
from fewbit.formats import DATAFLOWS, Blocks, Engine, Requantization, parse
from fewbit.hdl import Design
from fewbit.sim import Cycles, cycle_limits, engine_cycles, timed_parts, timeline

REGISTERS = {"control": 0x00, "m": 0x08, "n": 0x0C, "k": 0x10, "cycles": 0x14, "dropped_digits": 0x3C}


def latencies(design):
    return design.description()["latencies"]


def engine_of(dataflow, **others):
    """8 x 8 elements of 4 lanes, if nothing else is said."""
    shape = {"rows": 8, "columns": 8, "lanes": 4, "tile_m": 64, "max_k": 256, "outputs": 4}
    how = Requantization(parse("int8"), scale=parse("dyadic16s5"))
    return Engine(parse("int8"), parse("int8"), how, dataflow=dataflow, **shape | others)


def simulated(design, sizes, **parameters):
    """What the register ``cycles`` shows after a product of each of some sizes, with streams that never stall."""
    dut = design.component()
    found = []

    async def write(ctx, name, value):
        ctx.set(dut.s_axi_awaddr, REGISTERS[name])
        ctx.set(dut.s_axi_wdata, value)
        for valid in (dut.s_axi_awvalid, dut.s_axi_wvalid):
            ctx.set(valid, 1)
        await ctx.tick().until(dut.s_axi_awready & dut.s_axi_wready)
        for valid in (dut.s_axi_awvalid, dut.s_axi_wvalid):
            ctx.set(valid, 0)
        await ctx.tick().until(dut.s_axi_bvalid)

    async def read(ctx, name):
        ctx.set(dut.s_axi_araddr, REGISTERS[name])
        ctx.set(dut.s_axi_arvalid, 1)
        await ctx.tick().until(dut.s_axi_arready)
        ctx.set(dut.s_axi_arvalid, 0)
        (data,) = await ctx.tick().sample(dut.s_axi_rdata).until(dut.s_axi_rvalid)
        return data

    async def testbench(ctx):
        for name in dut.matmul.inputs:
            ctx.set(getattr(dut, f"s_axis_{name}_tvalid"), 1)
        for ready in (dut.m_axis_c_tready, dut.s_axi_bready, dut.s_axi_rready):
            ctx.set(ready, 1)
        ctx.set(dut.s_axi_wstrb, 0xF)
        for m, k, n in sizes:
            for name, value in ({"m": m, "k": k, "n": n} | parameters).items():
                await write(ctx, name, value)
            await ctx.tick().repeat(20)  # until every stream has a word ready
            await write(ctx, "control", 1)
            await ctx.tick().until(dut.matmul.done)
            found.append(await read(ctx, "cycles"))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    return found


def random_engine(rng, blocks=False):
    rows, columns = rng.randint(1, 3), rng.randint(1, 4)
    stationary = "output_stationary" if blocks else rng.choice(DATAFLOWS)
    scale, accumulate = rng.choice([(parse("float8_e8m0fnu"), "float32"), (parse("e2m1"), "exact")])
    as_float = blocks and accumulate == "float32"
    how = Requantization(
        parse(rng.choice(["int3", "int8"])),
        scale=rng.choice([None, parse("dyadic4s3")]),
        bias_bits=rng.choice([0, 8]) * (not as_float),
    )
    return Engine(
        *(parse("int2"), parse("int2"), how),
        weight_zero_point=not blocks and rng.random() < 0.3,
        rows=rows,
        columns=columns,
        lanes=rng.choice([1, 2, 4] if blocks else [1, 2, 3]),
        dataflow=stationary,
        tile_m=rows * rng.randint(1, 4) if stationary == "output_stationary" else rng.randint(1, 10),
        max_k=rng.choice([8, 40, 64]),
        outputs=rng.choice([count for count in range(1, columns + 1) if columns % count == 0]),
        cycles_an_output=rng.choice([None, 1, 3, 4, 5, 9]),
        scale_per=rng.choice(["tensor", "channel"]),
        blocks=Blocks(rng.choice([16, 32]), scale, scale, accumulate) if blocks else None,
        bus_bits=rng.choice([None, None, 8, 16]),
    )


def random_sizes(rng, engine):
    return [
        (
            rng.choice([1, rng.randint(1, 4 * engine.tile_m)]),
            rng.choice([1, rng.randint(1, engine.max_k), engine.max_k]),
            rng.choice([1, rng.randint(1, 6 * engine.columns)]),
        )
        for _ in range(4)
    ]


@pytest.mark.parametrize("blocks", [False, True])
@pytest.mark.parametrize("seed", range(11))
def test_random_engines_take_the_predicted_cycles(seed, blocks):
    rng = random.Random(f"{seed} {blocks}")
    engine = random_engine(rng, blocks)
    pipeline, family = rng.choice([(1, None), (2, None), (3, None), (2, "ice40"), (3, "ice40"), (3, "ecp5")])
    design = Design.matmul(engine, pipeline=pipeline, family=family)
    engine, known = design.engine, latencies(design)
    sizes = random_sizes(rng, engine)
    expected = [engine_cycles(engine, *each, known) for each in sizes]
    assert [each.total for each in expected] == simulated(design, sizes)
    for size, each in zip(sizes, expected, strict=True):
        assert each.total > max(cycle_limits(engine, *size, known).values())


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_a_single_product(dataflow):
    design = Design.matmul(engine_of(dataflow, rows=2, columns=2, lanes=1, tile_m=2, outputs=2))
    known = latencies(design)
    words = 1 if design.engine.output_stationary else 2
    out = known["requantize"] + known["requantize_interval"]
    expected = Cycles(1 + words, 1, known["array"] + out + 3, 1, 4)
    assert engine_cycles(design.engine, 1, 1, 1, known) == expected
    assert simulated(design, [(1, 1, 1)]) == [expected.total]


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_a_drain_that_outlasts_the_array(dataflow):
    design = Design.matmul(engine_of(dataflow, rows=2, columns=4, lanes=1, tile_m=4, outputs=1, bus_bits=8))
    size = 8, 3, 12
    for cycles, busiest in ((1, "drain"), (17, "requantize")):
        design = Design.matmul(replace(design.engine, cycles_an_output=cycles))
        known = latencies(design)
        assert known["requantize_interval"] == cycles
        assert simulated(design, [size]) == [engine_cycles(design.engine, *size, known).total]
        limits = cycle_limits(design.engine, *size, known)
        assert max(limits, key=limits.get) == busiest


def test_blocks_that_follow_count_stalls_from_before_their_sums_entered():
    scale = parse("e2m1")
    how = Requantization(parse("int3"), scale=parse("dyadic4s3"), bias_bits=8)
    shape = {"rows": 3, "columns": 3, "lanes": 4, "tile_m": 3, "max_k": 40, "outputs": 1, "bus_bits": 8}
    blocks = Blocks(16, scale, scale, "exact")
    engine = Engine(parse("int2"), parse("int2"), how, blocks=blocks, cycles_an_output=5, **shape)
    design = Design.matmul(engine, pipeline=3, family="ecp5")
    size = 1, 40, 6
    assert simulated(design, [size]) == [engine_cycles(design.engine, *size, latencies(design)).total] == [118]


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_the_cycles_of_a_register_in_the_middle_of_chains_are_told(dataflow):
    shape = {"rows": 2, "columns": 2, "lanes": 4, "tile_m": 2, "outputs": 1}
    designs = [Design.matmul(engine_of(dataflow, **shape), pipeline=pipeline, family="ecp5") for pipeline in (3, 4)]
    size = 3, 9, 5
    totals = [engine_cycles(design.engine, *size, latencies(design)).total for design in designs]
    assert totals == [simulated(design, [size])[0] for design in designs] and totals[0] < totals[1]


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_outputs_take_the_cycles_that_the_shortest_sums_leave(dataflow):
    engine = engine_of(dataflow, rows=2, columns=2, lanes=1, tile_m=8, outputs=1)
    columns = 8
    intervals = []
    for shortest in (256, 128, 40, 30, 3):
        mine = replace(engine, shortest_k=shortest)
        known = latencies(Design.matmul(mine))
        intervals.append(known["requantize_interval"])
        took = engine_cycles(mine, 64, shortest, columns, known)
        words = 64 * shortest * columns // engine.products
        assert took.steady == words or known["requantize_interval"] == 1
    assert intervals == sorted(intervals, reverse=True) and intervals[0] == 17 and intervals[-1] == 1
    assert latencies(Design.matmul(engine)) == latencies(Design.matmul(replace(engine, shortest_k=128)))


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_large_squares_keep_the_array_busy(dataflow):
    engine = engine_of(dataflow)
    known = latencies(Design.matmul(engine))
    took = engine_cycles(engine, 256, 256, 256, known)
    outputs = 16 if engine.output_stationary else 128
    assert took == Cycles(513, 256**3 // 256, known["array"] + known["requantize"] + 3 + outputs, 256**3, 256)
    assert took.utilization > 0.98
    narrow = replace(engine, bus_bits=64)
    assert engine_cycles(narrow, 256, 256, 256, known).utilization > 0.95


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_large_sizes_are_predicted_at_once(dataflow):
    engine = replace(engine_of(dataflow), max_k=4096, bus_bits=32)
    known = latencies(Design.matmul(engine))
    started = time.monotonic()
    took = engine_cycles(engine, 4096, 4096, 4096, known)
    assert time.monotonic() - started < 0.5
    assert took.steady == 4096**3 // 256


def test_what_is_skipped_would_have_repeated(monkeypatch):
    rng = random.Random(3)
    cases = []
    for number in range(40):
        engine = random_engine(rng, blocks=number % 3 == 0)
        size = rng.randint(1, 20 * engine.tile_m), rng.randint(1, engine.max_k), rng.randint(1, 20 * engine.columns)
        cases.append((engine, *size, latencies(Design.matmul(engine))))
    skipped = [engine_cycles(*case) for case in cases]
    for module in (timed_parts, timeline):
        monkeypatch.setattr(module, "repeat", lambda times, step, parts, now: [step() for _ in range(times)])
    assert [engine_cycles(*case) for case in cases] == skipped


@pytest.mark.parametrize("size, name", [((0, 1, 1), "m"), ((1, 257, 1), "k"), ((1, 1, 65536), "n")])
def test_sizes_that_the_engine_refuses(size, name):
    engine = engine_of("output_stationary")
    with pytest.raises(ValueError, match=f"^{name} must be 1 to "):
        engine_cycles(engine, *size, {"array": 3, "requantize": 4, "requantize_interval": 1, "output_buffer": 0})


def test_words_of_two_beats_on_their_way_out_hold_up_the_sums_behind_them():
    shape = {"rows": 2, "columns": 4, "lanes": 1, "tile_m": 8, "max_k": 8, "outputs": 2, "bus_bits": 8}
    for dataflow in DATAFLOWS:
        design = Design.matmul(engine_of(dataflow, **shape))
        assert design.engine.beats("c") == 2
        sizes = [(8, 1, 8), (7, 2, 9), (16, 3, 4)]
        predicted = [engine_cycles(design.engine, *size, latencies(design)).total for size in sizes]
        assert predicted == simulated(design, sizes)
