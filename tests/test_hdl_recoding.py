"""Tables as sums of few powers of two: what is found, where it is taken, and that every product is right."""

import numpy as np
import pytest
from amaranth.sim import Simulator
from fewbit import sim
from fewbit.formats import Engine, Requantization, Table, catalog, parse
from fewbit.hdl import Build, Design, Matmul
from fewbit.hdl.products.recoding import CONTROLS, recoding
from test_hdl_matmul import EngineBench, random_inputs
from trial_elements import Truncated

ROWS = {
    **{"apot3": 1, "flint3": 1, "bipolar": 1, "nupes3": 2, "bitmod3": 2, "bitmod3m6": 2},
    **{"bitmod4": 2, "bitmod4p5": 2, "bitmod4m8": 2, "flint4": 2, "apot4": 2, "apot5": 3, "flint5": 3, "nupes4": 3},
}


def test_which_tables_have_a_recoding():
    found = {format.name: recoding(format) for format in catalog()}
    rows = {name: how and len(how.exponents) for name, how in found.items()}
    assert {name: rows[name] for name in ROWS} == ROWS
    # 83 and 43 are sums of no fewer than four powers, and NF4's integers are long.
    assert not any(rows[name] for name in ("iq4nl", "nf4_int8", "nf4", "nupes5", "flint6", "int4", "e2m1", "pow2_4"))
    assert recoding(Table("special", (0, 1, 2, "NaN"))) is None


def test_digits_add_up_and_controls_tell_them():
    for format in catalog():
        how = recoding(format)
        if how is None:
            continue
        for code in format.codes:
            digits, controls = how.digits[code], how.controls(code)
            assert sum(digits) == format.integer(code)
            for row, (exponents, digit) in enumerate(zip(how.exponents, digits, strict=True)):
                place, negative = controls >> CONTROLS * row & 3, controls >> CONTROLS * row + 2 & 1
                assert abs(digit) == (1 << exponents[place - 1] if place else 0) and (
                    not digit or negative == (digit < 0)
                )
        assert how.exponents[0][0] == min(min(row) for row in how.exponents)


def test_signs_are_bits_of_the_code_where_they_can_be():
    assert all(recoding(parse(name)).signs[-1] is not None for name in ("flint4", "apot4", "nupes4"))
    for format in (parse("flint4"), parse("apot5")):
        how = recoding(format)
        for row, sign in enumerate(how.signs):
            digits = [how.digits[code][row] for code in format.codes]
            assert sign is None or all(sign.suits(code, digit) for code, digit in enumerate(digits))


def test_auto_takes_it_where_it_has_fewer_rows():
    def product(weight, activation="int8", **parameters):
        return Design("mac", parse(weight), parse(activation), **parameters).chosen_build.product

    assert {product(name) for name in ("bitmod4", "flint4", "apot4", "nupes4", "apot5", "flint5")} == {"recoded"}
    assert {product(name) for name in ("iq4nl", "nf4_int8", "nf4", "int8")} == {"booth"}
    # Only weights are recoded, and only for another operand that is long enough.
    assert product("int8", "flint4") == product("flint4", "int4") == "booth"
    assert product("flint4", build="booth") == "booth" and product("flint4", dsp=True) == "operator"
    with pytest.raises(ValueError, match=r"^product must be one of whole, recoded, gated, table, .*, not 'recode'$"):
        Build("recode")


@pytest.mark.parametrize(
    "pair", ["bitmod4 int5", "bitmod4m8 e2m3", "flint4 int8", "apot4 sm5", "nupes4 int7", "flint5 int6"]
)
def test_every_pair_of_codes_multiplies_to_its_product(pair):
    weight, activation = map(parse, pair.split())
    unit = Design("multiply", weight, activation, pipeline=0).component()
    unit.build = Build("recoded", pipeline=0)
    pairs = [(w, a) for w in range(1 << weight.width) for a in range(1 << activation.width)]
    golden = sim.multiply(*map(np.array, zip(*pairs, strict=True)), weight, activation)

    async def testbench(ctx):
        for (w, a), integer in zip(pairs, golden.integers.tolist(), strict=True):
            ctx.set(unit.weight, w)
            ctx.set(unit.activation, a)
            await ctx.delay(1e-9)
            assert ctx.get(unit.product) == integer, (w, a)

    simulator = Simulator(unit)
    simulator.add_testbench(testbench)
    simulator.run()


@pytest.mark.parametrize("dataflow", ["output_stationary", "weight_stationary"])
def test_an_array_decodes_the_digits_at_its_edge(dataflow):
    how = Requantization(parse("int16"), scale=parse("dyadic8s4"))
    shape = {"rows": 2, "columns": 3, "lanes": 2, "tile_m": 4, "max_k": 32, "dataflow": dataflow}
    engine = Engine(parse("bitmod4"), parse("int8"), how, **shape)
    build = Design.matmul(engine).chosen_build
    assert build.product == "recoded"
    bench, rng = EngineBench(engine), np.random.default_rng(3)
    bench.dut = Matmul(engine, build)

    async def testbench(ctx):
        for size in ((5, 9, 7), (4, 32, 3)):
            inputs = random_inputs(engine, rng, *size)
            found, _ = await bench.product(ctx, inputs)
            np.testing.assert_array_equal(found, sim.engine_matmul(engine, **inputs))

    bench.run(testbench)


def test_what_needs_significands_has_them():
    """Elements with rules of their own, and arrays of which a part multiplies by DSP blocks."""
    formats = parse("flint4"), parse("int8")
    assert Design("mac", *formats, element=Truncated(3)).chosen_build.product == "booth"
    engine = Engine(*formats, Requantization(parse("int8")), rows=2, columns=2)
    for elements, product in ((None, "recoded"), (1, "booth")):
        design = Design.matmul(engine, dsp=elements is not None, dsp_elements=elements, family="ice40")
        assert design.chosen_build.product == product
