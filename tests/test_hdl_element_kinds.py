"""The kinds of element that come with fewbit, in all units, against their golden models."""

import re

import numpy as np
import pytest
from amaranth.hdl import Module, Signal
from amaranth.sim import Simulator
from fewbit import sim
from fewbit.formats import (
    EXACT,
    Arithmetic,
    Blocks,
    Element,
    Engine,
    Requantization,
    element_kinds,
    parse,
    parse_element,
)
from fewbit.formats.elements.serial import twos_complement_bits
from fewbit.hdl import Build, Mac, MacDesign, MatmulDesign
from fewbit.hdl.products.choose_build import choose_build
from test_hdl_elements import check_sums, sums_of
from test_hdl_matmul import EngineBench, random_inputs
from test_sim_cycles import simulated


def arithmetic_of(pair, element):
    return Arithmetic(*map(parse, pair.split()), parse_element(element))


def engine_of(pair, element, **shape):
    defaults = {"rows": 2, "columns": 3, "lanes": 5, "tile_m": 4, "max_k": 40}
    defaults["requantization"] = Requantization(parse("int16"), scale=parse("dyadic8s4"))
    return Engine(*map(parse, pair.split()), **(defaults | shape), element=parse_element(element))


def check_engine(engine, sizes=((5, 9, 7), (1, 1, 1), (4, 40, 3))):
    bench, rng = EngineBench(engine), np.random.default_rng(3)

    async def testbench(ctx):
        for number, size in enumerate(sizes):
            inputs = random_inputs(engine, rng, *size)
            found, _ = await bench.product(ctx, inputs, stalls=0.3 * number, seed=number)
            np.testing.assert_array_equal(found, sim.engine_matmul(engine, **inputs))

    bench.run(testbench)


def check_cycles(engine, sizes=((1, 1, 1), (5, 32, 7), (9, 7, 4)), **parameters):
    design = MatmulDesign(engine)
    predicted = [sim.engine_cycles(engine, *size, design.latencies, **parameters) for size in sizes]
    assert simulated(design, list(sizes), **parameters) == [each.total for each in predicted]
    return predicted


BITS = [f"{w} {a}" for w in ("uint1", "bipolar") for a in ("uint1", "bipolar")]


@pytest.mark.parametrize("pair", BITS)
@pytest.mark.parametrize(("lanes", "pipeline", "lut_inputs"), [(16, 1, 6), (7, 2, 4), (33, 3, 6)])
def test_counts_of_ones_are_sums_of_products_of_bits(pair, lanes, pipeline, lut_inputs):
    build = Build("rows", pipeline=pipeline, lut_inputs=lut_inputs)
    check_sums(Mac(arithmetic_of(pair, "popcount"), build, terms=64 * 80, lanes=lanes))


@pytest.mark.parametrize("pair", ["uint1 uint1", "bipolar bipolar"])
def test_every_word_of_eight_pairs_of_bits_is_counted(pair):
    """All 65,536 words, by the counters as they are, one after the other."""
    from fewbit.hdl.elements.popcount import AND, XNOR
    from fewbit.hdl.products.counters import count_pairs

    m, word = Module(), Signal(16)
    table = XNOR if pair == "bipolar bipolar" else AND
    first, second = count_pairs(m, [(word[2 * k], word[2 * k + 1]) for k in range(8)], table, 6)
    total = Signal(5)
    m.d.comb += total.eq(first + second)
    found = []

    async def testbench(ctx):
        for code in range(0, 1 << 16, 1 if pair == "bipolar bipolar" else 67):
            ctx.set(word, code)
            found.append(ctx.get(total) == sum(table[code >> 2 * k & 3] for k in range(8)))

    simulator = Simulator(m)
    simulator.add_testbench(testbench)
    simulator.run()
    assert len(found) > 900 and all(found)


@pytest.mark.parametrize("pair", BITS)
def test_an_engine_of_counters_leaves_lanes_out_even_where_no_format_has_a_zero(pair):
    engine = engine_of(pair, "popcount")
    check_engine(engine)
    check_cycles(engine)


