"""Requantizing by its definition, one value at a time, with fractions: what tests compare the golden model with."""

from bisect import bisect_left
from fractions import Fraction
from functools import cache
from math import floor
from typing import Any

import numpy as np
from fewbit.formats import Format, Integer, Overflow, Requantization, Rounding, Special
from fewbit.sim import Exact

NAN, UP, DOWN = Special.NAN, Special.POSITIVE_INFINITY, Special.NEGATIVE_INFINITY


@cache
def tables(format: Format) -> tuple[dict[Fraction, int], dict[str, int]]:
    """The codes of a format's values, the positive zero's among them, and of what is not finite."""
    by_value: dict[Fraction, int] = {}
    by_special: dict[str, int] = {}
    for code in format.codes:
        special = format.special(code)
        if special is None:
            by_value.setdefault(format.value(code), code)
        elif special != NAN:
            by_special[special] = code
    if format.has_nan:
        by_special[NAN] = canonical_nan(format)
    return by_value, by_special


class Reference:
    """Requantizing by its definition, one value at a time, with nothing but fractions and a format's list of values."""

    def __init__(self, how: Requantization) -> None:
        self.how, self.format = how, how.output
        self.by_value, self.by_special = tables(how.output)
        self.values = sorted(self.by_value)
        self.magnitudes = sorted({abs(value) for value in self.values})
        self.zero = self.by_value.get(Fraction(0))
        minus_zero = 1 << self.format.width - 1
        is_code_of_zero = self.format.special(minus_zero) is None and not self.format.integer(minus_zero)
        self.minus_zero = minus_zero if is_code_of_zero else self.zero

    def code(self, terms: list[Fraction | str], zero_point: int = 0, word: int = 0) -> int:
        value = multiply(terms)
        if self.how.relu and value != NAN and (value == DOWN or (not isinstance(value, str) and value < 0)):
            value = Fraction(0)
        if value == NAN:
            return self.by_special.get(NAN, self.finite(zero_point) if self.how.zero_point else 0)
        if isinstance(value, str):
            return self.overflow(value == DOWN, None)
        rounded = self.round(value, word) + zero_point
        if rounded == 0 and value < 0 and not self.how.zero_point:
            assert self.minus_zero is not None
            return self.minus_zero
        if value > 0 and not self.by_value.get(Fraction(0)) and rounded < self.values[0] and self.zero is None:
            rounded = self.values[0]
        code = self.by_value.get(Fraction(rounded))
        return self.overflow(rounded < self.values[0] or (value < 0 and rounded < 0), rounded) if code is None else code

    def finite(self, value: int) -> int:
        return self.by_value[Fraction(min(max(value, self.values[0]), self.values[-1]))]

    def round(self, value: Fraction, word: int) -> Fraction:
        """The neighbour that the rounding chooses, of the format's values and of those beyond if it went on."""
        size = abs(value)
        if isinstance(self.format, Integer) or self.format.name.startswith("sm"):
            step = Fraction(1)
        elif size >= self.magnitudes[-1]:
            step = self.magnitudes[-1] - self.magnitudes[-2]
            largest = 2 * step * (1 << self.format.precision - 1)
            # The binade above the largest finite value may have codes, of NaN, or have none: steps double from it on.
            while size >= largest:
                step, largest = 2 * step, 2 * largest
        else:
            index = max(bisect_left(self.magnitudes, size), 1)
            step = self.magnitudes[index] - self.magnitudes[index - 1]
            if size == self.magnitudes[index]:
                return value
            if self.zero is None and size < self.magnitudes[0]:
                return value  # to be the least value
        count, rest = divmod(size, step)
        if self.how.rounding is Rounding.TIES_TO_EVEN:
            count += rest > step / 2 or (rest == step / 2 and count % 2 == 1)
        elif self.how.rounding is Rounding.STOCHASTIC:
            count += floor(rest / step * 65536) + word >= 65536
        return count * step * (-1 if value < 0 else 1)

    def overflow(self, negative: bool, value: Fraction | None) -> int:
        if self.how.overflow is Overflow.WRAP:
            return 0 if value is None else int(value) % (1 << self.format.width)
        if self.how.overflow is Overflow.NAN:
            # Of the value's sign, unlike a NaN that computing gives.
            return self.by_special[NAN] | (negative and self.format.signed) << self.format.width - 1
        if self.how.overflow is Overflow.INFINITY and (not negative or DOWN in self.by_special):
            return self.by_special[DOWN if negative else UP]
        return self.by_value[self.values[0 if negative else -1]]


def canonical_nan(format: Format) -> int:
    """Positive and quiet: the code that a computation's NaN has."""
    if "fnuz" in format.name:
        return 1 << format.width - 1
    nans = [code for code in range(1 << format.width - format.signed) if format.special(code) == NAN]
    return next(code for code in nans if format.signed is False or code & 1 << max(format.precision - 2, 0))


def multiply(terms: list[Fraction | str]) -> Fraction | str:
    specials = [term for term in terms if isinstance(term, str)]
    finite = [term for term in terms if not isinstance(term, str)]
    if NAN in specials or (specials and 0 in finite):
        return NAN
    product = Fraction(1)
    for term in finite:
        product *= term
    if not specials:
        return product
    return DOWN if (product < 0) != (specials.count(DOWN) % 2 == 1) else UP


@cache
def reference(how: Requantization) -> Reference:
    return Reference(how)


def read(format: Format, code: int) -> Fraction | str:
    return format.special(code) or format.value(code)


def expect(
    codes: Any,
    accumulator: list[Fraction | str],
    how: Requantization,
    scale: Any = None,
    tensor_scale: Any = None,
    zero_point: Any = None,
    words: Any = None,
) -> None:
    one = reference(how)
    for i, code in enumerate(codes.tolist()):
        terms = [accumulator[i]]
        terms += [] if scale is None else [read(how.scale, int(scale[i]))]
        terms += [] if tensor_scale is None else [read(how.tensor_scale, int(tensor_scale[i]))]
        zero = 0 if zero_point is None else int(zero_point[i])
        wanted = one.code(terms, zero, 0 if words is None else int(words[i]))
        assert code == wanted, f"{how}: {terms} + {zero} ({i}) gives {code}, not {wanted}"


def sums(random: np.random.Generator, count: int, bits: int, lsb_exponent: int, specials: bool) -> Exact:
    """Sums of any length up to ``bits``, a few of them zero, and a few of them not finite if so wanted."""
    lengths = random.integers(0, bits, count)
    top = [int.from_bytes(random.bytes(-(-bits // 8)), "little") % (1 << int(length)) for length in lengths]
    integers = np.array([-value if value % 3 == 1 else value for value in top], dtype=object)
    integers[:2] = [0, -(1 << bits - 1)]
    masks: list[Any] = [None] * 3
    if specials:
        kind = random.integers(0, 20, count)
        masks = [kind == which for which in range(3)]
        integers[kind < 3] = 0
    return Exact(integers.astype(np.int64) if bits <= 64 else integers, lsb_exponent, *masks)


def real(sums: Exact, bias: Any = None) -> list[Fraction | str]:
    values: list[Fraction | str] = []
    for i, integer in enumerate(sums.integers.tolist()):
        special = [
            name
            for name, mask in ((NAN, sums.nan), (UP, sums.positive_infinity), (DOWN, sums.negative_infinity))
            if mask is not None and mask[i]
        ]
        integer += 0 if bias is None else int(bias[i])
        values.append(special[0] if special else integer * Fraction(2) ** sums.lsb_exponent)
    return values
