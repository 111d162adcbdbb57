"""The element that sums products by exponent: exact, in all units, to the cycle."""

import numpy as np
import pytest
from amaranth.hdl import ResetInserter, Signal
from amaranth.sim import Simulator
from fewbit import sim
from fewbit.formats import Arithmetic, Blocks, element_hints, element_kinds, parse, parse_element
from fewbit.hdl import DotDesign, MacDesign
from fewbit.tb import stimulus
from fewbit.tb.unit import DescribedUnit
from test_hdl_element_kinds import check_cycles, check_engine, engine_of


def design_of(pair, places, *, lanes=3, terms=60, pipeline=2):
    weight, activation = map(parse, pair.split())
    arithmetic = Arithmetic(weight, activation, parse_element(f"bins:places={places}"))
    if lanes == 1:
        return MacDesign(arithmetic, terms=terms, pipeline=pipeline)
    return DotDesign(arithmetic, terms=terms, lanes=lanes, pipeline=pipeline)


def check_stimulus(design, driven):
    """The outputs after every clock edge; gives back how many different sums were compared."""
    component, reset, wrong, seen = design.component(), Signal(), [], set()

    async def testbench(ctx):
        names = [name for name in driven.inputs if name != "rst"]
        for cycle in range(driven.cycles):
            ctx.set(reset, driven.inputs["rst"][cycle])
            for name in names:
                ctx.set(getattr(component, name), driven.inputs[name][cycle])
            await ctx.tick()
            for name, digits in driven.expected.items():
                port = getattr(component, name)
                if digits[cycle] is not None:
                    found = format(ctx.get(port) & (1 << len(port)) - 1, f"0{len(port)}b")
                    seen.add((name, found))
                    if found != digits[cycle]:
                        wrong.append((cycle, name, found, digits[cycle]))

    simulator = Simulator(ResetInserter(reset)(component))
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    assert not wrong, wrong[:3]
    return len(seen)


PAIRS = [
    ("e5m2 e5m2", 4, 3, 2),
    ("float8_e5m2 float8_e5m2", 2, 2, 1),
    ("e7m0 e7m0", 0, 1, 3),
    ("e4m3 int8", 8, 2, 2),
    ("ue4m3 ue2m3", 1, 3, 1),
    ("float8_e8m0fnu e2m1", 16, 1, 2),
]


@pytest.mark.parametrize(("pair", "places", "lanes", "pipeline"), PAIRS)
def test_sums_by_exponent_are_exact_sums(pair, places, lanes, pipeline):
    """Of words as soon as they may come, with resets between them, and of the greatest products of one sign."""
    design = design_of(pair, places, lanes=lanes, pipeline=pipeline)
    unit = DescribedUnit.from_description(design.description())
    rng = np.random.default_rng(5)
    assert check_stimulus(design, stimulus.random_sums(unit, rng, 160, reset_rate=0.02)) > 15
    assert check_stimulus(design, stimulus.extreme_sums(unit)) > 2


def test_an_engine_that_sums_by_exponent_is_the_golden_product_in_the_predicted_cycles():
    engine = engine_of("float8_e5m2 e4m3", "bins:places=8", lanes=2)
    check_engine(engine)
    recovery = engine.arithmetic.recovery
    short, long = check_cycles(engine, [(1, 1, 1), (5, 32, 7)])
    groups = 3 * 3  # of 2 x 3 sums in 5 x 7
    assert long.steady == groups * 16 + (groups - 1) * recovery
    assert short.drain == long.drain
    bound = sim.cycle_limits(engine, 5, 32, 7, {"array": 3, "requantize": 3, "requantize_interval": 1})
    assert bound["array"] == groups * (16 + recovery)


def test_blocks_are_sums_by_exponent():
    blocks = Blocks(16, parse("ue2m1"), parse("ue2m1"), "exact")
    engine = engine_of("e3m2 e3m2", "bins:places=4", lanes=2, max_k=48, blocks=blocks)
    check_engine(engine, [(5, 9, 7), (2, 40, 3)])
    check_cycles(engine, [(3, 40, 4)])


def test_bins_are_at_most_32_where_nothing_is_said():
    bins = {}
    for name in ("e7m0", "e6m1", "e5m2", "e4m3", "e2m1"):
        format, element = parse(name), parse_element("bins")
        bins[name] = element.apart(format, format), element.recovery(format, format)
    assert bins == {"e7m0": (8, 32), "e6m1": (4, 32), "e5m2": (2, 32), "e4m3": (1, 31), "e2m1": (1, 7)}


def test_a_unit_tells_its_recovery_and_has_last_in_the_place_of_first():
    described = design_of("e5m2 e5m2", 4).description()
    assert described["arithmetic"] == {"element": "bins:places=4", "rule": "exact", "recovery": 16}
    names = [port["name"] for port in described["ports"]]
    assert "last" in names and "first" not in names
    assert described["latency"] == 2 + 3 + 16


def test_bins_are_named_where_they_measured_smaller():
    named = [name for name in ("e7m0", "e5m2", "e4m3", "int8") if element_hints(parse(name), parse(name))]
    assert named == ["e7m0", "e5m2"]
    assert "LUT RAM" in element_hints(parse("e5m2"), parse("e5m2"))["bins"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: design_of("e5m2 e5m2", 3), "places must be a power of two up to 64, or 0, not 3"),
        (lambda: design_of("int8 int8", 4), "formats must have an exponent for element bins, not int8 and int8"),
        (lambda: design_of("e2m1 e2m1", 8), "places must make 2 to 64 bins of the exponents of e2m1 x e2m1, not 1"),
        (lambda: design_of("e7m0 e7m0", 1), "places must make 2 to 64 bins of the exponents of e7m0 x e7m0, not 255"),
        (lambda: design_of("e5m2 e5m2", 4, pipeline=0), "pipeline must be 1 or more for elements bins:places=4, not 0"),
    ],
)
def test_what_has_no_bins_is_refused(make, message):
    assert "bins" in element_kinds()
    with pytest.raises(ValueError) as error:
        make()
    assert str(error.value) == message
