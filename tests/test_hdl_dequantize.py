"""Dequantize in Amaranth's own simulator against the golden model, stalled at random on all three sides."""

import random

import numpy as np
import pytest
from fewbit import sim
from fewbit.formats import Overflow, Requantization, Rounding, parse
from fewbit.hdl.scaling.dequant import Dequantize
from stream_driver import Feed, Take, drive, simulate

CASES = [
    ("e2m1", "float8_e8m0fnu", None, "bfloat16", 4, 32),
    ("float4_e2m1fn", "float8_e4m3fn", "float32", "bfloat16", 2, 16),
    ("float8_e4m3fn", "float8_e8m0fnu", None, "float16", 1, 4),
    ("int8", "float8_e8m0fnu", None, "float8_e5m2", 8, 8),
    ("float8_e5m2", "bfloat16", None, "int8", 2, 6),
    ("int4", "ue5m3", "float32", "float32", 3, 12),
    ("sm4", "dyadic8s4", None, "e4m3", 4, 16),
]


def pack(codes, width):
    return sum(int(code) << lane * width for lane, code in enumerate(codes))


def check(names, *, seed=0, beats=60, stalls=True, **policies):
    format, scale, tensor_scale, output = (None if name is None else parse(name) for name in names[:4])
    lanes, block_size = names[4:]
    how = Requantization(output, scale, tensor_scale, seed=77 + seed, **policies)
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 1 << format.width, (beats, lanes))
    # Rows that end within a block, so that its scale goes with fewer beats.
    last = rng.random(beats) < 0.1
    blocks, in_block = np.zeros(beats, dtype=int), 0
    for k in range(1, beats):
        in_block += 1
        new = last[k - 1] or in_block == block_size // lanes
        blocks[k] = blocks[k - 1] + new
        in_block *= not new
    middle = 1 << scale.width - 1
    scales = rng.integers(0, 1 << scale.width, blocks[-1] + 2)
    if scale.name == "float8_e8m0fnu":
        scales = np.where(rng.random(scales.size) < 0.8, middle + rng.integers(-12, 12, scales.size), scales)
    tensor = int(np.float32(0.37).view(np.uint32)) if tensor_scale is not None else None
    given = {} if tensor is None else {"tensor_scale": tensor}
    if how.rounding is Rounding.STOCHASTIC:
        given["words"] = sim.lfsr_words(how.seed, codes.size).reshape(codes.shape)
    golden = sim.dequantize(codes, format, how, scale=scales[blocks][:, None], **given)
    expected = [(pack(golden[k], output.width), int(last[k])) for k in range(beats)]

    unit = Dequantize(format, how, lanes=lanes, block_size=block_size)
    chance = random.Random(seed)
    beat_payloads = [{"codes": pack(codes[k], format.width), "last": int(last[k])} for k in range(beats)]
    feeds = [
        Feed(unit.i, beat_payloads, 0.8 if stalls else 1, chance),
        Feed(unit.scale, map(int, scales), 0.5 if stalls else 1, chance),
    ]
    take = Take(unit.o, 0.7 if stalls else 1, chance)

    async def testbench(ctx):
        if tensor is not None:
            ctx.set(unit.tensor_scale, tensor)
        cycles = await drive(ctx, [*feeds, take], until=lambda _: len(take.seen) == beats, most=20 * beats + 200)
        assert stalls or (take.first, cycles) == (unit.latency, beats + unit.latency)

    simulate(unit, testbench)
    assert [(beat["codes"], beat["last"]) for beat in take.fields()] == expected


@pytest.mark.parametrize("names", CASES)
def test_codes_are_the_golden_ones(names):
    for seed, rounding in enumerate(Rounding):
        check(names, seed=seed, rounding=rounding, stalls=bool(seed % 2))


@pytest.mark.parametrize("names", CASES)
def test_policies_and_stalls(names):
    check(names, seed=5, rounding=Rounding.STOCHASTIC, relu=True)
    if parse(names[3]).has_infinity:
        check(names, seed=6, overflow=Overflow.INFINITY)
    if parse(names[3]).has_nan:
        check(names, seed=7, overflow=Overflow.NAN)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale": None}, "scale must be a format where blocks are dequantized, not None"),
        ({"zero_point": True}, "zero_point must be False where blocks are dequantized, not True"),
        ({"bias_bits": 4}, "bias_bits must be 0 where codes are scaled, not 4"),
        ({"lanes": 0}, "lanes must be 1 or more, not 0"),
        ({"lanes": 3}, "block_size must be a multiple of the 3 lanes, not 32"),
    ],
)
def test_dequantize_says_what_it_must_be(arguments, message):
    units = {"lanes": arguments.pop("lanes")} if "lanes" in arguments else {}
    how = Requantization(parse("int8"), **{"scale": parse("float8_e8m0fnu")} | arguments)
    with pytest.raises(ValueError, match=message):
        Dequantize(parse("int4"), how, **units)
