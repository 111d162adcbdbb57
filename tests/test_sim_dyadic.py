"""The codes of integer multipliers and shifts that are nearest to real scales."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from fewbit.formats import parse
from fewbit.sim import decode, dyadic_codes, encode

DYADIC = parse("dyadic16s5")


@pytest.mark.parametrize("name", ["dyadic3s2", "dyadic4s3", "dyadic1s1"])
def test_dyadic_codes_are_the_nearest(name: str) -> None:
    format = parse(name)
    values = sorted({format.value(code) for code in format.codes})
    points = values + [(low + high) / 2 for low, high in pairwise(values)]
    points += [
        point + delta for point in points for delta in (Fraction(1, 999), Fraction(-1, 999)) if point + delta > 0
    ]
    points += [format.max_finite * 100, Fraction(1, 1 << 80)]
    points = [Fraction(float(point)) for point in points]
    for point, code in zip(points, dyadic_codes([float(point) for point in points], format).tolist(), strict=True):
        nearest = min(abs(value - point) for value in values)
        assert abs(format.value(code) - point) == nearest
        _, shift, multiplier = format.fields(code)
        # Normal: the top bit is set, or the shift is the largest; zero is code 0.
        assert multiplier >> format.multiplier_bits - 1 or shift == format.max_shift or code == 0


def test_dyadic_codes_of_scales() -> None:
    values = np.exp2(np.random.default_rng(12).uniform(-12, 12, 1000))
    codes = dyadic_codes(values.reshape(10, 100), DYADIC)
    assert codes.shape == (10, 100) and codes.dtype == np.uint32
    assert np.abs(decode(codes, DYADIC).reshape(-1) / values - 1).max() <= 2.0**-16
    assert dyadic_codes(0.75, parse("dyadic32s6")).tolist() == 3 << 30 | 32 << 32
    assert dyadic_codes([1 << 40], parse("dyadic32s6")).dtype == np.uint64
    assert dyadic_codes(np.float32(1e30), DYADIC) == 0xFFFF
    for bad in (-1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="values must be finite and 0 or more to be dyadic scales"):
            dyadic_codes([1.0, bad], DYADIC)
    with pytest.raises(ValueError, match=r"format must be a dyadic one, .*, not Integer"):
        dyadic_codes([1.0], parse("int8"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="format must be other than the dyadic dyadic16s5, whose codes dyadic_codes"):
        encode([1.0], DYADIC)
