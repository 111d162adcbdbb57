"""The matmul engine's core in Amaranth's simulator against the golden model: random engines, shapes, and stalls."""

import random

import numpy as np
import pytest
from fewbit.formats import DATAFLOWS, Blocks, Engine, Integer, Overflow, Requantization, Rounding, parse
from fewbit.hdl import Design, Matmul
from fewbit.hdl.engine.core import matmul_latency
from fewbit.sim import engine_matmul, pack, unpack
from fewbit.sim.codes import random_codes
from stream_driver import Feed, Take, drive, simulate


def few(values, count):
    """Parameters of which all but the first so many are slow."""
    return [
        value if place < count else pytest.param(value, marks=pytest.mark.slow) for place, value in enumerate(values)
    ]


def random_inputs(engine, rng, m, k, n):
    """All that a product takes, by the names of ``engine_matmul``."""
    how = engine.requantization
    inputs = {
        "activation": random_codes(engine.activation, rng, (m, k)),
        "weight": random_codes(engine.weight, rng, (k, n)),
    }
    for name, format in (("scale", how.scale), ("tensor_scale", how.tensor_scale)):
        if format is not None:
            shape = (n,) if name in engine.channel_fields else ()
            inputs[name] = random_codes(format, rng, shape)
    if how.bias_bits:
        half = 1 << how.bias_bits - 1
        inputs["bias"] = rng.integers(-half, half, n)
    if how.zero_point:
        inputs["zero_point"] = int(rng.integers(how.output.min_integer, how.output.max_integer + 1))
    if engine.weight_zero_point:
        inputs["weight_zero_point"] = int(rng.integers(engine.weight.min_integer, engine.weight.max_integer + 1))
    if engine.blocks is not None:
        blocks = -(-k // engine.blocks.size)
        inputs["activation_scale"] = random_codes(engine.blocks.activation_scale, rng, (m, blocks))
        inputs["weight_scale"] = random_codes(engine.blocks.weight_scale, rng, (blocks, n))
        if engine.blocks.zero_points:
            inputs["weight_zero_point"] = random_codes(engine.weight, rng, (blocks, n))
    if engine.element.droppable:
        inputs["dropped_digits"] = int(rng.integers(engine.element.droppable + 1))
    return inputs


def streams_of(engine, inputs, rng):
    """The words of every stream; what is in them past m, k and n is noise."""
    streamed = {"activation", "weight", "activation_scale", "weight_scale", *engine.channel_fields}
    streamed |= {"weight_zero_point"} - {*engine.tensor_fields}
    given = {name: codes for name, codes in inputs.items() if name in streamed}
    formats = {"activation": engine.activation, "weight": engine.weight, "scale": engine.requantization.scale}
    formats["weight_zero_point"] = engine.weight
    if engine.blocks is not None:
        formats |= {"activation_scale": engine.blocks.activation_scale, "weight_scale": engine.blocks.weight_scale}
    ones = {name: -1 if name == "bias" else (1 << formats[name].width) - 1 for name in given}
    counts = pack(engine, **{name: np.full(np.shape(codes), ones[name]) for name, codes in given.items()})
    return {
        name: words | (rng.integers(0, 256, words.shape, np.uint8) & ~counts[name])
        for name, words in pack(engine, **given).items()
    }


class EngineBench:
    """An engine in the simulator; ``product`` runs one and gives C and its cycles."""

    def __init__(self, engine, pipeline=2, family=None, dsp_elements=None):
        self.engine = engine
        dsp = {"dsp": dsp_elements is not None, "dsp_elements": dsp_elements}
        build = Design.matmul(engine, pipeline=pipeline, family=family, **dsp).chosen_build
        self.dut = Matmul(engine, build, dsp_elements or 0)
        self.early = build.short_paths  # sizes have to stand before the start
        self.latency = matmul_latency(engine, build)

    def run(self, testbench):
        simulate(self.dut, testbench)

    async def product(self, ctx, inputs, stalls=0.0, seed=0, stop_after=None):
        engine, dut = self.engine, self.dut
        m, k = inputs["activation"].shape
        n = inputs["weight"].shape[1]
        waiting = {
            name: [int.from_bytes(bytes(word), "little") for word in words]
            for name, words in streams_of(engine, inputs, np.random.default_rng(seed)).items()
        }
        chance = random.Random(seed)
        for name, value in (("m", m), ("k", k), ("n", n)):
            ctx.set(getattr(dut, name), value)
        for name, width in engine.tensor_fields.items():
            ctx.set(getattr(dut, name), int(inputs[name]) & (1 << width) - 1)
        if self.early:
            await ctx.tick()
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        feeds = [Feed(getattr(dut, name), words, 1 - stalls, chance) for name, words in waiting.items()]
        take = Take(dut.c, 1 - stalls, chance)
        cycles = await drive(
            *(ctx, [*feeds, take]),
            until=lambda cycle: cycle == stop_after or not ctx.get(dut.busy),
            most=5000 + 60 * m * n * k,
        )
        if cycles == stop_after:
            return None, cycles
        assert [len(feed.cycles) for feed in feeds] == [*map(len, waiting.values())], "every word must be taken"
        found = take.fields()
        assert [word["last"] for word in found] == [0] * (len(found) - 1) + [1]
        words = [word["data"] for word in found]
        size = -(-engine.stream_bits["c"] // 8)
        array = np.array([list(word.to_bytes(size, "little")) for word in words], dtype=np.uint8)
        return unpack(engine, array, m, n), cycles


def random_blocks(chance, scale):
    return Blocks(chance.choice([16, 32]), scale, scale, zero_points=chance.random() < 0.5)


def random_engine(chance, blocks=False):
    while True:
        dataflow = "output_stationary" if blocks else chance.choice(DATAFLOWS)
        rows, columns, lanes = chance.choice([1, 2, 3, 4]), chance.choice([1, 2, 3, 4, 6]), chance.choice([1, 2, 4])
        scale = chance.choice([None, "dyadic16s5", "float8_e4m3fn", "float32", "float8_e8m0fnu", "ue5m3"])
        output = parse(chance.choice(["int8", "e4m3", "float8_e4m3fn", "bfloat16", "float32", "e2m1", "uint8"]))
        how = Requantization(
            output,
            scale=scale and parse(scale),
            tensor_scale=chance.choice([None, None, parse("float32")]),
            bias_bits=0 if blocks else chance.choice([0, 12]),
            relu=chance.random() < 0.3,
            zero_point=isinstance(output, Integer) and chance.random() < 0.5,
            rounding=chance.choice([*Rounding]),
            seed=chance.randrange(1, 1 << 32),
        )
        weight = parse(
            chance.choice(["int8", "e2m1", "e4m3", "int4", "float8_e4m3fn", "float8_e5m2", "uint4", "sm5", "e3m0"])
        )
        activation = parse(chance.choice(["int8", "e2m1", "e4m3", "float8_e5m2", "uint8", "int4", "float4_e2m1fn"]))
        integers = isinstance(weight, Integer) and isinstance(activation, Integer)
        block_scale = parse(chance.choice(["float8_e8m0fnu", "float8_e4m3fn", "ue5m3"]))
        try:
            return Engine(
                weight,
                activation,
                how,
                rows=rows,
                columns=columns,
                lanes=lanes,
                dataflow=dataflow,
                tile_m=chance.choice([1, 2, 3]) * (rows if dataflow == "output_stationary" else 1),
                max_k=chance.choice([16, 40, 100] if blocks else [1, 5, 16, 40]),
                outputs=chance.choice([d for d in range(1, columns + 1) if columns % d == 0]),
                scale_per=chance.choice(["tensor", "channel"]),
                blocks=random_blocks(chance, block_scale) if blocks else None,
                weight_zero_point=integers and not blocks and chance.random() < 0.5,
            )
        except ValueError:
            continue


def check(seed, blocks=False):
    """One random engine, two products one after another."""
    chance = random.Random(seed)
    engine = random_engine(chance, blocks)
    bench = EngineBench(engine, *chance.choice([(1,), (2,), (3,), (1, "ice40"), (3, "ice40"), (3, "ecp5")]))
    stochastic = engine.requantization.rounding is Rounding.STOCHASTIC

    async def testbench(ctx):
        for _ in range(1 if stochastic else 2):
            m, n = chance.randint(1, 2 * engine.tile_m + 2), chance.randint(1, 2 * engine.columns + 1)
            inputs = random_inputs(engine, np.random.default_rng(seed), m, chance.randint(1, engine.max_k), n)
            found, _ = await bench.product(ctx, inputs, chance.choice([0, 0.3, 0.7]), seed)
            assert np.array_equal(found, engine_matmul(engine, **inputs)), (engine, inputs["activation"].shape, n)

    bench.run(testbench)


@pytest.mark.parametrize("seed", few(range(16), 4))
def test_random_engine_is_the_golden_model(seed):
    check(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 130, 10))
def test_more_random_engines_are_the_golden_model(seed):
    for each in range(seed, seed + 10):
        check(each)


@pytest.mark.parametrize("seed", few(range(6), 2))
def test_random_engine_with_blocks_is_the_golden_model(seed):
    check(seed, blocks=True)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [200])
