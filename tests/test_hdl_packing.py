"""Several products by one multiplication: which packings a block has, that each is exact, and its hardware."""

import itertools
import random
from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.sim import Simulator
from each_of import each_of
from fewbit.families import FAMILIES
from fewbit.formats import Arithmetic, Blocks, Engine, Requantization, parse
from fewbit.hdl import BlockDotDesign, DotDesign, Matmul, MatmulDesign
from fewbit.hdl.products.choose_build import choose_build
from fewbit.hdl.products.decode import decode, is_twos_complement, operand_layout
from fewbit.hdl.products.grid_product import grid_operand, grid_products
from fewbit.hdl.products.packed_product import products_apart, summed_products
from fewbit.hdl.products.packing import (
    ApartPacking,
    GridPacking,
    HalvesPacking,
    SummedPacking,
    factor_bits,
    find_grid,
    find_packing,
    grid_bits,
)
from fewbit.hdl.products.pipeline import Pipeline
from fewbit.hdl.units.block_dot import BlockDot
from trial_elements import Truncated

PACKINGS = {
    ("int4", "int4", "ecp5"): SummedPacking(2, 9, False),
    ("int4", "int4", "ice40"): SummedPacking(2, 9, False),
    ("int2", "int2", "ecp5"): SummedPacking(4, 5, True),
    ("int3", "int3", "ecp5"): SummedPacking(3, 7, False),
    ("int5", "int5", "ice40"): SummedPacking(2, 10, True),
    ("e2m1", "e2m1", "ecp5"): SummedPacking(2, 10, False),
    ("e2m1", "int4", "xc7"): SummedPacking(2, 9, False),
    ("int8", "int4", "xc7"): SummedPacking(2, 13, False),
    ("int8", "int4", "ecp5"): None,
    ("e4m3", "e4m3", "ecp5"): ApartPacking(9),
    ("e5m2", "e4m3", "xc7"): ApartPacking(8),
    ("e4m3", "e4m3", "gowin"): None,
    ("int8", "int8", "ice40"): HalvesPacking(8),
    ("e4m3", "int8", "ice40"): HalvesPacking(8),
    ("int8", "int8", "xc7"): None,
    ("int12", "int8", "ice40"): None,
}
"""What is found for eight lanes, by the formats and the family."""


@each_of("weight, activation, family", PACKINGS)
def test_a_block_holds_as_many_products_as_fit(weight, activation, family):
    found = find_packing(parse(weight), parse(activation), FAMILIES[family].block, 8)
    assert found == PACKINGS[weight, activation, family]


def integers(format):
    """The integers of all bit patterns."""
    if is_twos_complement(format):
        return np.arange(-(1 << format.width - 1), 1 << format.width - 1)
    return np.unique(np.array(format.integers))


SUMMED = [(names, packing) for names, packing in PACKINGS.items() if isinstance(packing, SummedPacking)]
ALL = [pytest.param(*each, marks=pytest.mark.slow if "int8" in each[0] else ()) for each in SUMMED]


@pytest.mark.parametrize(
    "names, packing", SUMMED, ids=lambda value: "-".join(value) if isinstance(value, tuple) else ""
)
def test_a_sum_and_its_borrow_are_exact_for_all_operands(names, packing):
    """Every tuple of operands, by plain integers: what the digits at the place of the sum are worth, and no other."""
    formats = parse(names[0]), parse(names[1])
    block = FAMILIES[names[2]].block
    assert block.holds(*(factor_bits(format, packing) for format in formats))
    n, step = packing.products, packing.step
    weights, activations = (integers(format).astype(np.int64) for format in formats)
    for outer in itertools.product(weights, repeat=n):
        w = np.array(outer)
        a = np.stack(np.meshgrid(*[activations] * n, indexing="ij")).reshape(n, -1)
        first = sum(int(w[k]) << k * step for k in range(n))
        second = sum(a[k] << (n - 1 - k) * step for k in range(n))
        for factor, format in ((np.array([first]), formats[0]), (second, formats[1])):
            limit = 1 << factor_bits(format, packing) - 1
            assert -limit <= factor.min() and factor.max() < limit
        product = first * second
        digits = product >> packing.lsb & (1 << packing.width) - 1
        if packing.overlaps:
            parity = sum(w[k] * a[k - 1] for k in range(1, n)) & 1
            digits ^= parity << packing.step
        signed = digits - (digits >> packing.width - 1 << packing.width)
        borrow = product >> packing.lsb - 1 & 1
        assert np.array_equal(signed + borrow, w @ a)


