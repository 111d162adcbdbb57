"""Block-scaled sums by fractions: the reference of the golden model's tests."""

from fractions import Fraction
from typing import Any

import numpy as np
from fewbit.formats import Blocks, Format, Special, parse
from fewbit.sim import Exact, encode

Value = Fraction | float
E2M1, FP8, E5M2, E8M0, SINGLE = (
    parse(name) for name in ("e2m1", "float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu", "float32")
)
NAN_CODE = 0x7FC00000


def read(format: Format, code: int) -> Value:
    special = format.special(int(code))
    return format.value(int(code)) if special is None else float("nan" if special == Special.NAN else special)


def multiply(*factors: Value) -> Value:
    """IEEE 754's product where a factor is not finite, else the exact one."""
    product: Value = Fraction(1)
    for factor in factors:
        if isinstance(product, float) or isinstance(factor, float):
            product = sign(product) * sign(factor)
        else:
            product *= factor
    return product


def sign(value: Value) -> float:
    return value if isinstance(value, float) else float((value > 0) - (value < 0))


def add(one: Value, other: Value) -> Value:
    if isinstance(one, Fraction) and isinstance(other, Fraction):
        return one + other
    return (0.0 if isinstance(one, Fraction) else one) + (0.0 if isinstance(other, Fraction) else other)


def to_float32(value: Value) -> Value:
    """One rounding, ties to even; beyond the largest finite value an infinity."""
    if isinstance(value, float) or value == 0:
        return value
    size, exponent = abs(value), -149
    while size >= Fraction(2) ** (exponent + 24):
        exponent += 1
    count, rest = divmod(size / Fraction(2) ** exponent, 1)
    count += rest > Fraction(1, 2) or (rest == Fraction(1, 2) and count % 2 == 1)
    rounded = count * Fraction(2) ** exponent
    rounded = float("inf") if rounded >= 1 << 128 else rounded
    # A zero that rounding makes has a sign, which shows in the code alone.
    return -rounded if value < 0 else rounded


def code_of(value: Value, before: Value) -> int:
    if value != value:
        return NAN_CODE
    if value == 0:
        return 0x80000000 if before < 0 else 0
    return int(np.float32(float(value)).view(np.uint32))


def reference(
    x: Any, y: Any, x_scale: Any, y_scale: Any, x_format: Format, y_format: Format, how: Blocks, single: bool
) -> Any:
    """One sum, term by term: its exact value, or the code of float32."""
    total, exact = Fraction(0), Fraction(0)
    for start in range(0, len(x), how.size):
        index, block = start // how.size, Fraction(0)
        for one, other in zip(x[start : start + how.size], y[start : start + how.size], strict=True):
            block = add(block, multiply(read(x_format, one), read(y_format, other)))
        addend = multiply(block, read(how.activation_scale, x_scale[index]), read(how.weight_scale, y_scale[index]))
        exact = add(total, addend)
        total = to_float32(exact) if single else exact
    return code_of(total, exact) if single else total


def random_codes(random: np.random.Generator, format: Format, *shape: int) -> Any:
    return random.integers(0, 1 << format.width, shape, dtype=np.uint64).astype(np.int64)


def finite_codes(random: np.random.Generator, format: Format, *shape: int) -> Any:
    """Any code of a finite value, but of scales near one where the format's range is beyond all sums."""
    codes = random_codes(random, format, *shape)
    if format == E8M0:
        return random.integers(110, 145, shape)
    if format == SINGLE:
        values = np.ldexp(random.uniform(1, 2, shape), random.integers(-30, 30, shape))
        return encode(values * random.choice([-1, 1], shape), format)
    special = np.vectorize(lambda code: format.special(int(code)) is not None, otypes=[bool])(codes)
    return np.where(special, 1, codes)


def of_exact(sums: Exact, *index: int) -> Value:
    found = [
        value
        for mask, value in ((sums.nan, "nan"), (sums.positive_infinity, "inf"), (sums.negative_infinity, "-inf"))
        if mask is not None and mask[index]
    ]
    if found:
        assert sums.integers[index] == 0
        return float(*found)
    return int(sums.integers[index]) * Fraction(2) ** sums.lsb_exponent