def test_more_random_engines_with_blocks_are_the_golden_model(seed):
    for each in range(seed, seed + 10):
        check(each, blocks=True)


INT8 = parse("int8")
SMALL = {"rows": 2, "columns": 4, "lanes": 2, "max_k": 32, "outputs": 2}


@pytest.mark.parametrize(
    ("dataflow", "build"), [*((dataflow, ()) for dataflow in DATAFLOWS), ("output_stationary", (3, "ecp5"))]
)
def test_refused_sizes_touch_no_data(dataflow, build):
    engine = Engine(INT8, INT8, Requantization(INT8, scale=parse("dyadic16s5")), dataflow=dataflow, tile_m=4, **SMALL)
    bench = EngineBench(engine, *build)
    dut = bench.dut
    refusals = {
        "refused_zero": [(0, 4, 4), (4, 0, 4), (4, 4, 0), (0, 0, 0)],
        "refused_large": [(4, 33, 4), (1 << 16, 4, 4), (4, 4, 1 << 31)],
    }

    async def testbench(ctx):
        for name in dut.inputs:
            ctx.set(getattr(dut, name).valid, 1)
        for name, sizes in refusals.items():
            for m, k, n in sizes:
                ctx.set(dut.m, m)
                ctx.set(dut.k, k)
                ctx.set(dut.n, n)
                if bench.early:
                    await ctx.tick()
                ctx.set(dut.start, 1)
                assert ctx.get(getattr(dut, name)) == 1
                await ctx.tick()
                ctx.set(dut.start, 0)
                for _ in range(5):
                    assert not ctx.get(dut.busy)
                    assert not any(ctx.get(getattr(dut, each).ready) for each in dut.inputs)
                    assert not any(
                        ctx.get(getattr(dut, each)) for each in ("refused_zero", "refused_large", "refused_busy")
                    )
                    await ctx.tick()
        inputs = random_inputs(engine, np.random.default_rng(1), 5, 7, 6)
        found, _ = await bench.product(ctx, inputs)
        assert np.array_equal(found, engine_matmul(engine, **inputs))

    bench.run(testbench)


