"""Products of several lanes added in chains and by relative signs, against the golden model."""

import itertools
from dataclasses import replace

import pytest
from amaranth.sim import Simulator
from fewbit.formats import Arithmetic, parse
from fewbit.hdl import Build, Dot, DotDesign
from fewbit.hdl.products.choose_build import choose_build
from test_hdl_units import KINDS, RECODED, SPECIAL_KINDS, check_sums, fits

LANES = (1, 2, 3, 4, 7, 9)
"""Chains that are full, and such that are not; more than one chain from 5 lanes on."""

WIDE = {"e5m2", "e7m0", "float8_e8m0fnu"}
"""Formats whose sums are so wide that their simulation takes seconds."""

BUILDS = [
    Build("booth", 8, "chains", sums="chains", chain=4),
    Build("recoded", 4, "chains", sums="chains", chain=3),
    Build("rows", 4, "shifted", sums="chains", chain=4),
    Build("digits", 8, "shifted", tree=True, sums="chains", chain=2),
    Build("whole", 4, "shifted", sums="chains", chain=1),
    Build("table", 4, sums="signs"),
    Build("booth", 16, "sums", sums="signs"),
    Build("whole", sums="signs"),
]


def check_dots(pair, builds, lanes, cycles):
    weight, activation = map(parse, pair)
    arithmetic = Arithmetic(weight, activation)
    for number, build in enumerate(builds):
        if fits(build, weight, activation) and (build.product != "recoded" or pair in RECODED):
            count = lanes[number % len(lanes)]
            check_sums(Dot(arithmetic, build, lanes=count, terms=1000 * count), weight, activation, count, cycles)


@pytest.mark.parametrize("pair", [pair for pair in KINDS + SPECIAL_KINDS + RECODED if not WIDE & {*pair}])
def test_what_auto_takes_for_lanes_is_the_golden_sum(pair):
    builds = [
        choose_build(*map(parse, pair), "auto", pipeline=pipeline, family=family, dsp=False, recode=True, lanes=4)
        for pipeline, family in [(0, "xc7"), (2, None), (1, "ice40"), (3, "ice40"), (2, "ecp5")]
    ]
    check_dots(pair, builds, (9, 4, 3, 5, 6), 25)


GATED = [("int3", "int5"), ("uint3", "int4"), ("uint2", "uint3"), ("int4", "int2"), ("e1m3", "int5s"), ("sm3", "int4")]
"""Formats whose products are rows that are there or not."""

SIGNED = [("e2m1", "e3m2"), ("sm4", "e2m1"), ("ue2m2", "e2m1"), ("float8_e5m2", "e2m1")]
"""Formats whose products have their signs apart."""


@pytest.mark.parametrize("pair", [("e2m1", "e3m2"), ("uint3", "ue2m1"), ("float8_e5m2", "int3")])
def test_chains_may_start_at_the_sum_itself(pair):
    build = Build("rows", 4, "shifted", sums="chains", chain=3, onto_sum=True)
    check_dots(pair, [replace(build, pipeline=pipeline) for pipeline in (0, 1, 2, 2)], (2, 3, 7, 9), 40)
    found = [
        choose_build(*map(parse, pair), "auto", pipeline=pipeline, family="xc7", dsp=False, lanes=8).onto_sum
        for pair, pipeline in ((("e6m0", "e6m0"), 2), (("e6m0", "e6m0"), 3), (("e5m2", "e5m2"), 2))
    ]
    assert found == [True, False, False]
    with pytest.raises(ValueError, match="onto_sum must be False where products are not in chains, or registers"):
        replace(build, pipeline=3)


@pytest.mark.parametrize("cell", [None, "CCU2C"])
@pytest.mark.parametrize("pair", GATED + SIGNED)
def test_adders_that_take_in_a_bit_give_the_golden_sum(pair, cell):
    if pair in GATED:
        builds = [
            Build("gated", 4, "chains", sums="gated", chain=3, integers=True, cell=cell),
            Build("gated", 4, "shifted", sums="chains", chain=1, integers=True, cell=cell),
        ]
    else:
        builds = [
            Build("gated", 4, "chains", sums="turned" if cell is None else "signs", chain=3, cell=cell),
            Build("whole", 4, "shifted", sums="turned", chain=2),
        ]
    builds = [replace(build, pipeline=pipeline) for pipeline in (0, 3) for build in builds]
    check_dots(pair, builds, LANES, 40)


@pytest.mark.parametrize("pair", [("int8", "int8"), ("int3", "int6"), ("int4", "e2m1"), ("int2", "int5s")])
def test_digits_that_carry_cells_apply_give_the_golden_sum(pair):
    build = Build("booth", sums="digits", registers="multiples", chain=3, cell="CCU2C", integers=True)
    check_dots(pair, [replace(build, pipeline=pipeline) for pipeline in (2, 3, 0, 2, 1, 3)], LANES, 40)


