"""Sums over blocks in Amaranth's own simulator against the golden model, stalled at random on both sides."""

import random

import numpy as np
import pytest
from fewbit import sim
from fewbit.formats import Arithmetic, Blocks, parse
from fewbit.hdl.blocks.block_accumulate import BlockAccumulate
from fewbit.hdl.products.choose_build import choose_build
from fewbit.hdl.units.block_dot import BlockDot
from stream_driver import Feed, Take, drive, simulate

SCALES = ["float8_e8m0fnu", "float8_e4m3fn", "ue5m3"]
ELEMENTS = [
    ("e2m1", "e2m1"), ("e4m3", "e3m2"), ("float8_e4m3fn", "e2m1"), ("float8_e5m2", "float8_e5m2"), ("int8", "int8"),
    ("int8", "float8_e5m2"), ("uint4", "uint4"), ("float4_e2m1fn", "float8_e4m3fn"),
]  # fmt: skip


def element_codes(rng, format, shape):
    """Codes of which few are special."""
    codes = np.array(format.codes)
    special = np.array([format.special(int(code)) is not None for code in codes])
    chosen = rng.choice(codes[~special], shape)
    if special.any():
        chosen = np.where(rng.random(shape) < 0.004, rng.choice(codes[special], shape), chosen)
    return np.where(rng.random(shape) < 0.2, 0, chosen)


def scale_codes(rng, format, shape):
    """Codes of about one, of which some are extreme or special."""
    codes = rng.choice(np.array(format.codes), shape) if format.width < 9 else rng.integers(0, 1 << format.width, shape)
    if format.name == "float8_e8m0fnu":
        near = rng.integers(112, 143, shape) if rng.random() < 0.8 else rng.integers(36, 70, shape)
        codes = np.where(rng.random(shape) < 0.9, near, np.where(rng.random(shape) < 0.3, 255, codes))
    elif not format.finite:
        special = [format.special(int(code)) is not None for code in codes.reshape(-1)]
        special = np.array(special).reshape(shape)
        codes = np.where(special & (rng.random(shape) < 0.7), 0x38, codes)
    return codes


class Sum:
    """The codes of one sum, its blocks as the unit takes them, and the golden result."""

    def __init__(self, weight_format, activation_format, blocks, terms, operands):
        self.weight, self.activation, self.weight_scale, self.activation_scale = operands
        self.expected = result_fields(
            sim.block_dot(
                *(self.activation, self.weight, self.activation_scale, self.weight_scale),
                *(activation_format, weight_format, blocks, terms),
            )
        )
        self.blocks = []
        count = len(self.weight_scale)
        for index in range(count):
            part = slice(index * blocks.size, (index + 1) * blocks.size)
            block_sum = sim.dot(self.weight[part], self.activation[part], weight_format, activation_format)
            scales = {name: int(getattr(self, name)[index]) for name in ("weight_scale", "activation_scale")}
            ends = {"first": int(index == 0), "last": int(index == count - 1)}
            self.blocks.append(result_fields(block_sum) | scales | ends)


def result_fields(result):
    if not isinstance(result, sim.Exact):
        return {"code": int(result)}
    names = ("nan", "positive_infinity", "negative_infinity")
    flags = {name: int(getattr(result, name)) for name in names if getattr(result, name) is not None}
    return {"accumulator": int(result.integers)} | flags