@pytest.mark.parametrize(
    ("dataflow", "family"), [*((dataflow, None) for dataflow in DATAFLOWS), ("output_stationary", "ice40")]
)
def test_nan_and_infinities_come_through_an_array(dataflow, family):
    """One sum of each kind: NaN, both infinities, their difference, infinity times zero, and a number."""
    form = parse("float8_e5m2")
    one, zero, infinity, minus_infinity, nan = 0x3C, 0, 0x7C, 0xFC, 0x7F
    rows = [(one, nan), (one, infinity), (minus_infinity, one), (infinity, minus_infinity), (one, one)]
    how = Requantization(parse("float32"), overflow=Overflow.INFINITY)
    engine = Engine(form, form, how, rows=1, columns=2, lanes=1, tile_m=1, max_k=2, dataflow=dataflow)
    inputs = {"activation": np.array(rows), "weight": np.array([[one, one], [one, zero]])}
    bench = EngineBench(engine, pipeline=1, family=family)

    async def testbench(ctx):
        found, _ = await bench.product(ctx, inputs)
        values = found.astype(np.uint32).view(np.float32)
        sums = [[np.nan, np.nan], [np.inf, np.nan], [-np.inf, -np.inf], [np.nan, np.nan], [2, 1]]
        np.testing.assert_array_equal(values, np.array(sums, dtype=np.float32))
        assert np.array_equal(found, engine_matmul(engine, **inputs))

    bench.run(testbench)


@pytest.mark.parametrize(
    ("dataflow", "weight", "dsp_elements", "more"),
    [
        ("output_stationary", "int4", None, {"weight_zero_point": True}),
        ("output_stationary", "int4", 3, {}),
        ("output_stationary", "e2m1", None, {}),
        ("weight_stationary", "int4", None, {}),
    ],
)
def test_chains_may_have_a_register_in_their_middle(dataflow, weight, dsp_elements, more):
    how = Requantization(INT8, scale=parse("dyadic16s5"))
    shape = {"rows": 4, "columns": 4, "lanes": 4, "tile_m": 4, "max_k": 24, "dataflow": dataflow}
    engine = Engine(parse(weight), parse("int4"), how, **shape, **more)
    bench = EngineBench(engine, pipeline=4, family="ecp5", dsp_elements=dsp_elements)
    assert bench.dut.build.sums == "digits" and (bench.dut.build.multipliers is None) == (dsp_elements is None)

    async def testbench(ctx):
        for k in (1, 3, 24):
            inputs = random_inputs(engine, np.random.default_rng(k), 5, k, 7)
            found, _ = await bench.product(ctx, inputs, seed=k)
            assert np.array_equal(found, engine_matmul(engine, **inputs))

    bench.run(testbench)