def test_an_engine_of_signs_needs_an_element_that_can_leave_lanes_out():
    with pytest.raises(ValueError, match=r"^one of the formats must have a zero to fill up"):
        engine_of("bipolar bipolar", "exact")


def serial(pair):
    """The exact elements that take these formats by digits and by bits, as their texts."""
    bits = [twos_complement_bits(parse(name)) for name in pair.split()]
    return [f"booth_serial:digits={-(-bits[0] // 2)}", f"bit_serial:weight_bits={bits[0]},activation_bits={bits[1]}"]


SERIAL = ["int8 int8", "int2 e2m1", "e2m1 uint4", "ternary int4"]


@pytest.mark.parametrize(("lanes", "pipeline", "lut_inputs"), [(3, 1, 6), (9, 2, 6), (5, 3, 4)])
@pytest.mark.parametrize(("pair", "kind"), [(pair, kind) for pair in SERIAL for kind in range(2)])
def test_digits_and_bits_one_after_the_other_give_the_exact_sum(pair, kind, lanes, pipeline, lut_inputs):
    build = Build("rows", pipeline=pipeline, lut_inputs=lut_inputs)
    check_sums(Mac(arithmetic_of(pair, serial(pair)[kind]), build, terms=400, lanes=lanes), words=30)


@pytest.mark.parametrize(("digits", "drop"), [(3, 1), (2, 2), (1, 3)])
def test_the_highest_digits_alone_are_weights_rounded_to_nearest(digits, drop):
    arithmetic = arithmetic_of("int8 int4", f"booth_rounded:digits={digits},drop={drop}")
    codes = np.arange(256)
    integers = np.where(codes < 128, codes, codes - 256)
    expected = np.floor(integers / 4**drop + 0.5).astype(int)
    golden = sim.multiply(codes[:, None], np.arange(16), arithmetic.weight, arithmetic.activation, arithmetic.element)
    np.testing.assert_array_equal(golden.integers, expected[:, None] * ((np.arange(16) + 8) % 16 - 8))
    assert golden.lsb_exponent == arithmetic.lsb_exponent == 2 * drop
    assert arithmetic.product_range == (golden.integers.min(), golden.integers.max())
    check_sums(Mac(arithmetic, Build("rows"), terms=400, lanes=3), words=40)


@pytest.mark.parametrize("kind", range(3))
def test_an_engine_of_serial_elements_is_the_golden_product_in_the_predicted_cycles(kind):
    element = [*serial("int4 ternary"), "booth_rounded:digits=1,drop=1"][kind]
    engine = engine_of("int4 ternary", element)
    check_engine(engine, [(5, 9, 7), (4, 40, 3)])
    check_cycles(engine, [(1, 1, 1), (5, 12, 7)])


def test_a_register_says_how_many_digits_count_and_cycles_follow():
    engine = engine_of("int8 int4", "booth_serial:digits=4,run_time=1", lanes=2)
    check_engine(engine, [(5, 9, 7), (4, 40, 3), (2, 3, 3), (3, 5, 2)])
    whole, half = (check_cycles(engine, [(5, 12, 7), (9, 40, 4)], dropped_digits=d) for d in (0, 2))
    assert 1.9 < whole[1].steady / half[1].steady < 2.1


def test_a_register_that_says_that_no_digit_counts_leaves_one():
    """Three digits and a register of two bits: 3 is as 2, and the engine comes to its end."""
    engine = engine_of("int5 int4", "booth_serial:digits=3,run_time=1", rows=1, columns=2, lanes=1)
    bench = EngineBench(engine)
    inputs = random_inputs(engine, np.random.default_rng(2), 2, 4, 3)

    async def testbench(ctx):
        found, _ = await bench.product(ctx, {**inputs, "dropped_digits": 3})
        np.testing.assert_array_equal(found, sim.engine_matmul(engine, **{**inputs, "dropped_digits": 2}))

    bench.run(testbench)