def random_sum(rng, weight, activation, blocks, terms, k=None):
    k = int(rng.integers(1, terms + 1)) if k is None else k
    count = -(-k // blocks.size)
    codes = element_codes(rng, weight, k), element_codes(rng, activation, k)
    if rng.random() < 0.2 and k > blocks.size:
        # The second block cancels the first, or nearly.
        part = slice(blocks.size, min(2 * blocks.size, k))
        codes[1][part] = codes[1][: part.stop - part.start]
        codes[0][part] = codes[0][: part.stop - part.start] ^ (1 << weight.width - 1)
    scales = (scale_codes(rng, blocks.weight_scale, count), scale_codes(rng, blocks.activation_scale, count))
    if rng.random() < 0.3:
        for scale in scales:
            scale[:] = scale[0]
    return Sum(weight, activation, blocks, terms, (*codes, *scales))


class Moves:
    """A side of a simulation that counts the cycles in which an input would have been taken."""

    def __init__(self, stream):
        self.stream = stream
        self.count = 0

    def offer(self, ctx):
        pass

    def look(self, ctx, cycle):
        self.count += ctx.get(self.stream.ready)


def run(unit, sums, *, seed=0, stalls=True, by_busy=True):
    """Feed the blocks of all sums, those of ``unit.depth`` at a time interleaved, and compare what comes out."""
    rng = np.random.default_rng([seed, 7])
    waiting = list(range(len(sums)))
    places = {}  # by index: the sum, its next block, when the block before it entered
    order = []
    total = sum(len(one.blocks) for one in sums)

    def candidate(busy):
        for index in rng.permutation(unit.depth):
            if index not in places and waiting:
                places[index] = [waiting.pop(0), 0, 0]
            if index in places:
                _, block, since = places[index]
                if not block or (not busy if by_busy else moves.count - since >= unit.distance):
                    return int(index)
        return None

    chosen = None

    def block_of(ctx):
        nonlocal chosen
        chosen = candidate(ctx.get(unit.busy))
        if chosen is None:
            return None
        one, block, _ = places[chosen]
        tag = {"tag": one % (1 << unit.tag_bits)} if unit.tag_bits else {}
        return sums[one].blocks[block] | {"index": chosen} | tag

    def taken(cycle):
        one, block, _ = places[chosen]
        places[chosen] = [one, block + 1, moves.count]
        if block + 1 == len(sums[one].blocks):
            order.append(one)
            del places[chosen]

    chance = random.Random(seed)
    moves = Moves(unit.i)
    feed = Feed(unit.i, block_of, 0.9 if stalls else 1, chance, taken)
    take = Take(unit.o, 0.7 if stalls else 1, chance)
    cycles = 0

    async def testbench(ctx):
        nonlocal cycles
        most = 40 * total + 400
        cycles = await drive(ctx, [moves, feed, take], until=lambda _: len(take.seen) == len(sums), most=most)

    simulate(unit, testbench)
    assert len(feed.cycles) == total
    for one, result in zip(order, take.fields(), strict=True):
        expected = dict(sums[one].expected)
        if unit.tag_bits:
            expected["tag"] = one % (1 << unit.tag_bits)
        assert result == expected, (sums[one].blocks, result, sums[one].expected)
    return cycles, take.first


def check(weight, activation, blocks, terms, depth, count, seed, **options):
    rng = np.random.default_rng([seed, 3])
    sums = [random_sum(rng, weight, activation, blocks, terms) for _ in range(count)]
    unit = BlockAccumulate(weight, activation, blocks, terms=terms, depth=depth, tag_bits=seed % 4)
    run(unit, sums, seed=seed, **options)


@pytest.mark.parametrize("accumulate", ["exact", "float32"])
@pytest.mark.parametrize("elements", ELEMENTS, ids="-".join)
def test_sums_are_the_golden_ones(elements, accumulate):
    for k, scale in enumerate(SCALES):
        rng = np.random.default_rng([k, *"".join(elements).encode()])
        blocks = Blocks(int(rng.choice([16, 32])), parse(scale), parse(str(rng.choice([scale, *SCALES]))), accumulate)
        terms = int(rng.choice([blocks.size - 3, 3 * blocks.size + 1, 6 * blocks.size]))
        depth = int(rng.choice([1, 2, 5, 16]))
        check(*map(parse, elements), blocks, terms, depth, 16, seed=k, by_busy=bool(k % 2), stalls=k != 1)


def float32_bits(value):
    return int(np.float32(value).view(np.uint32))


def float_sum(addends):
    """A float32 sum of values ``product * scale``, each as a block of one product with scales of float32."""
    blocks = Blocks(16, parse("float32"), parse("float32"), "float32")
    count = 16 * (len(addends) - 1) + 1
    weight, activation = np.zeros(count, dtype=int), np.zeros(count, dtype=int)
    for index, (product, _, _) in enumerate(addends):
        weight[16 * index], activation[16 * index] = product & 0xFF, 1
    scales = [np.array([float32_bits(addend[k]) for addend in addends], dtype=np.uint32) for k in (1, 2)]
    return Sum(parse("int8"), parse("int8"), blocks, 2000, (weight, activation, *scales))


TINY, HUGE = 2.0**-126, float(np.finfo(np.float32).max)
ULP = 2.0**-23
FLOAT_SUMS = {
    "cancels to zero": [(1, 1.5, 1), (-1, 1.5, 1)],
    "cancels to zero from below": [(-1, TINY, 2**-20), (1, TINY, 2**-20), (-1, 0, 1)],
    "negative zero": [(-1, 0, 1), (-1, 0, 1)],
    "underflows to negative zero": [(-1, TINY, TINY), (0, 1, 1)],
    "cancels all but the last bit": [(1, 1 + ULP, 1), (-1, 1, 1)],
    "cancels the upper half of a long product": [(1, 1, 1), (-1, 1 + ULP, 1 - ULP)],
    "cancels a long product's upper half": [(-1, 1 + ULP, 1 - ULP), (1, 1, 1), (1, 1, 2**-46)],
    "subnormal product": [(1, TINY, 2**-23), (1, TINY, 2**-23), (3, TINY, 2**-24)],
    "subnormal ties": [(1, TINY, 2**-24), (1, TINY, 2**-23), (1, TINY, 2**-24), (-1, TINY, 2**-24)],
    "just above half the least subnormal": [(1, TINY * (1 + ULP), 2**-24), (-1, TINY, 2**-22)],
    "below a subnormal sum": [(1, TINY, 2**-23), (127, TINY, 2**-31), (-127, TINY, 2**-31)],
    "changes a subnormal sum's sign": [(1, TINY, 2**-23), (-1, TINY, 0.75), (1, TINY, 0.5)],
    "far below a subnormal sum": [(1, TINY, 2**-23), (-1, TINY, TINY), (1, TINY, TINY)],
    "subnormal to normal": [(1, TINY, 1 - ULP), (1, TINY, 2**-23), (1, TINY, 1)],
    "normal to subnormal": [(1, TINY, 1.5), (-1, TINY, 1), (-1, TINY, 0.25)],
    "overflows": [(1, HUGE, 1), (1, HUGE, ULP / 4)],
    "ties to infinity": [(1, HUGE, 1), (1, 2.0**103, 1)],
    "just short of infinity": [(1, HUGE, 1), (1, 2.0**103 * (1 - ULP), 1)],
    "stays infinite": [(1, HUGE, 2), (-1, HUGE, 2), (1, 1, 1)],
    "from infinity to NaN": [(1, HUGE, 2), (1, -np.inf, 1), (1, 1, 1)],
    "infinity keeps its sign": [(-1, HUGE, HUGE), (100, HUGE, 1), (1, -np.inf, 1)],
    "infinite scales of both signs": [(1, np.inf, 1), (1, -np.inf, 1)],
    "infinity times zero": [(0, np.inf, 1)],
    "infinite scale times zero scale": [(1, np.inf, 0), (1, 1, 1)],
    "NaN": [(1, 1, 1), (0, np.nan, 1), (1, 1, 1)],
    "huge zero product": [(1, TINY, 2**-23), (0, HUGE, HUGE), (-1, 0, HUGE)],
    "tie to even": [(1, 1, 1), (1, ULP, 0.5), (1, 1.5 * ULP, 1)],
    "tie and a little": [(1, 1, 1), (1, ULP * (1 + ULP), 0.5)],
    "tie less a little": [(1, 1 + ULP, 1), (1, ULP * (1 - ULP / 2), 0.5)],
    "below a power of two": [(1, 1, 1), (-1, ULP, 0.25)],
    "little below a power of two": [(1, 1, 1), (-1, ULP * (1 + ULP), 0.25)],
    "very little below a power of two": [(1, 1, 1), (-1, TINY, TINY)],
    "product larger, sum as sticky bit": [(1, TINY, 2**-23), (1, 1 + ULP, 1 + ULP), (-1, 3, 1)],
    "product larger, negative sum as sticky bit": [(-1, TINY, 2**-23), (1, 1, 1), (1, ULP, 0.5)],
    "two apart": [(1, 1, 1), (-1, 0.25, 1 + ULP), (3, 0.25 + ULP / 4, 1)],
    "product longer": [(3, 1 + 5 * ULP, 1 + 7 * ULP), (-127, 1 + 9 * ULP, 2**-7), (101, 1 - ULP, -(2**-30))],
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("depth", [1, 4])
def test_float32_corner_cases(depth):
    sums = []
    for addends in FLOAT_SUMS.values():
        # Both signs.
        sums += [float_sum(addends), float_sum([(-product, *scales) for product, *scales in addends])]
    blocks = Blocks(16, parse("float32"), parse("float32"), "float32")
    run(BlockAccumulate(parse("int8"), parse("int8"), blocks, terms=2000, depth=depth), sums, stalls=False)


def test_corner_cases_are_what_they_are_called():
    results = {name: float_sum(addends).expected["code"] for name, addends in FLOAT_SUMS.items()}
    assert results["cancels to zero"] == results["negative zero"] == 0
    assert results["underflows to negative zero"] == 0
    assert results["cancels all but the last bit"] == float32_bits(ULP)
    assert results["cancels the upper half of a long product"] == float32_bits(2.0**-46)
    assert results["overflows"] == float32_bits(HUGE) and results["ties to infinity"] == 0x7F800000
    assert results["just short of infinity"] == float32_bits(HUGE)
    assert results["stays infinite"] == 0x7F800000
    assert results["infinity keeps its sign"] == 0xFF800000
    nans = ("from infinity to NaN", "infinite scales of both signs", "infinite scale times zero scale", "NaN")
    assert results["infinity times zero"] == 0x7FC00000
    assert {results[name] for name in nans} == {0x7FC00000}
    assert results["huge zero product"] == 1
    assert results["tie to even"] == float32_bits(1 + 2 * ULP)
    assert results["tie and a little"] == float32_bits(1 + ULP)
    assert results["below a power of two"] == float32_bits(1)
    assert results["little below a power of two"] == float32_bits(1 - ULP / 2)


@pytest.mark.parametrize("accumulate", ["exact", "float32"])
@pytest.mark.parametrize("depth", [1, 8])
def test_a_block_enters_every_cycle(accumulate, depth):
    weight, scale = parse("e2m1"), parse("float8_e4m3fn")
    blocks = Blocks(16, scale, scale, accumulate)
    rng = np.random.default_rng(depth)
    sums = [random_sum(rng, weight, weight, blocks, 16) for _ in range(30)]
    unit = BlockAccumulate(weight, weight, blocks, terms=16, depth=depth)
    cycles, first = run(unit, sums, stalls=False)
    assert (cycles, first) == (30 + unit.latency, unit.latency)


def test_blocks_enter_until_a_sum_waits_at_the_output():
    weight, scale = parse("e2m1"), parse("float8_e4m3fn")
    blocks = Blocks(16, scale, scale)
    rng = np.random.default_rng(1)
    unit = BlockAccumulate(weight, weight, blocks, terms=16, depth=1)
    sums = [random_sum(rng, weight, weight, blocks, 16) for _ in range(2 * unit.latency)]
    feed, take = Feed(unit.i, [one.blocks[0] for one in sums]), Take(unit.o)
    take.paused = True

    async def testbench(ctx):
        await drive(ctx, [feed, take], until=lambda cycle: cycle == 3 * unit.latency, most=3 * unit.latency)
        assert feed.cycles == [*range(unit.latency)]
        take.paused = False
        await drive(ctx, [feed, take], until=lambda _: len(take.seen) == len(sums), most=3 * unit.latency)

    simulate(unit, testbench)
    assert take.fields() == [one.expected for one in sums]


def test_the_accumulator_reads_zero_beside_a_flag():
    format = parse("float8_e5m2")
    blocks = Blocks(16, format, format, "exact")
    operands = (np.array([0x3C]), np.array([0x3C]), np.array([0x7C]), np.array([0xBC]))
    one = Sum(format, format, blocks, 40, operands)
    assert one.expected == {"accumulator": 0, "nan": 0, "positive_infinity": 0, "negative_infinity": 1}
    run(BlockAccumulate(format, format, blocks, terms=40, depth=3), [one])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"terms": 0}, "terms must be 1 or more, not 0"),
        ({"depth": 0}, "depth must be 1 or more, not 0"),
        ({"tag_bits": -1}, "tag_bits must be 0 or more, not -1"),
        ({"blocks": 32}, "blocks must be a Blocks, not 32"),
    ],
)
def test_wrong_arguments_get_a_sentence(arguments, sentence):
    format = parse("e2m1")
    right = {"blocks": Blocks(16, format, format), "terms": 10, "depth": 1} | arguments
    with pytest.raises(ValueError, match=sentence):
        BlockAccumulate(format, format, right.pop("blocks"), **right)