def sums_of(weight, activation, packing, count, codes):
    """What the hardware makes of each of ``codes``, tuples of weights followed by activations."""
    m = Module()
    inputs = [Signal(format.width) for format in (weight, activation) for _ in range(count)]
    operands = [
        (decode(m, weight, inputs[k], f"w{k}"), decode(m, activation, inputs[count + k], f"a{k}")) for k in range(count)
    ]
    value, carry = summed_products(m, Pipeline(m, ()), packing, weight, activation, operands, False)
    total = Signal(32)
    m.d.comb += total.eq(value + carry)
    return simulated(m, inputs, [total], codes)


def simulated(m, inputs, outputs, codes):
    found = []

    async def bench(ctx):
        for each in codes:
            for signal, code in zip(inputs, each, strict=True):
                ctx.set(signal, code)
            found.append([ctx.get(output) for output in outputs])

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()
    return found


def check_sums(weight, activation, packing, count, codes):
    def integer(format, code):
        return format.integer(code)

    for each, (found,) in zip(codes, sums_of(weight, activation, packing, count, codes), strict=True):
        pairs = zip(each[:count], each[count:], strict=True)
        wanted = sum(integer(weight, w) * integer(activation, a) for w, a in pairs)
        assert found - (found >> 31 << 32) == wanted, each


@pytest.mark.slow
@pytest.mark.parametrize("weight, activation, family", [("int4", "int4", "ecp5"), ("e2m1", "int4", "xc7")])
def test_hardware_of_sums_is_exact_for_all_operands(weight, activation, family):
    packing = PACKINGS[weight, activation, family]
    codes = list(itertools.product(range(16), repeat=4))
    check_sums(parse(weight), parse(activation), packing, 2, codes)


@pytest.mark.parametrize(
    "names, packing", SUMMED, ids=lambda value: "-".join(value) if isinstance(value, tuple) else ""
)
def test_hardware_of_sums_is_exact(names, packing):
    """Random operands and the extreme ones, of as many as fit and of fewer."""
    weight, activation = parse(names[0]), parse(names[1])
    chance = random.Random(3)
    for count in {packing.products, packing.products - 1, 2}:
        ends = [[1 << format.width - 1, (1 << format.width - 1) - 1, 0] for format in (weight, activation)]
        codes = [
            [
                chance.choice(ends[side]) if chance.random() < 0.5 else chance.getrandbits(format.width)
                for side, format in enumerate((weight, activation))
                for _ in range(count)
            ]
            for _ in range(400)
        ]
        check_sums(weight, activation, packing, count, codes)


@pytest.mark.parametrize("bits", [(1, 1), (4, 4), (2, 5)])
def test_products_apart_are_exact_for_all_significands(bits):
    step = sum(bits) + 1
    m = Module()
    pairs = [tuple(Signal(width, name=f"{name}{k}") for name, width in zip("wa", bits, strict=True)) for k in range(2)]
    products = products_apart(m, Pipeline(m, ()), step, pairs)
    inputs = [signal for pair in pairs for signal in pair]
    codes = list(itertools.product(*[range(1 << len(signal)) for signal in inputs]))
    if len(codes) > 4096:
        codes = [*random.Random(1).sample(codes, 3000), tuple((1 << width) - 1 for width in bits * 2)]
    for (w0, a0, w1, a1), found in zip(codes, simulated(m, inputs, products, codes), strict=True):
        assert found == [w0 * a0, w1 * a1]


