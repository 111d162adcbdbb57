"""Zero points of blocks against the formula, by fractions."""

from fractions import Fraction

import numpy as np
import pytest
from block_reference import E2M1, FP8, SINGLE, finite_codes, multiply, of_exact, random_codes, read, to_float32
from fewbit.formats import Blocks, parse
from fewbit.sim import Exact, block_dot, block_matmul


@pytest.mark.parametrize(("weight", "activation"), [("uint4", "int8"), ("int3", "e2m1")])
@pytest.mark.parametrize("accumulate", ["exact", "float32"])
def test_zero_points_are_those_of_the_formula(weight, activation, accumulate):
    """y = sum over blocks of scales * (sum of a * q - z * sum of a), and not as it is computed."""
    random, formats, k, n = np.random.default_rng(5), (parse(weight), parse(activation)), 40, 3
    how = Blocks(16, FP8, FP8, accumulate, zero_points=True)
    x, y = random_codes(random, formats[1], 2, k), random_codes(random, formats[0], k, n)
    points = random_codes(random, formats[0], 3, n)
    scales = finite_codes(random, FP8, 2, 3), finite_codes(random, FP8, 3, n)
    found = block_matmul(x, y, *scales, formats[1], formats[0], how, weight_zero_point=points)
    if weight == "uint4":  # the top bits of codes and zero points inverted, nothing changes
        signed = block_matmul(x, y ^ 8, *scales, formats[1], parse("int4"), how, weight_zero_point=points ^ 8)
        same = signed.integers == found.integers if isinstance(found, Exact) else signed == found
        assert same.all()
    dots = [
        block_dot(x, y[:, j], scales[0], scales[1][:, j], formats[1], formats[0], how, weight_zero_point=points[:, j])
        for j in range(n)
    ]
    for i, j in np.ndindex(2, n):
        total = Fraction(0)
        for block in range(3):
            part = slice(16 * block, 16 * block + 16)
            a = [read(formats[1], code) for code in x[i, part]]
            q = [read(formats[0], code) for code in y[part, j]]
            one = sum(map(multiply, a, q)) - read(formats[0], points[block, j]) * sum(a)
            total += multiply(one, read(FP8, scales[0][i, block]), read(FP8, scales[1][block, j]))
            total = to_float32(total) if accumulate == "float32" else total
        for result, place in ((found, (i, j)), (dots[j], (i,))):
            assert total == (of_exact(result, *place) if accumulate == "exact" else read(SINGLE, result[place]))


def test_what_zero_points_of_blocks_cannot_be():
    how = Blocks(16, FP8, FP8, zero_points=True)
    for weight, activation, message in (
        (E2M1, E2M1, r"^weight must be int\{N\} or uint\{N\} where blocks have zero points, not e2m1$"),
        (parse("int4"), FP8, r"^activation must have no special values where blocks have zero points, not float8_e4m3"),
    ):
        with pytest.raises(ValueError, match=message):
            how.exact(weight, activation, 16)
    ones = np.ones((1, 1), int)
    with pytest.raises(ValueError, match=r"^weight_zero_point must be given for Blocks"):
        block_matmul(ones, ones, ones, ones, parse("int4"), parse("int4"), how)
