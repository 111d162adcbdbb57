"""Requantizing by float64, where that is exact, beside the long way."""

import sys

import numpy as np
import pytest
from fewbit.formats import Requantization, parse
from fewbit.sim import Exact, requantize


@pytest.mark.parametrize("output", ["int8", "uint4", "e4m3", "e2m1", "float8_e4m3fn", "bfloat16", "float16", "float32"])
@pytest.mark.parametrize("scale", [None, "float32", "bfloat16", "float8_e8m0fnu", "e3m4", "e6m1"])
@pytest.mark.parametrize("relu", [False, True])
def test_the_quick_way_by_float64_gives_what_the_long_one_gives(output, scale, relu, monkeypatch):
    """Bits of all lengths on either side of what float64 holds; scales of every code, and of both signs."""
    random = np.random.default_rng(12)
    for bits in (4, 20, 28, 29, 30, 44, 45, 46, 52):
        sums = random.integers(-(1 << bits), (1 << bits) + 1, 3000) >> random.integers(0, bits, 3000)
        how = Requantization(parse(output), scale=parse(scale) if scale else None, bias_bits=12, relu=relu)
        codes = random.integers(0, 1 << how.scale.width, 3000) if scale else None
        given = {"scale": codes, "bias": random.integers(-2048, 2048, 3000)}
        for exponent in (-4, 0, -140):
            exact = Exact(sums, exponent)
            found = requantize(exact, how, **given)
            with monkeypatch.context() as patch:
                patch.setattr(sys.modules["fewbit.sim.requantize"], "_quick", lambda *arguments: None)
                assert np.array_equal(found, requantize(exact, how, **given))
