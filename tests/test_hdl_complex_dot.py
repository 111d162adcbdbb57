"""Dot products with complex weights of one bit a part."""

import itertools

import numpy as np
import pytest
from amaranth.sim import Simulator
from fewbit.formats import parse
from fewbit.hdl.elements.complex_dot import ComplexDot
from fewbit.sim.complex_dot import complex_dot


def simulate(dut, words, firsts):
    """The sums after every word: (words, 2)."""
    found = []

    async def testbench(ctx):
        ctx.set(dut.valid, 1)
        for word, first in zip([*words, words[-1], words[-1]], [*firsts, 0, 0], strict=True):
            for port, width, codes in zip(
                (dut.weight, dut.real, dut.imaginary),
                (2, dut.activation.width, dut.activation.width),
                word,
                strict=True,
            ):
                ctx.set(port, sum(int(code) << width * k for k, code in enumerate(codes)))
            ctx.set(dut.first, int(first))
            await ctx.tick()
            found.append((ctx.get(dut.sum_real), ctx.get(dut.sum_imaginary)))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    return np.array(found)[2:]


def test_every_product_is_that_of_the_complex_numbers():
    format = parse("e2m1")
    cases = np.array([*itertools.product(range(4), format.codes, format.codes)])
    value = np.array([format.integer(code) if code in format.codes else 0 for code in range(1 << format.width)])
    expected = np.conj(value[cases[:, 1]] + 1j * value[cases[:, 2]]) * 1j ** cases[:, 0]
    golden = complex_dot(*(cases[:, k : k + 1] for k in range(3)), format)
    np.testing.assert_array_equal(golden[0].integers + 1j * golden[1].integers, np.round(expected))
    found = simulate(ComplexDot(format, 1, 4), cases[:, :, None], [1] * len(cases))
    np.testing.assert_array_equal(found, np.stack([part.integers for part in golden], axis=-1))


@pytest.mark.parametrize(("name", "lanes", "lut_inputs"), [("int8", 9, 6), ("uint4", 5, 4)])
def test_sums_of_lanes_are_the_golden_ones(name, lanes, lut_inputs):
    format, rng = parse(name), np.random.default_rng(lanes)
    words = [(rng.integers(0, 4, lanes), *rng.choice([*format.codes], (2, lanes))) for _ in range(40)]
    firsts = np.arange(40) % 7 == 0
    found = simulate(ComplexDot(format, lanes, 7 * lanes, lut_inputs), words, firsts)
    golden = complex_dot(*map(np.stack, zip(*words, strict=True)), format)
    for part in range(2):
        sums = golden[part].integers
        expected = [sums[k - k % 7 : k + 1].sum() for k in range(40)]
        assert found[:, part].tolist() == expected
