"""Sums over blocks in Amaranth's own simulator against the golden model, stalled at random on both sides."""

import numpy as np
import pytest
from amaranth.sim import Simulator
from fewbit import sim
from fewbit.formats import Blocks, FixedPoint, parse
from fewbit.hdl.block import BlockAccumulate

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


def random_sum(rng, weight, activation, blocks, terms):
    k = int(rng.integers(1, terms + 1))
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


def run(unit, sums, *, seed=0, stalls=True, by_busy=True):
    """Feed the blocks of all sums, those of ``unit.depth`` at a time interleaved, and compare what comes out."""
    rng = np.random.default_rng([seed, 7])
    waiting = list(range(len(sums)))
    places = {}  # by index: the sum, its next block, when the block before it entered
    order, seen, entered, moves = [], [], 0, 0
    total = sum(len(one.blocks) for one in sums)
    cycles, first_out = 0, None

    def candidate(busy):
        for index in rng.permutation(unit.depth):
            if index not in places and waiting:
                places[index] = [waiting.pop(0), 0, 0]
            if index in places:
                _, block, since = places[index]
                if not block or (not busy if by_busy else moves - since >= unit.distance):
                    return int(index)
        return None

    async def testbench(ctx):
        nonlocal entered, moves, cycles, first_out
        offered, held = None, None
        while len(seen) < len(sums):
            if offered is None and (not stalls or rng.random() < 0.9):
                offered = candidate(ctx.get(unit.busy))
                if offered is not None:
                    one, block, _ = places[offered]
                    tag = {"tag": one % (1 << unit.tag_bits)} if unit.tag_bits else {}
                    ctx.set(unit.i.payload, sums[one].blocks[block] | {"index": offered} | tag)
            ready = not stalls or rng.random() < 0.7
            ctx.set(unit.i.valid, offered is not None)
            ctx.set(unit.o.ready, ready)
            moves += ctx.get(unit.i.ready)
            accepted = offered is not None and ctx.get(unit.i.ready)
            out = ctx.get(unit.o.payload) if ctx.get(unit.o.valid) else None
            bits = None if out is None else out.as_bits()
            assert held is None or held == bits, "a payload that waits must not change"
            if out is not None and ready:
                first_out = cycles if first_out is None else first_out
                seen.append({name: int(out[name]) for name, _ in unit.o.payload.shape()})
            held = None if ready else bits
            await ctx.tick()
            cycles += 1
            if accepted:
                one, block, _ = places[offered]
                places[offered] = [one, block + 1, moves]
                if block + 1 == len(sums[one].blocks):
                    order.append(one)
                    del places[offered]
                offered, entered = None, entered + 1
            assert cycles < 40 * total + 400

    simulator = Simulator(unit)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    assert entered == total
    for one, result in zip(order, seen, strict=True):
        expected = dict(sums[one].expected)
        if unit.tag_bits:
            expected["tag"] = one % (1 << unit.tag_bits)
        assert result == expected, (sums[one].blocks, result, sums[one].expected)
    return cycles, first_out


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