GRIDS = [
    ("int4", "int4", "xc7", GridPacking(2, 2, "signed", 8, False)),
    ("int4", "int4", "ecp5", GridPacking(2, 2, "magnitudes", 7, False)),
    ("e2m1", "int4", "ecp5", GridPacking(2, 2, "magnitudes", 7, False)),
    ("e2m1", "e2m1", "xc7", GridPacking(2, 2, "signed", 9, False)),
    ("int5", "int5", "xc7", GridPacking(2, 2, "magnitudes", 9, False)),
    ("int8", "int8", "xc7", GridPacking(2, 1, "signed", 16, False)),
    ("int8", "int4", "ecp5", GridPacking(2, 1, "signed", 12, False)),
    ("uint4", "int3", "xcup", GridPacking(2, 2, "signed", 7, False)),
    ("e5m2", "e5m2", "ecp5", GridPacking(2, 2, "significands", 6, False)),
    ("e4m3", "e4m3", "xc7", GridPacking(2, 2, "significands", 8, False)),
]
"""What neighbours in an array share a block by."""


def operands_of(packing, format):
    """All that a factor of a grid may hold of that format."""
    if packing.operands == "significands":
        return np.arange(1 << operand_layout(format)["significand"].width)
    return integers(format) if packing.signed else np.unique(abs(integers(format)))


@each_of("weight, activation, family, packing", GRIDS)
def test_products_of_a_grid_are_exact_for_all_operands(weight, activation, family, packing):
    """Every weight by every activation, by plain integers, with the borrow of what is below."""
    formats = parse(weight), parse(activation)
    block = FAMILIES[family].block
    assert find_grid(*formats, block, 3, 3) == packing
    sides = [operands_of(packing, format).astype(np.int64) for format in formats]
    counts = packing.columns, packing.rows
    steps = packing.weight_step, packing.activation_step
    w, a = ([each.ravel() for each in np.meshgrid(*[side] * n)] for side, n in zip(sides, counts, strict=True))
    factors = [sum(each << k * step for k, each in enumerate(side)) for side, step in zip((w, a), steps, strict=True)]
    for factor, bits in zip(factors, grid_bits(packing, *formats), strict=True):
        assert factor.min() >= (-(1 << bits - 1) if packing.signed else 0)
        assert factor.max() < 1 << bits - packing.signed
    assert block.holds(*grid_bits(packing, *formats), signed=packing.signed)
    for k, first in enumerate(factors[0]):
        product = first * factors[1]
        for column, row in itertools.product(range(packing.columns), range(packing.rows)):
            place = column * steps[0] + row * steps[1]
            digits = product >> place & (1 << packing.step) - 1
            if packing.signed:
                digits -= digits >> packing.step - 1 << packing.step
                digits += product >> place - 1 & 1 if place else 0
            assert np.array_equal(digits, w[column][k] * a[row])


@each_of("weight, activation, family, packing", GRIDS)
def test_hardware_of_grids_is_exact(weight, activation, family, packing):
    """Random codes and the extreme ones: magnitudes or integers, and the products of all of them."""
    formats = parse(weight), parse(activation)
    m = Module()
    sides = [
        [Signal(format.width, name=f"{name}{k}") for k in range(count)]
        for format, name, count in zip(formats, "wa", (packing.columns, packing.rows), strict=True)
    ]
    operands = [
        [grid_operand(m, packing, format, decode(m, format, code, code.name), code.name) for code in codes]
        for format, codes in zip(formats, sides, strict=True)
    ]
    found = grid_products(
        m, Pipeline(m, ()), packing, formats, *[[each.significand for each in side] for side in operands]
    )
    outputs = []
    for row, activation_operand in zip(found, operands[1], strict=True):
        for (value, carry), weight_operand in zip(row, operands[0], strict=True):
            signs = [each.sign for each in (weight_operand, activation_operand) if each.sign is not None]
            exact = Signal(32)
            magnitude = value if carry is None else value + carry
            m.d.comb += exact.eq(Mux(Cat(*signs).xor(), -magnitude, magnitude))
            outputs.append(exact)
    chance = random.Random(5)
    codes = [
        [
            chance.choice((1 << len(code) - 1, (1 << len(code) - 1) - 1, chance.getrandbits(len(code))))
            for code in itertools.chain(*sides)
        ]
        for _ in range(120)
    ]
    for each, products in zip(codes, simulated(m, list(itertools.chain(*sides)), outputs, codes), strict=True):
        values = [
            value_in_grid(packing, format, code)
            for format, code in zip([formats[0]] * packing.columns + [formats[1]] * packing.rows, each, strict=True)
        ]
        w, a = values[: packing.columns], values[packing.columns :]
        assert products == [one * other % (1 << 32) for other in a for one in w]


