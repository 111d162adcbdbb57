"""Every unit in Amaranth's own simulator against the golden model: all builds, depths and kinds of format."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import Fragment
from amaranth.sim import Simulator
from fewbit import sim
from fewbit.formats import SPECIALS, Accumulator, Arithmetic, parse
from fewbit.hdl import Build, Decode, Dot, Mac, Multiply

KINDS = [
    ("int3", "int3"),
    ("int8", "int8"),
    ("int4", "e2m1"),
    ("e4m3", "e4m3"),
    ("e5m2", "int8"),
    ("uint4", "e3m2"),
    ("e1m3", "int5s"),
    ("sm4", "uint3"),
    ("uint3", "uint5"),
    ("e3m0", "e7m0"),
    ("ue4m2", "uint5"),
    ("float8_e8m0fnu", "e4m0"),
    ("int1", "uint1"),
    ("e4m3b11", "e2m1b-3"),
]
SPECIAL_KINDS = [
    ("float8_e5m2", "float8_e4m3"),
    ("float8_e4m3fn", "float8_e4m3fnuz"),
    ("float8_e5m2", "int4"),
    ("uint3", "float8_e3m4"),
    ("float8_e8m0fnu", "e3m2"),
]
BUILDS = [
    Build("whole"),
    Build("table", 4),
    Build("rows", 4),
    Build("rows", 16, tree=True),
    Build("digits", 8),
    Build("digits", 16, tree=True),
    Build("booth", 8),
    Build("booth", 4, "rows", tree=True),
    Build("booth", 16, "rows"),
    Build("booth", 8, "sums"),
    Build("operator", 8),
]


def fits(build, weight, activation):
    """Whether a truth table of these formats is small enough to test."""
    if build.product == "digits":
        return max(weight.precision, activation.precision) <= 10
    if build.product == "whole":
        return weight.width + activation.width <= 12
    return build.product != "table" or weight.precision + activation.precision <= 10


def run(component, cycles, drive, read):
    """Simulate a clocked component; ``drive`` sets the inputs of a cycle, ``read`` gives what is seen after its
    edge."""
    seen = []

    async def testbench(ctx):
        for cycle in range(cycles):
            drive(ctx, cycle)
            await ctx.tick()
            seen.append(read(ctx))

    simulator = Simulator(component)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    return seen


def pack(codes, width):
    return sum(int(code) << (lane * width) for lane, code in enumerate(codes))


def check_sums(component, weight, activation, lanes, cycles, seed=0):
    rng = np.random.default_rng(seed)
    w = rng.choice(weight.codes, (cycles, lanes))
    a = rng.choice(activation.codes, (cycles, lanes))
    valid, first = rng.random(cycles) < 0.8, rng.random(cycles) < 0.15
    golden = sim.mac(w, a, weight, activation, valid, first)
    flags = component.special_names

    def drive(ctx, cycle):
        ctx.set(component.valid, int(valid[cycle]))
        ctx.set(component.first, int(first[cycle]))
        ctx.set(component.weight, pack(w[cycle], weight.width))
        ctx.set(component.activation, pack(a[cycle], activation.width))

    def read(ctx):
        return ctx.get(component.accumulator), *(ctx.get(getattr(component, name)) for name in flags)

    masks = [getattr(golden, name) for name in flags]
    expected = [(int(golden.integers[i]), *(int(mask[i]) for mask in masks)) for i in range(cycles)]
    depth = component.build.pipeline
    nothing = (0,) * (1 + len(flags))
    assert run(component, cycles, drive, read) == [nothing] * depth + expected[: cycles - depth]


@pytest.mark.parametrize(("weight", "activation"), KINDS + SPECIAL_KINDS)
def test_every_build_of_mac_is_the_golden_sum(weight, activation):
    check_macs(parse(weight), parse(activation), [(build, k % 4) for k, build in enumerate(BUILDS)], 40)


@pytest.mark.slow
@pytest.mark.parametrize(("weight", "activation"), KINDS + SPECIAL_KINDS)
def test_every_build_and_depth_of_mac_is_the_golden_sum(weight, activation):
    check_macs(parse(weight), parse(activation), itertools.product(BUILDS, range(4)), 80)


RECODED = [("bitmod4", "int8"), ("flint4", "e5m2"), ("apot5", "uint5"), ("nupes3", "e2m3"), ("apot3", "float8_e5m2")]
RECODED_BUILDS = [
    Build("recoded", 4),
    Build("recoded", 8, "rows", tree=True),
    Build("recoded", 16, "sums"),
    Build("recoded", 8, tree=True),
]


@pytest.mark.parametrize(("weight", "activation"), RECODED)
def test_every_build_of_a_recoded_weight_is_the_golden_sum(weight, activation):
    check_macs(parse(weight), parse(activation), itertools.product(RECODED_BUILDS, range(4)), 40)


def check_macs(weight, activation, builds, cycles):
    for build, pipeline in builds:
        if fits(build, weight, activation):
            mac = Mac(Arithmetic(weight, activation), replace(build, pipeline=pipeline), terms=1000)
            check_sums(mac, weight, activation, 1, cycles)


@pytest.mark.parametrize("lanes", [1, 2, 3, 5, 8])
@pytest.mark.parametrize(("weight", "activation"), [("e2m1", "int4"), ("e4m3", "e4m3"), ("float8_e5m2", "float8_e5m2")])
def test_dot_is_the_golden_sum(weight, activation, lanes):
    weight, activation = parse(weight), parse(activation)
    for build in (Build("rows", pipeline=0), Build("booth", registers="rows"), Build("digits", 16, pipeline=3)):
        dot = Dot(Arithmetic(weight, activation), build, lanes=lanes, terms=1000 * lanes)
        check_sums(dot, weight, activation, lanes, 150)


@pytest.mark.parametrize(("weight", "activation"), KINDS[:6] + SPECIAL_KINDS)
def test_multiply_is_the_golden_product_at_its_latency(weight, activation):
    weight, activation = parse(weight), parse(activation)
    rng = np.random.default_rng(1)
    w, a = rng.choice(weight.codes, 200), rng.choice(activation.codes, 200)
    golden = sim.multiply(w, a, weight, activation)
    for build in (Build("rows", pipeline=1), Build("booth", registers="rows"), Build("booth", pipeline=3)):
        pipeline = build.pipeline
        unit = Multiply(Arithmetic(weight, activation), build)
        ports = [unit.product, *(getattr(unit, name) for name in unit.special_names)]
        masks = [getattr(golden, name) for name in unit.special_names]
        expected = [(int(golden.integers[i]), *(int(mask[i]) for mask in masks)) for i in range(200)]

        def drive(ctx, cycle, unit=unit):
            ctx.set(unit.weight, int(w[cycle]))
            ctx.set(unit.activation, int(a[cycle]))

        seen = run(unit, 200, drive, lambda ctx, ports=ports: tuple(ctx.get(port) for port in ports))
        assert seen[pipeline - 1 :] == expected[: 201 - pipeline]


@pytest.mark.parametrize(
    "name", ["int5", "int5s", "uint4", "sm4", "e3m2", "e1m3", "e2m1b7", "float8_e5m2", "float8_e4m3fn"]
)
def test_decode_gives_every_code_its_value(name):
    format = parse(name)
    unit = Decode(format)

    async def testbench(ctx):
        for code in range(1 << format.width):
            ctx.set(unit.code, code)
            special = format.special(code)
            assert ("nan" in unit.signature.members and bool(ctx.get(unit.nan))) == (special == "NaN")
            infinite = "infinity" in unit.signature.members and bool(ctx.get(unit.infinity))
            assert infinite == (special in ("Infinity", "-Infinity"))
            if special is None:
                magnitude = ctx.get(unit.significand) << ctx.get(unit.shift)
                assert (-magnitude if ctx.get(unit.sign) else magnitude) == format.integer(code)

    simulator = Simulator(unit)
    simulator.add_testbench(testbench)
    simulator.run()


@pytest.mark.parametrize(
    ("weight", "activation"), [("int8", "int8"), ("e3m2", "int4"), ("e5m2", "e5m2"), ("uint3", "uint3")]
)
def test_worst_sums_touch_both_ends_of_the_accumulator(weight, activation):
    weight, activation = parse(weight), parse(activation)
    terms = 37
    bound = Accumulator(weight, activation, terms)
    corners = {}
    for w in (weight.integers.index(weight.min_integer), weight.integers.index(weight.max_integer)):
        for a in (activation.integers.index(activation.min_integer), activation.integers.index(activation.max_integer)):
            corners[weight.integer(w) * activation.integer(a)] = w, a
    for product, (w, a) in corners.items():
        unit = Mac(Arithmetic(weight, activation), Build("rows", pipeline=1), terms=terms)

        def drive(ctx, cycle, unit=unit, w=w, a=a):
            ctx.set(unit.valid, cycle < terms)
            ctx.set(unit.weight, w)
            ctx.set(unit.activation, a)

        seen = run(unit, terms + 2, drive, lambda ctx, unit=unit: ctx.get(unit.accumulator))
        assert seen[-1] == product * terms
    assert {min(corners) * terms, max(corners) * terms} == {bound.min_sum, bound.max_sum}


def test_reset_in_the_middle_drops_what_is_in_flight():
    format = parse("int4")
    for pipeline in range(4):
        unit = Mac(Arithmetic(format, format), Build("rows", pipeline=pipeline))
        rst = {4, 5}
        fragment = Fragment.get(unit, None)
        seen = []

        async def testbench(ctx, unit=unit, seen=seen):
            for cycle in range(12):
                ctx.set(unit.valid, cycle < 4)
                ctx.set(unit.weight, 3)
                ctx.set(unit.activation, 2)
                await ctx.tick()
                seen.append(ctx.get(unit.accumulator))

        simulator = Simulator(ResetIn(fragment, rst))
        simulator.add_clock(1e-6)
        simulator.add_testbench(testbench)
        simulator.run()
        done = max(0, 4 - pipeline)
        assert seen == [0] * (4 - done) + [6 * (i + 1) for i in range(done)] + [0] * 8


def ResetIn(fragment, cycles):
    """``fragment`` with its reset up in those cycles."""
    from amaranth.hdl import Cat, Module, ResetInserter, Signal

    m = Module()
    now = Signal(8)
    m.d.sync += now.eq(now + 1)
    m.submodules.unit = ResetInserter(Cat(now == cycle for cycle in cycles).any())(fragment)
    return m


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("shift",), "product must be one of whole, recoded, gated, table, rows, digits, booth, operator, not 'shift'"),
        (("rows", 6), "group must be a power of two, not 6"),
        (("rows", 8, "rows"), "registers must be 'aligned' for 'rows', not 'rows'"),
        (
            ("booth", 8, "all"),
            "registers must be one of aligned, rows, sums, chains, shifted, blocks, multiples, not 'all'",
        ),
        (("booth", 8, "chains"), "registers must be aligned, rows or sums for sums 'tree', not 'chains'"),
        (("booth", 8, "rows", False, False, -1), "pipeline must be 0 to 4, not -1"),
    ],
)
def test_build_says_what_it_must_be(arguments, message):
    with pytest.raises(ValueError, match=message):
        Build(*arguments)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"sums": "loop"}, "sums must be one of tree, chains, signs, gated, digits, turned, not 'loop'"),
        ({"sums": "chains", "chain": 0}, "chain must be 1 or more, not 0"),
        ({"product": "rows", "sums": "digits"}, "product must be 'booth' for sums 'digits', not 'rows'"),
    ],
)
def test_build_says_how_products_can_be_added(fields, message):
    with pytest.raises(ValueError, match=message):
        Build(**{"product": "booth"} | fields)


def test_mac_says_what_it_must_be():
    with pytest.raises(ValueError, match="lanes must be 1 or more, not 0"):
        Mac(Arithmetic(parse("int4"), parse("int4")), Build("rows"), lanes=0)


def test_specials_are_named_as_the_golden_model_names_them():
    assert all(hasattr(sim.Exact, name) or name in sim.Exact.__dataclass_fields__ for name in SPECIALS)


@pytest.mark.parametrize("build", [Build("whole"), Build("table"), Build("rows"), Build("booth", 8, "rows")])
def test_the_code_that_a_symmetric_integer_leaves_out_reads_as_a_number(build):
    int3s = parse("int3s")
    unit = Mac(Arithmetic(int3s, int3s), replace(build, pipeline=0), terms=4)

    def drive(ctx, cycle):
        ctx.set(unit.valid, 1)
        ctx.set(unit.weight, 0b100)
        ctx.set(unit.activation, 0b100)

    assert run(unit, 1, drive, lambda ctx: ctx.get(unit.accumulator)) == [16]
