"""Elements of other kinds, registered from outside, in everything that computes: against the golden model."""

import json
import pickle
import re

import numpy as np
import pytest
from amaranth.sim import Simulator
from fewbit import sim
from fewbit.boards.link.description import Description
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
from fewbit.hdl import Build, Design, DotDesign, Mac, MatmulDesign, Multiply, hardware_of
from fewbit.tb.engine import read_engine
from test_hdl_matmul import EngineBench, random_inputs
from test_sim_cycles import simulated
from trial_elements import Halves, Truncated, truncated

INT8 = parse("int8")


def sums_of(unit, w, a, valid, first):
    """The accumulator, after every clock edge, of a MAC or dot product with these words, ``interval`` cycles apart."""
    arithmetic, seen = unit.arithmetic, []

    def packed(codes, width):
        return sum(int(code) << lane * width for lane, code in enumerate(codes))

    async def testbench(ctx):
        for word in range(len(valid)):
            for phase in range(arithmetic.interval):
                at = word if phase == 0 else -word  # what stands there between words must not count
                ctx.set(unit.valid, int(valid[word]) if phase == 0 else 0)
                ctx.set(unit.first, int(first[at]))
                ctx.set(unit.weight, packed(w[at], arithmetic.weight.width))
                ctx.set(unit.activation, packed(a[at], arithmetic.activation.width))
                await ctx.tick()
                flags = (ctx.get(getattr(unit, name)) for name in unit.special_names)
                seen.append((ctx.get(unit.accumulator), *flags))

    simulator = Simulator(unit)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    return seen


def check_sums(unit, words=60):
    arithmetic, rng = unit.arithmetic, np.random.default_rng(1)
    w, a = (rng.choice(format.codes, (words, unit.lanes)) for format in (arithmetic.weight, arithmetic.activation))
    valid, first = rng.random(words) < 0.8, rng.random(words) < 0.2
    golden = sim.mac(w, a, arithmetic.weight, arithmetic.activation, valid, first, element=arithmetic.element)
    masks = [getattr(golden, name) for name in unit.special_names]
    expected = [(int(golden.integers[i]), *(int(mask[i]) for mask in masks)) for i in range(words)]
    seen = sums_of(unit, w, a, valid, first)
    late = unit.latency - 1
    known = [each for each in expected for _ in range(arithmetic.interval)]
    assert seen[late:] == known[: len(known) - late] and len(set(expected)) > 10
    assert golden.lsb_exponent == unit.accumulator_format.lsb_exponent == arithmetic.lsb_exponent


@pytest.mark.parametrize("lanes", [1, 3])
@pytest.mark.parametrize("pair", ["int8 int8", "e2m1 uint4", "e3m2 int4s"])
def test_two_cycles_a_product_give_the_exact_sum(pair, lanes):
    arithmetic = Arithmetic(*map(parse, pair.split()), Halves())
    check_sums(Mac(arithmetic, Build("rows"), terms=300, lanes=lanes))


@pytest.mark.parametrize("lanes", [1, 3])
@pytest.mark.parametrize("pair", ["int8 e2m1", "uint4 uint4", "float8_e5m2 float8_e4m3fn"])
@pytest.mark.parametrize("build", [Build("booth", pipeline=0), Build("rows", pipeline=3)])
def test_a_rule_that_changes_products_does_so_in_hardware_and_model(pair, lanes, build):
    check_sums(Mac(Arithmetic(*map(parse, pair.split()), Truncated(3)), build, terms=300, lanes=lanes))


def test_the_multiplier_by_a_rule():
    unit = Multiply(Arithmetic(parse("int4"), parse("e2m1"), Truncated(2)), Build("rows", pipeline=0))
    w, a = (each.ravel() for each in np.meshgrid(range(16), range(16)))
    golden = sim.multiply(w, a, parse("int4"), parse("e2m1"), Truncated(2)).integers.tolist()
    found = []

    async def testbench(ctx):
        for weight, activation in zip(w.tolist(), a.tolist(), strict=True):
            ctx.set(unit.weight, weight)
            ctx.set(unit.activation, activation)
            await ctx.delay(1e-6)
            found.append(ctx.get(unit.product))

    simulator = Simulator(unit)
    simulator.add_testbench(testbench)
    simulator.run()
    exact = [parse("int4").integer(x) * parse("e2m1").integer(y) for x, y in zip(w.tolist(), a.tolist(), strict=True)]
    assert found == golden == [truncated(product, 2) for product in exact]
    assert golden != [product >> 2 for product in exact]


def engine_of(element, formats="int8 int8", **shape):
    defaults = {"rows": 2, "columns": 3, "lanes": 2, "tile_m": 4, "max_k": 32}
    how = Requantization(parse("int16"), scale=parse("dyadic8s4"))
    return Engine(*map(parse, formats.split()), how, **(defaults | shape), element=element)


@pytest.mark.parametrize(
    "engine",
    [
        engine_of(Halves()),
        engine_of(Halves(), "e2m1 int4", lanes=1, outputs=3, scale_per="channel"),
        engine_of(Halves(), "int4 e2m1", max_k=48, blocks=Blocks(16, parse("ue2m1"), parse("ue2m1"), "exact")),
        engine_of(Halves(), "codebook2e-1x3071 bipolar", lanes=3),
        engine_of(Truncated(3), "e2m1 int8"),
        engine_of(Truncated(3), "float8_e5m2 int8", dataflow="weight_stationary", rows=1),
    ],
    ids=[
        "halves",
        "halves by channel",
        "halves in blocks",
        "halves, zero not at 0",
        "truncated",
        "truncated, weight-stationary",
    ],
)
def test_a_matmul_of_other_elements_is_the_golden_product(engine):
    bench, rng = EngineBench(engine), np.random.default_rng(3)
    sizes = [(5, 9, 7), (1, 1, 1), (4, 32, 3)]

    async def testbench(ctx):
        for number, size in enumerate(sizes):
            inputs = random_inputs(engine, rng, *size)
            found, _ = await bench.product(ctx, inputs, stalls=0.3 * number, seed=number)
            np.testing.assert_array_equal(found, sim.engine_matmul(engine, **inputs))

    bench.run(testbench)