def test_without_low_digits_sums_are_those_of_fewer_bits():
    """The high half of an int8 whose low half is below a half is the int4 that is stored in it."""
    engine = engine_of("int8 int4", "booth_serial:digits=4,run_time=1", requantization=Requantization(parse("float32")))
    rng = np.random.default_rng(7)
    int4, a = rng.integers(-8, 8, (9, 3)), rng.integers(0, 16, (2, 9))
    stored = int4 * 16 + rng.integers(-8, 8, int4.shape)
    stored = np.clip(stored, -128, 127)
    found = sim.engine_matmul(engine, a, stored & 255, dropped_digits=2)
    sums = ((a + 8) % 16 - 8) @ int4
    np.testing.assert_array_equal(found.view(np.uint32), sums.astype(np.float32).view(np.uint32))


LATENCIES = {"array": 3, "requantize": 3, "requantize_interval": 1}
LMUL = ["e4m3", "e2m1", "ue3m4"]


@pytest.mark.parametrize(("lanes", "pipeline"), [(3, 0), (5, 3)])
@pytest.mark.parametrize("wide", [0, 1])
@pytest.mark.parametrize("format", LMUL)
def test_sums_by_lmul_are_those_of_the_rule(format, wide, lanes, pipeline):
    arithmetic = arithmetic_of(f"{format} {format}", f"lmul:wide={wide}")
    build = choose_build(arithmetic.weight, arithmetic.activation, "auto", pipeline=pipeline, family=None, dsp=False)
    check_sums(Mac(arithmetic, build, terms=400, lanes=lanes), words=40)