@pytest.mark.parametrize("chain", [2, 3, 4])
def test_chains_with_a_register_in_their_middle_give_the_golden_sum(chain):
    build = Build("booth", sums="digits", registers="multiples", chain=chain, cell="CCU2C", pipeline=4)
    check_dots(("int8", "int3"), [build] * 5, (1, 2, 4, 7, 9), 40)


def test_every_way_to_add_lanes_may_have_four_stages():
    """As the elements have that stand beside those with digits: with multipliers, and for sums of rows of A."""
    builds = [build for build in (*BUILDS, Build("operator"), Build("rows")) if build.registers != "chains"]
    check_dots(("int4", "int8"), [replace(build, pipeline=4) for build in builds], LANES, 40)
    with pytest.raises(ValueError, match="pipeline must be 0 to 3, not 4"):
        replace(BUILDS[0], pipeline=4)


def test_digits_are_applied_where_neither_luts_nor_registers_are_more_than_before():
    def sums(weight, activation, lanes, sharing, pipeline=2, family="ecp5"):
        how = {"pipeline": pipeline, "family": family, "dsp": False, "recode": True, "lanes": lanes, "sharing": sharing}
        return choose_build(parse(weight), parse(activation), "auto", **how).sums

    assert {sums("int8", "int8", 4, 4), sums("int8", "int8", 8, 1), sums("int4", "e2m1", 4, 4)} == {"digits"}
    # Operands' registers of one sum alone; no register before the adders; numbers without signs; no carry cells.
    others = [
        ("int4", "int4", 4, 1),
        ("int8", "int8", 4, 4, 1),
        ("uint8", "int8", 4, 4),
        ("int8", "int8", 4, 4, 2, "ice40"),
    ]
    assert all(sums(*each) != "digits" for each in others)


@pytest.mark.slow
@pytest.mark.parametrize(("place", "pair"), enumerate(KINDS + SPECIAL_KINDS + RECODED))
def test_every_way_to_add_lanes_is_the_golden_sum(place, pair):
    """A pair has every build at two of four depths. Of three such pairs, each has another number of lanes with them."""
    builds = [replace(build, pipeline=pipeline) for build, pipeline in itertools.product(BUILDS, range(4))]
    shift = place // 2 % 3
    check_dots(pair, builds[place % 2 :: 2], LANES[shift:] + LANES[:shift], 100)


def test_rows_of_one_lane_are_a_sum_too():
    check_dots(("int4", "int8"), [replace(BUILDS[0], pipeline=3)], (1,), 50)


NOT_NEGATIVE = [
    ("uint3", "uint3", 2, 2, "xc7", "auto"),
    ("uint8", "uint8", 4, 3, None, "auto"),
    ("uint4", "uint8", 3, 1, "xcup", "auto"),
    ("uint6", "ue1m1", 9, 2, "xc7", "auto"),
    ("uint8", "uint8", 9, 2, "ecp5", "auto"),
    ("int1", "int1", 2, 3, "ecp5", "booth"),
    ("int1", "int1", 2, 2, "ice40", "booth"),
    ("int1", "int1", 5, 2, "xc7", "booth"),
]


@pytest.mark.parametrize(("weight", "activation", "lanes", "pipeline", "family", "build"), NOT_NEGATIVE)
def test_products_that_are_never_negative_may_all_be_0(weight, activation, lanes, pipeline, family, build):
    """A carry that is still to be added is then one more than the value beside it."""
    formats = parse(weight), parse(activation)
    design = DotDesign(Arithmetic(*formats), lanes=lanes, pipeline=pipeline, family=family, build=build)
    unit, found = design.component(), []
    words = [(0, 0), (0, -1), (-1, 0), (-1, -1), (0, -1)]
    operands = [[code & (1 << format.width) - 1 for code, format in zip(word, formats, strict=True)] for word in words]

    async def testbench(ctx):
        ctx.set(unit.valid, 1)
        ctx.set(unit.first, 1)
        for codes in [*operands, *[operands[0]] * unit.latency]:
            for port, code, format in zip((unit.weight, unit.activation), codes, formats, strict=True):
                ctx.set(port, sum(code << lane * format.width for lane in range(lanes)))
            await ctx.tick()
            found.append(ctx.get(unit.accumulator))

    simulator = Simulator(unit)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    expected = [lanes * formats[0].integer(one) * formats[1].integer(other) for one, other in operands]
    start = unit.latency - 1
    assert found[start : start + len(words)] == expected
