"""Requantize in Amaranth's own simulator against the golden model, stalled at random on both sides."""

import random

import numpy as np
import pytest
from amaranth.hdl import Module, ResetInserter, Signal
from fewbit import sim
from fewbit.formats import FixedPoint, Integer, Minifloat, Overflow, Requantization, Rounding, parse
from fewbit.formats.fixed_point import SPECIALS
from fewbit.hdl.emit import to_rtlil
from fewbit.hdl.scaling.requant import Requantize
from fewbit.hdl.scaling.scale_factors import factor_bits
from stream_driver import Feed, Take, drive, simulate

OUTPUTS = [
    "int8", "uint8", "int8s", "sm8", "int4", "uint3", "int1", "int16", "sm2", "e4m3", "e2m1", "e3m0", "e1m3", "ue4m3",
    "ue8m0", "e5m10", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu",
    "float4_e2m1fn", "float8_e3m4", "bfloat16", "float16", "float32", "e4m3b-20", "e2m3b30",
]  # fmt: skip
SOURCES = [
    FixedPoint(10, True, 0),
    FixedPoint(16, False, -4),
    FixedPoint(32, True, -10, ("nan",)),
    FixedPoint(41, True, -18, SPECIALS),
    FixedPoint(24, False, -30, SPECIALS),
    FixedPoint(100, True, -60),
    *map(parse, ("e2m1", "int8", "uint5", "sm5", "float32", "float8_e5m2", "float8_e8m0fnu", "e1m3", "int4s")),
]
SCALES = [
    (None, None), ("float8_e8m0fnu", None), ("float8_e4m3fn", None), ("ue5m3", None), ("dyadic16s5", None),
    ("bfloat16", None), ("float32", None), ("ue8m0", None), ("int4", None), ("e3m0", None), ("sm3", None),
    ("float8_e4m3fn", "float32"), ("ue5m3", "float32"), ("float8_e8m0fnu", "bfloat16"), ("float32", "float32"),
    ("dyadic8s6", "float8_e8m0fnu"), (None, "float32"), ("uint4", None), ("e1m2", None), ("e3m0", "float8_e4m3fn"),
    ("float8_e4m3fn", "e3m0"),
]  # fmt: skip


def some_codes(rng, format, count, near=None):
    """Codes of every kind: any, extreme ones, and such whose values lie about ``2**near``."""
    codes = rng.integers(0, 1 << format.width, count, dtype=np.uint64)
    edges = [0, 1, (1 << format.width) - 1, 1 << format.width - 1, (1 << format.width - 1) - 1, 2, 3]
    edges += [
        format.width > 8 and ((1 << format.width - 1) - 1) & ~0 ^ ((1 << getattr(format, "fraction_bits", 0)) - 1)
    ]
    edges = np.array([int(edge) % (1 << format.width) for edge in edges], dtype=np.uint64)
    codes = np.where(rng.random(count) < 0.08, rng.choice(edges, count), codes)
    if isinstance(format, Minifloat) and near is not None and format.width > 6:
        top = (1 << format.exponent_bits) - 1
        exponent = np.clip(near + format.bias + rng.integers(-8, 9, count), 0, top).astype(np.uint64)
        mask = np.uint64(top << format.fraction_bits)
        placed = codes & ~mask | exponent << np.uint64(format.fraction_bits)
        codes = np.where(rng.random(count) < 0.75, placed, codes)
    return codes