@pytest.mark.parametrize(("form", "zero_point"), [("float8_e5m2", False), ("int8", True)])
def test_activations_past_k_count_for_nothing(form, zero_point):
    """Their weights are zero; but zero times NaN is NaN, and the sum of a row's activations heeds no weight."""
    form = parse(form)
    sizes = {"rows": 2, "columns": 1, "lanes": 2, "tile_m": 2, "max_k": 8, "dataflow": "weight_stationary"}
    engine = Engine(form, form, Requantization(parse("bfloat16")), weight_zero_point=zero_point, **sizes)
    bench = EngineBench(engine)

    async def testbench(ctx):
        for k in (1, 2, 3, 5):
            inputs = {"activation": np.full((32, k), 0x3C), "weight": np.full((k, 1), 0x3C)}  # 1 in float8_e5m2
            if zero_point:
                inputs["weight_zero_point"] = 3
            found, _ = await bench.product(ctx, inputs, seed=k)
            assert np.array_equal(found, engine_matmul(engine, **inputs))

    bench.run(testbench)


def test_start_at_work_is_refused_and_changes_nothing():
    engine = Engine(INT8, INT8, Requantization(INT8, scale=parse("dyadic16s5")), tile_m=4, **SMALL)
    bench = EngineBench(engine)
    dut = bench.dut
    refused = []

    async def testbench(ctx):
        inputs = random_inputs(engine, np.random.default_rng(1), 5, 7, 6)
        found, _ = await bench.product(ctx, inputs)
        assert np.array_equal(found, engine_matmul(engine, **inputs))
        assert len(refused) > 20

    async def insist(ctx):
        """Another start in every cycle but the first, with other sizes."""
        await ctx.tick()
        while ctx.get(dut.busy):
            ctx.set(dut.m, 1)
            ctx.set(dut.start, 1)
            refused.append(ctx.get(dut.refused_busy))
            ctx.set(dut.start, ctx.get(dut.busy))
            await ctx.tick()
            ctx.set(dut.start, 0)
        assert all(refused)

    simulate(dut, testbench, insist)


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_sizes_that_stand_before_the_end_of_a_product_are_those_of_the_next(dataflow):
    """For a fast clock sizes stand before the start, which may come in the first cycle in which nothing is at hand."""
    engine = Engine(INT8, INT8, Requantization(INT8, scale=parse("dyadic16s5")), dataflow=dataflow, tile_m=4, **SMALL)
    bench = EngineBench(engine, 3, "ecp5")
    sizes = [(5, 7, 6), (3, 19, 9), (6, 8, 4)]
    products = [random_inputs(engine, np.random.default_rng(seed), *each) for seed, each in enumerate(sizes)]

    async def testbench(ctx):
        for inputs in products:
            found, _ = await bench.product(ctx, inputs)
            assert np.array_equal(found, engine_matmul(engine, **inputs))
            bench.early = False

    async def write_the_next(ctx):
        for each in sizes[1:]:
            await ctx.tick().until(bench.dut.busy)
            for name, size in zip("mkn", each, strict=True):
                ctx.set(getattr(bench.dut, name), size)
            await ctx.tick().until(~bench.dut.busy)

    simulate(bench.dut, testbench, write_the_next)


@pytest.mark.slow
@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_reset_in_the_middle_is_clean(dataflow):
    from amaranth.hdl import ResetInserter, Signal

    engine = Engine(INT8, INT8, Requantization(INT8, scale=parse("dyadic16s5")), dataflow=dataflow, tile_m=4, **SMALL)
    bench = EngineBench(engine)
    reset = Signal()

    async def testbench(ctx):
        for seed in range(4):
            inputs = random_inputs(engine, np.random.default_rng(seed), 9, 16, 9)
            await bench.product(ctx, inputs, stop_after=3 + 17 * seed)
            for name in bench.dut.inputs:
                ctx.set(getattr(bench.dut, name).valid, 0)
            ctx.set(reset, 1)
            await ctx.tick()
            ctx.set(reset, 0)
            assert not ctx.get(bench.dut.busy) and not ctx.get(bench.dut.c.valid)
            found, _ = await bench.product(ctx, inputs)
            assert np.array_equal(found, engine_matmul(engine, **inputs))

    simulate(ResetInserter(reset)(bench.dut), testbench)


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_sums_of_rows_keep_step_with_gated_products(dataflow):
    """On ECP5 rows of products are there or not; the sums of activations beside them are built in another way."""
    sizes = {"rows": 2, "columns": 2, "lanes": 4, "tile_m": 2, "max_k": 16, "dataflow": dataflow}
    engine = Engine(parse("uint4"), parse("int4"), Requantization(INT8), weight_zero_point=True, **sizes)
    bench = EngineBench(engine, family="ecp5")

    async def testbench(ctx):
        inputs = random_inputs(engine, np.random.default_rng(1), 3, 9, 3)
        found, _ = await bench.product(ctx, inputs)
        assert np.array_equal(found, engine_matmul(engine, **inputs))

    bench.run(testbench)