def run_dot(unit, sums, *, seed=0, stalls=True):
    """Feed the sums' codes beat by beat; what comes out, and in how many cycles."""
    beats = [beat for one in sums for beat in beats_of(unit, one)]
    chance = random.Random(seed)
    feed = Feed(unit.i, beats, 0.8 if stalls else 1, chance)
    take = Take(unit.o, 0.5 if stalls else 1, chance)
    cycles = 0

    async def testbench(ctx):
        nonlocal cycles
        most = 60 * len(beats) + 400
        cycles = await drive(ctx, [feed, take], until=lambda _: len(take.seen) == len(sums), most=most)

    simulate(unit, testbench)
    assert take.fields() == [one.expected for one in sums]
    return cycles, len(beats)


def beats_of(unit, one):
    count = len(one.weight)
    for start in range(0, count, unit.lanes):
        beat = {"last": int(start + unit.lanes >= count)}
        for name in ("weight", "activation"):
            format = getattr(unit.arithmetic, name)
            codes = getattr(one, name)[start : start + unit.lanes]
            beat[name] = sum(int(code) << lane * format.width for lane, code in enumerate(codes))
        for name in ("weight_scale", "activation_scale"):
            beat[name] = int(getattr(one, name)[start // unit.blocks.size])
        yield beat


def dot_unit(elements, scale, size, accumulate, **options):
    weight, activation = map(parse, elements)
    blocks = Blocks(size, parse(scale), parse(scale), accumulate)
    build = choose_build(weight, activation, "auto", pipeline=options.pop("pipeline", 2), family=None, dsp=False)
    return BlockDot(Arithmetic(weight, activation), build, blocks, **options)


@pytest.mark.parametrize(
    ("elements", "scale", "size", "accumulate", "options"),
    [
        (("e2m1", "e2m1"), "float8_e8m0fnu", 32, "auto", {"lanes": 8}),
        (("e2m1", "e2m1"), "float8_e4m3fn", 16, "auto", {"lanes": 4, "pipeline": 1}),
        (("float8_e4m3fn", "float8_e5m2"), "float8_e8m0fnu", 32, "float32", {"lanes": 4, "pipeline": 3, "dsp": True}),
        (("int8", "int8"), "float8_e8m0fnu", 32, "float32", {"lanes": 16}),
        (("e3m2", "float6_e2m3fn"), "float8_e4m3fn", 16, "exact", {"lanes": 1, "dsp": True}),
        (("e3m2", "e4m3"), "ue5m3", 16, "exact", {"lanes": 16, "pipeline": 3}),
    ],
)
def test_dot_products_are_the_golden_ones(elements, scale, size, accumulate, options):
    unit = dot_unit(elements, scale, size, accumulate, terms=150, **options)
    rng = np.random.default_rng(size)
    sums = [random_sum(rng, unit.arithmetic.weight, unit.arithmetic.activation, unit.blocks, 150) for _ in range(12)]
    for stalls in (False, True):
        run_dot(unit, sums, stalls=stalls)


@pytest.mark.parametrize(("accumulate", "lanes"), [("exact", 16), ("float32", 1)])
def test_a_dot_product_takes_a_beat_every_cycle(accumulate, lanes):
    unit = dot_unit(("e2m1", "e2m1"), "float8_e4m3fn", 16, accumulate, terms=96, lanes=lanes)
    assert unit.block_interval <= 16 // lanes
    rng = np.random.default_rng(0)
    sums = [
        random_sum(rng, unit.arithmetic.weight, unit.arithmetic.activation, unit.blocks, 96, 16 * k)
        for k in (1, 6, 2, 1, 3)
    ]
    cycles, beats = run_dot(unit, sums, stalls=False)
    assert cycles == beats + unit.latency


def test_wrong_arguments_of_a_dot_product_get_a_sentence():
    with pytest.raises(ValueError, match="lanes must divide the blocks' 16 elements, not be 3"):
        dot_unit(("e2m1", "e2m1"), "float8_e4m3fn", 16, "auto", lanes=3)
    with pytest.raises(ValueError, match="pipeline must be 1 to 3, not 0"):
        dot_unit(("e2m1", "e2m1"), "float8_e4m3fn", 16, "auto", pipeline=0)