def some_integers(rng, width, signed, count):
    """Integers of all lengths, of few ones and of many."""
    values = []
    for _ in range(count):
        bits = int(rng.integers(0, width - signed + 1))
        value = int.from_bytes(rng.bytes(width // 8 + 1), "little") & ((1 << bits) - 1)
        shape = rng.integers(0, 4)
        if shape == 0 and bits:
            value = 1 << bits - 1
        elif shape == 1 and bits > 8:
            # A tie, or next to one, wherever it may be rounded.
            cut = int(rng.integers(1, bits))
            value = (value >> cut << cut | 1 << cut - 1) + int(rng.integers(-1, 2))
            value = min(max(value, 0), (1 << width - signed) - 1)
        elif shape == 2:
            value = (1 << bits) - 1
        values.append(-value - int(rng.integers(0, 2)) if signed and rng.random() < 0.5 else value)
    return values


def magnitude_exponent(format):
    """About where a format's values are, as a power of two."""
    if isinstance(format, Minifloat):
        return -format.bias + (1 << format.exponent_bits - 1)
    return format.width // 2


class Case:
    """Random inputs of one requantization, and the codes that the golden model makes of them."""

    def __init__(self, source, how, count, seed=0):
        rng = np.random.default_rng([seed, count])
        self.fields = {}
        goal = magnitude_exponent(how.output)
        given = {}
        if isinstance(source, FixedPoint):
            integers = some_integers(rng, source.width, source.signed, count)
            self.fields["accumulator"] = integers
            flags = {name: np.zeros(count, dtype=bool) for name in source.specials}
            for i in np.flatnonzero(rng.random(count) < 0.1 * bool(flags)):
                flags[str(rng.choice(source.specials))][i] = True
            self.fields |= {name: flag.astype(int) for name, flag in flags.items()}
            middle = source.lsb_exponent + source.width // 2
            kept = np.array(integers, dtype=object if source.width > 62 else np.int64)
            exact = sim.Exact(kept, source.lsb_exponent, **flags)
        else:
            near = goal if how.scale is None and how.tensor_scale is None else None
            codes = some_codes(rng, source, count, near)
            self.fields["code"] = codes
            middle = magnitude_exponent(source)
        for name, format in (("scale", how.scale), ("tensor_scale", how.tensor_scale)):
            if format is not None:
                both = how.scale is not None and how.tensor_scale is not None
                near = (goal - middle) // (1 + both)
                self.fields[name] = given[name] = some_codes(rng, format, count, near)
        if how.bias_bits:
            bias = np.array(some_integers(rng, how.bias_bits, True, count), dtype=np.int64)
            self.fields["bias"] = given["bias"] = bias
        if how.zero_point:
            low, high = (0, how.output.max_integer) if how.output.unsigned else (-(1 << how.output.bits - 1),) * 2
            high = how.output.max_integer
            given["zero_point"] = rng.integers(low, high + 1, count)
            self.fields["zero_point"] = given["zero_point"]
        if how.rounding is Rounding.STOCHASTIC:
            given["words"] = sim.lfsr_words(how.seed, count)
        if isinstance(source, FixedPoint):
            self.expected = sim.requantize(exact, how, **given)
        else:
            self.expected = sim.dequantize(self.fields["code"], source, how, **given)
        self.count = count

    def payload(self, index):
        return {name: int(values[index]) for name, values in self.fields.items()}


def run_stream(unit, payloads, *, seed=0, stalls=True):
    """What comes out of ``unit`` for ``payloads``, with random gaps on both sides or at full speed."""
    chance = random.Random(seed)
    feed = Feed(unit.i, payloads, 0.8 if stalls else 1, chance)
    take = Take(unit.o, 0.7 if stalls else 1, chance)

    async def testbench(ctx):
        most = 60 * len(payloads) + 400
        cycles = await drive(ctx, [feed, take], until=lambda _: len(take.seen) == len(payloads), most=most)
        first = unit.interval - 1 + unit.latency
        assert stalls or (take.first, cycles) == (first, len(payloads) * unit.interval + unit.latency)

    simulate(unit, testbench)
    return take.seen


def check(source, how, count=60, seed=0, stalls=True, dsp=False, **build):
    case = Case(source, how, count, seed)
    unit = Requantize(source, how, dsp=dsp, **build)
    seen = run_stream(unit, [case.payload(k) for k in range(count)], seed=seed, stalls=stalls)
    wrong = [k for k in range(count) if seen[k] != int(case.expected[k])]
    assert not wrong, [(case.payload(k), hex(seen[k]), hex(int(case.expected[k]))) for k in wrong[:4]]


def policies(rng, output):
    """A rounding and an overflow policy that the format has."""
    overflows = [Overflow.SATURATE]
    if output.has_infinity:
        overflows.append(Overflow.INFINITY)
    if output.has_nan:
        overflows.append(Overflow.NAN)
    if isinstance(output, Integer) and not output.symmetric:
        overflows.append(Overflow.WRAP)
    return rng.choice(list(Rounding)), rng.choice(overflows)


def some_requantization(rng, output, scales, fixed):
    rounding, overflow = policies(rng, output)
    scale, tensor_scale = (None if name is None else parse(name) for name in scales)
    return Requantization(
        output,
        scale,
        tensor_scale,
        bias_bits=int(rng.choice([0, 0, 4, 32])) if fixed else 0,
        zero_point=isinstance(output, Integer) and bool(rng.random() < 0.5),
        relu=bool(rng.random() < 0.25),
        rounding=rounding,
        overflow=overflow,
        seed=int(rng.integers(1, 1 << 32)),
    )


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("dsp", [False, True], ids=["logic", "dsp"])
def test_codes_are_the_golden_ones(output, dsp):
    check_many(output, 4, 50, dsp=dsp)


FOLDED = [
    (FixedPoint(26, True, 0), "int8", "dyadic16s5", 0),
    (FixedPoint(17, True, -3), "int8", "dyadic16s5", 20),
    (FixedPoint(41, True, -18, SPECIALS), "float8_e4m3fn", "bfloat16", 0),
    (FixedPoint(24, False, -30, SPECIALS), "e4m3", "ue5m3", 0),
    (FixedPoint(10, True, 0), "float32", "float32", 4),
    (parse("float32"), "uint8", "int4", 0),
    (parse("e2m1"), "float16", "dyadic7s2", 0),
]


@pytest.mark.parametrize("cycles", [5, 6, 10, 17, 40])
@pytest.mark.parametrize("case", FOLDED, ids=[f"{case[1]} by {case[2]}" for case in FOLDED])
def test_outputs_of_several_cycles_are_the_golden_ones(case, cycles):
    source, output, scale, bias_bits = case
    seed = FOLDED.index(case) + cycles
    zero_point = output == "uint8"
    rounding = Rounding.STOCHASTIC if seed % 3 == 0 else Rounding.TIES_TO_EVEN
    how = Requantization(parse(output), parse(scale), bias_bits=bias_bits, zero_point=zero_point, rounding=rounding)
    for fast in (False, True):
        assert 1 <= Requantize(source, how, cycles=cycles, fast=fast).interval <= cycles
        check(source, how, 30, seed, stalls=bool(seed % 2), cycles=cycles, fast=fast)


def test_an_output_takes_as_many_cycles_as_are_of_use():
    how = Requantization(parse("int8"), parse("dyadic16s5"))
    source = FixedPoint(26, True, 0)
    intervals = {cycles: Requantize(source, how, cycles=cycles).interval for cycles in (1, 5, 6, 9, 10, 16, 17, 99)}
    assert intervals == {1: 1, 5: 1, 6: 6, 9: 6, 10: 10, 16: 10, 17: 17, 99: 17}
    assert Requantize(source, how, dsp=True, cycles=17).interval == 1
    for other in (Requantization(parse("e4m3"), parse("float8_e8m0fnu")), Requantization(parse("float32"))):
        assert Requantize(source, other, cycles=17).interval == 1
    both = Requantization(parse("e4m3"), parse("float8_e4m3fn"), parse("float32"))
    assert Requantize(source, both, cycles=99).interval == 1


@pytest.mark.slow
@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("dsp", [False, True], ids=["logic", "dsp"])
def test_codes_are_the_golden_ones_for_many_requantizations(output, dsp):
    check_many(output, 9, 120, start=4, dsp=dsp)


@pytest.mark.parametrize("dsp", [False, True], ids=["logic", "dsp"])
@pytest.mark.parametrize(
    "scale", ["e3m0", "ue2m1", "ue2m2", "ue3m3", "uint5", "uint6", "dyadic7s2", "bfloat16", "float32"]
)
@pytest.mark.parametrize("source", ["int2", "uint1", "int9", "e2m1"])
def test_extreme_factors_are_the_golden_ones(source, scale, dsp):
    """The least and the largest of everything, by scales of every number of bits."""
    scale, other = parse(scale), parse(source)
    fixed = FixedPoint(other.width, other.signed, -3) if isinstance(other, Integer) else other
    how = Requantization(parse("float32"), scale)
    values = [fixed.min_integer, fixed.max_integer, 1, 0] if isinstance(fixed, FixedPoint) else list(other.codes)
    codes = sorted(
        {code % (1 << scale.width) for code in (0, 1, 2, -1, -2, 1 << scale.width // 2, -1 << scale.width // 2)}
    )
    codes = [code for code in codes if scale.width > 16 or code in scale.codes]
    pairs = [(value, code) for value in values for code in codes]
    integers, given = map(np.array, zip(*pairs, strict=True))
    if isinstance(fixed, FixedPoint):
        golden, name = sim.requantize(sim.Exact(integers, -3), how, scale=given), "accumulator"
    else:
        golden, name = sim.dequantize(integers, other, how, scale=given), "code"
    unit = Requantize(fixed, how, dsp=dsp)
    payloads = [{name: int(value), "scale": int(code)} for value, code in pairs]
    assert run_stream(unit, payloads, stalls=False) == golden.tolist()


@pytest.mark.parametrize("dsp", [False, True], ids=["logic", "dsp"])
@pytest.mark.parametrize(("scale", "tensor_scale"), [("uint1", "uint1"), ("e3m0", "uint1"), ("dyadic1s1", "dyadic1s1")])
def test_scales_of_one_bit_are_the_golden_ones(scale, tensor_scale, dsp):
    how = Requantization(parse("int16"), scale=parse(scale), tensor_scale=parse(tensor_scale))
    check(FixedPoint(8, True, 0), how, dsp=dsp)


def multiplies(how):
    """Whether the scales are more than powers of two, so that there is something for DSP blocks to do."""
    return sum(factor_bits(format) for format in (how.scale, how.tensor_scale) if format is not None) > 1


@pytest.mark.parametrize(
    "scales", [(None, None), ("float8_e8m0fnu", None), ("e3m0", "float8_e8m0fnu"), ("uint1", None)]
)
def test_without_a_multiplication_dsp_changes_nothing(scales):
    scale, tensor_scale = (name and parse(name) for name in scales)
    how = Requantization(parse("float8_e4m3fn"), scale, tensor_scale, bias_bits=8)
    assert not multiplies(how)
    logic, blocks = (to_rtlil(Requantize(FixedPoint(20, True, -8), how, dsp=dsp), "top") for dsp in (False, True))
    assert logic == blocks


def check_many(output, number, count, start=0, dsp=False):
    for k in range(start, start + number):
        rng = np.random.default_rng([k, *output.encode()])
        source = SOURCES[rng.integers(len(SOURCES))]
        scales = SCALES[rng.integers(len(SCALES))]
        how = some_requantization(rng, parse(output), scales, isinstance(source, FixedPoint))
        if dsp and not multiplies(how):
            continue  # the design in logic is the same
        try:
            check(source, how, count, seed=k, stalls=bool(k % 2), dsp=dsp)
        except AssertionError as error:
            raise AssertionError(f"{k}: {source}, {how}: {error}") from None


def test_the_tag_stays_with_its_code_and_reset_empties_the_pipeline():
    how = Requantization(parse("int8"), rounding=Rounding.STOCHASTIC, seed=9)
    source = FixedPoint(20, True, -8)
    case = Case(source, how, 30)
    unit = Requantize(source, how, tag_bits=5)
    seen = run_stream(unit, [case.payload(k) | {"tag": k} for k in range(30)])
    assert seen == [int(code) | k << 8 for k, code in enumerate(case.expected)]

    m = Module()
    m.submodules.unit = unit = Requantize(source, how)
    reset = Signal()
    again = []

    async def testbench(ctx):
        for cycle in range(80):
            start = 10
            ctx.set(reset, cycle == start)
            ctx.set(unit.o.ready, 1)
            feed = cycle < start or start < cycle <= start + 30
            ctx.set(unit.i.valid, feed)
            if feed:
                ctx.set(unit.i.payload, case.payload(cycle if cycle < start else cycle - start - 1))
            if cycle > start and ctx.get(unit.o.valid):
                again.append(ctx.get(unit.o.payload.code))
            await ctx.tick()

    simulate(ResetInserter(reset)(m), testbench)
    assert again == [int(code) for code in case.expected]


@pytest.mark.parametrize("rounding", [Rounding.TOWARD_ZERO, Rounding.TIES_TO_EVEN])
def test_all_bits_of_a_number_are_shifted_out_and_none_of_its_sign(rounding):
    """The lowest number's magnitude is a bit longer than its body, so all of it lies one place further down."""
    for lsb_exponent in range(-20, -2, 2):
        how = Requantization(parse("int8"), rounding=rounding)
        integers = [-128, -127, -1, 0, 1, 127]
        golden = sim.requantize(sim.Exact(np.array(integers), lsb_exponent), how)
        unit = Requantize(FixedPoint(8, True, lsb_exponent), how)
        payloads = [{"accumulator": integer} for integer in integers]
        assert run_stream(unit, payloads, stalls=False) == golden.tolist()


@pytest.mark.slow
def test_minus_one_and_powers_of_two_are_the_golden_ones():
    """Two's complement is normalized before it is a magnitude, so these stand in the binade below at first."""
    for output in ("e4m3", "float8_e5m2", "e3m0", "float8_e8m0fnu", "float32", "sm8", "int8"):
        for lsb_exponent in (-30, -12, -3, 0, 5):
            for rounding in Rounding:
                source = FixedPoint(24, True, lsb_exponent)
                how = Requantization(parse(output), rounding=rounding)
                integers = [sign * (1 << k) + off for k in range(23) for sign in (1, -1) for off in (-1, 0, 1)]
                words = {"words": sim.lfsr_words(1, len(integers))} if rounding is Rounding.STOCHASTIC else {}
                golden = sim.requantize(sim.Exact(np.array(integers), lsb_exponent), how, **words)
                unit = Requantize(source, how)
                payloads = [{"accumulator": integer} for integer in integers]
                assert run_stream(unit, payloads, stalls=False) == golden.tolist()


@pytest.mark.parametrize(
    ("source", "arguments", "message"),
    [
        (parse("float32"), {"bias_bits": 8}, "bias_bits must be 0 where codes are scaled, not 8"),
        (parse("dyadic4s2"), {}, "source must be a FixedPoint or a format of operands, not dyadic4s2"),
        ("int8", {}, "source must be a format, as formats.parse gives, not 'int8'"),
    ],
)
def test_requantize_says_what_it_must_be(source, arguments, message):
    with pytest.raises(ValueError, match=message):
        Requantize(source, Requantization(parse("int8"), **arguments))