@pytest.mark.parametrize(
    ("format", "wide"), [("e3m4", 1), ("ue2m5", 1), ("e2m3b0", 0), ("e2m3b-9", 0), ("e2m2b9", 0), ("e2m2b33", 0)]
)
def test_the_greatest_fields_and_the_farthest_biases_go_by_the_rule(format, wide):
    """Two greatest fields and what is added to them have a bit more than their sum where the fraction is long."""
    arithmetic = arithmetic_of(f"{format} {format}", f"lmul:wide={wide}")
    most = (1 << arithmetic.weight.width - arithmetic.weight.has_sign_bit) - 1
    codes = [0, 1 << arithmetic.weight.fraction_bits, most // 2, most - 1, most]
    w, a = (each.ravel() for each in np.meshgrid(codes, codes))
    golden = sim.multiply(w, a, arithmetic.weight, arithmetic.activation, arithmetic.element).integers.tolist()
    build = choose_build(arithmetic.weight, arithmetic.activation, "auto", pipeline=0, family=None, dsp=False)
    always = np.ones(len(w), bool)
    seen = sums_of(Mac(arithmetic, build, terms=1), w[:, None], a[:, None], always, always)
    assert [found for found, *_ in seen] == golden


@pytest.mark.parametrize("wide", [0, 1])
@pytest.mark.parametrize("name", ["e4m3", "e3m2"])
def test_lmul_adds_fields(name, wide):
    """Against the rule in floating point: ``(1 + x + y + 2**-l) * 2**(ex + ey)``, in which a sum of fractions that
    reaches 1 goes into the exponent."""
    format = parse(name)
    golden = sim.multiply(
        format.codes, np.array(format.codes)[:, None], format, format, parse_element(f"lmul:wide={wide}")
    )
    m = format.fraction_bits
    most = (1 << format.width - 1) - 1
    for x in format.codes:
        for y in format.codes:
            (ex, fx), (ey, fy) = (divmod(code & most, 1 << m) for code in (x, y))
            expected = 0.0
            if ex and ey:
                carried, fraction = divmod(fx / 2**m + fy / 2**m + 2.0 ** -(m if m <= 3 else 4), 1)
                exponent = ex + ey - 2 * format.bias + int(carried)
                expected = (1 + fraction) * 2.0**exponent
                if not wide:
                    expected = min(expected, float(format.value(most))) if exponent >= 1 - format.bias else 0.0
            expected *= -1 if (x ^ y) > most else 1
            assert golden.to_float()[y, x] == expected


def test_an_engine_of_lmul_is_the_golden_product():
    check_engine(engine_of("e4m3 e4m3", "lmul", lanes=2), [(5, 9, 7)])
    check_engine(engine_of("e2m1 e2m1", "lmul:wide=1", lanes=2, dataflow="weight_stationary", rows=1), [(5, 9, 7)])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: arithmetic_of("int2 uint1", "popcount"),
            "formats must be uint1 or bipolar for element popcount, not int2",
        ),
        (
            lambda: arithmetic_of("int8 int8", "booth_serial:digits=3"),
            "digits, and drop, must make the 4 digits of int8, not 3",
        ),
        (
            lambda: arithmetic_of("int8 int8", "booth_rounded:digits=4,drop=0"),
            "drop must be 1 or more, not 0",
        ),
        (
            lambda: arithmetic_of("int4 float8_e5m2", "booth_serial:digits=2"),
            "formats must be finite and of at most 12 bits for element booth_serial, not float8_e5m2",
        ),
        (
            lambda: arithmetic_of("int4 uint4", "bit_serial:weight_bits=4,activation_bits=4"),
            "activation_bits must be the 5 of the integers of uint4, not 4",
        ),
        (
            lambda: arithmetic_of("e4m3 e5m2", "lmul"),
            "formats must be one finite minifloat of at most 8 bits for element lmul, not e4m3 and e5m2",
        ),
        (
            lambda: engine_of(
                "int8 int8",
                "booth_serial:digits=4,run_time=1",
                lanes=1,
                blocks=Blocks(16, parse("ue2m1"), parse("ue2m1")),
            ),
            "element must leave out no digits at run time with block scales or a dma, not "
            "'booth_serial:digits=4,run_time=1'",
        ),
        (
            lambda: sim.engine_cycles(engine_of("int8 int8", "exact"), 1, 1, 1, LATENCIES, dropped_digits=1),
            "dropped_digits must be 0 to 0, not 1",
        ),
        (lambda: arithmetic_of("int8 int8", "window:bits=1"), "bits must be 2 to 64, not 1"),
        (
            lambda: MatmulDesign(engine_of("int8 int8", "window:bits=9", dataflow="weight_stationary")),
            "dataflow must be output_stationary for elements window:bits=9,drop=0, not 'weight_stationary'",
        ),
        (lambda: arithmetic_of("e4m0 e4m0", "lmul"), "formats must have fraction bits for element lmul, not e4m0"),
        (
            lambda: parse_element("booth_rounded:digits=2,drop=x"),
            "drop of element booth_rounded must be an integer, not 'x'",
        ),
        (lambda: parse_element("booth_serial:digits"), "digits of element booth_serial must be an integer, not ''"),
        (lambda: parse_element("lmul:wide=--1"), "wide of element lmul must be an integer, not '--1'"),
        (
            lambda: arithmetic_of("int8 int8", "floating:exponent_bits=6,fraction_bits=3"),
            "exponent_bits must be 1 to 5, not 6",
        ),
        (
            lambda: arithmetic_of("e5m2 e5m2", "floating:exponent_bits=4,fraction_bits=3"),
            "products and sums must be of at most 60 bits for element floating, not 66",
        ),
        (
            lambda: arithmetic_of("int2 int9", "floating:exponent_bits=4,fraction_bits=3"),
            "formats must be finite and of at most 8 bits for element floating, not int9",
        ),
        (
            lambda: arithmetic_of("int8 int2", "table"),
            "activation must be ternary, bipolar or uint1 for element table, not int2",
        ),
        (
            lambda: arithmetic_of("float8_e5m2 ternary", "table"),
            "weight must be finite and of at most 12 bits for element table, not float8_e5m2",
        ),
        (
            lambda: engine_of("int8 ternary", "table", lanes=4, dataflow="weight_stationary"),
            "lanes must be a multiple of 3 for int8 x ternary by table, not 4",
        ),
        (
            lambda: MatmulDesign(engine_of("int8 ternary", "table", lanes=3)),
            "dataflow must be weight_stationary for elements table, not 'output_stationary'",
        ),
        (
            lambda: MacDesign(arithmetic_of("int8 ternary", "table"), 9),
            "unit must be matmul for elements table, whose tables are filled for many words",
        ),
    ],
)
def test_what_a_kind_cannot_do_is_refused(make, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        make()


def test_kinds_are_found_by_their_files():
    assert {"exact", "popcount"} <= {*element_kinds()}
    assert all(isinstance(parse_element("popcount"), Element) for _ in range(2)) and parse_element("exact") == EXACT