def value_in_grid(packing, format, code):
    """What a grid multiplies for a code: its integer, or what is still to be shifted."""
    if packing.operands != "significands":
        return format.integer(code)
    fraction, exponent = code & (1 << format.fraction_bits) - 1, code >> format.fraction_bits
    significand = fraction | (exponent & (1 << format.exponent_bits) - 1 != 0) << format.fraction_bits
    return -significand if code >> format.width - 1 else significand


def test_products_apart_never_meet():
    """The greatest coefficients of every step that is chosen leave each other's digits alone."""
    for names, packing in PACKINGS.items():
        if isinstance(packing, ApartPacking):
            w, a = ((1 << operand_layout(parse(name))["significand"].width) - 1 for name in names[:2])
            assert w * a < 1 << packing.step and 2 * w * a < 1 << packing.step


@pytest.mark.parametrize("family", ["ice40", "xc7", "ecp5", "gowin", "nexus"])
def test_where_no_block_is_used_the_build_is_that_of_logic(family):
    names = ("int4", "e2m1", "e3m0", "e1m1", "int2")
    chosen = set()
    for weight, activation in itertools.product(map(parse, names), repeat=2):
        how = {"pipeline": 2, "family": family, "recode": True}
        logic = choose_build(weight, activation, "auto", dsp=False, **how)
        build = choose_build(weight, activation, "auto", dsp=True, **how)
        mixed = choose_build(weight, activation, "auto", dsp=True, mixed=True, **how)
        assert build.dsp or build == mixed == logic
        assert mixed.multipliers == (build if build.dsp else None)
        chosen.add(build.dsp)
    assert False in chosen


def test_what_cannot_wait_for_a_packing_has_none():
    int4, int8 = parse("int4"), parse("int8")
    blocks = Blocks(32, parse("float8_e8m0fnu"), parse("float8_e8m0fnu"))
    stalls = BlockDotDesign(Arithmetic(int8, int8), blocks, lanes=2, family="ice40", dsp=True)
    assert stalls.chosen_build.dsp and stalls.chosen_build.packing is None
    engine = Engine(
        int4, int4, Requantization(parse("float32")), rows=4, columns=2, max_k=64, dataflow="weight_stationary"
    )
    packed = MatmulDesign(engine, family="ecp5", dsp=True).chosen_build
    assert packed.packing is not None
    sums_rows = replace(engine, weight_zero_point=True)
    assert MatmulDesign(sums_rows, family="ecp5", dsp=True).chosen_build.packing is None
    with pytest.raises(ValueError, match="build must have no packing beside a weight_zero_point"):
        Matmul(sums_rows, packed)
    with pytest.raises(ValueError, match="build must have no packing: registers within a vendor's block"):
        BlockDot(Arithmetic(int8, int8), packed, blocks, lanes=2)


def test_kinds_with_products_of_their_own_are_added_as_they_are():
    for formats in (("int4", "int4"), ("e2m1", "e2m1"), ("int8", "int8")):
        arithmetic = Arithmetic(*map(parse, formats), Truncated())
        build = DotDesign(arithmetic, lanes=2, family="xc7").chosen_build
        assert build.sums == "tree" and build.packing is None