@pytest.mark.parametrize("shape", [{}, {"rows": 1, "columns": 1, "tile_m": 2}, {"outputs": 3, "bus_bits": 16}])
def test_cycles_of_an_element_that_takes_two_are_predicted_to_the_cycle(shape):
    design = MatmulDesign(engine_of(Halves(), "int4 int4", **shape))
    sizes = [(1, 1, 1), (5, 32, 7), (9, 7, 4)]
    predicted = [sim.engine_cycles(design.engine, *size, design.latencies) for size in sizes]
    assert simulated(design, sizes) == [each.total for each in predicted]
    large = sim.engine_cycles(
        engine_of(Halves(), rows=8, columns=8, tile_m=64, max_k=1024), 64, 1024, 64, design.latencies
    )
    assert 0.9 < large.utilization < 1
    limits = sim.cycle_limits(design.engine, 9, 7, 4, design.latencies)
    assert limits["array"] == 2 * sim.cycle_limits(engine_of(EXACT, **shape), 9, 7, 4, design.latencies)["array"]


def test_a_design_tells_its_arithmetic():
    design = DotDesign(Arithmetic(INT8, INT8, Halves()), 64, 4)
    assert design == Design("dot", INT8, lanes=4, terms=64, element=Halves()) == pickle.loads(pickle.dumps(design))
    assert design != Design("dot", INT8, lanes=4, terms=64)
    described = json.loads(json.dumps(design.description()))
    assert (described["initiation_interval"], described["latency"]) == (2, 3)
    assert described["arithmetic"] == {"element": "halves", "rule": "exact"}
    assert "4 products weight * activation a word" in described["contract"]
    other = Design("mac", INT8, element=Truncated(3)).description()
    assert other["contract"] == (
        "accumulator = sum of weight * activation since first, by the rule 'truncated', for up to 4096 terms"
    )
    assert other["arithmetic"] == {"element": "truncated:drop=3", "rule": "truncated"}
    assert other["accumulator"]["lsb_exponent"] == 3


def test_an_engines_element_is_in_its_json_and_in_what_a_board_says():
    engine = engine_of(Truncated(3), "e2m1 int8")
    assert read_engine(json.loads(json.dumps(MatmulDesign(engine).description()))) == engine
    text = Description("sim", engine, 12_000_000, 1_000_000).text()
    assert '"element":"truncated:drop=3"' in text and Description.of(text).engine == engine


@pytest.mark.parametrize("element", [EXACT, Halves(), Truncated(5)])
def test_an_element_comes_back_from_its_text(element):
    assert parse_element(str(element)) == element


class Unknown(Element):
    name = "unknown"
    rule = "unknown"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: parse_element("thirds"), f"element must be one of {', '.join(element_kinds())}, not 'thirds'"),
        (lambda: parse_element("truncated:bits=3"), "fields of element truncated must be of drop, not 'bits'"),
        (
            lambda: parse_element("booth_serial:run_time=1"),
            "element booth_serial must be given with digits, not as 'booth_serial:run_time=1'",
        ),
        (lambda: Arithmetic(INT8, INT8, "exact"), "element must be an Element, not 'exact'"),
        (
            lambda: Arithmetic(INT8, parse("float8_e5m2"), Halves()),
            "formats must be finite and of at most 8 bits for halves, not float8_e5m2",
        ),
        (
            lambda: engine_of(Halves(), dataflow="weight_stationary"),
            "dataflow must be output_stationary where a product takes 2 cycles, not 'weight_stationary'",
        ),
        (
            lambda: engine_of(Halves(), weight_zero_point=True),
            "element must be exact with zero points of weights, not 'halves'",
        ),
        (
            lambda: engine_of(Truncated(), blocks=Blocks(16, parse("ue2m1"), parse("ue2m1"))),
            "element must multiply exactly with block scales, not by the rule 'truncated'",
        ),
        (
            lambda: Design("block_dot", INT8, element=Halves(), blocks=Blocks(16, parse("ue2m1"), parse("ue2m1"))),
            "element must be exact and take a word in every cycle with block scales, not 'halves'",
        ),
        (
            lambda: Design("multiply", INT8, element=Halves()),
            "element must be one that has a multiplier alone, not 'halves'",
        ),
        (
            lambda: Design("mac", INT8, element=Halves(), pipeline=0),
            "pipeline must be 1 or more for elements halves, not 0",
        ),
    ],
)
def test_what_an_element_cannot_do_is_refused(make, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        make()


def test_a_kind_without_hardware_or_model_is_refused():
    with pytest.raises(ValueError, match=r"^element must be one that has hardware \(exact, .*\), not 'unknown'$"):
        hardware_of(Arithmetic(INT8, INT8, Unknown()))
    with pytest.raises(ValueError, match=r"^rule must be one that has a model \(exact, .*\), not 'unknown'$"):
        sim.matmul([[1]], [[1]], INT8, INT8, Unknown())
