"""Rounding and overflow, exactly, for every format and policy."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..formats import RANDOM_BITS, Format, Integer, Minifloat, Overflow, Rounding, SignMagnitude, Specials
from .codes import code_dtype
from .table_rounding import round_by_table

__all__ = ["Split", "Words", "normalize", "normalize_large", "normalize_pair", "round_to_codes", "split"]

Words = NDArray[np.uint64]
HALF = np.uint64(1 << 63)
FAR = np.int64(1 << 62)
ZERO_EXPONENT = -(1 << 20)  # a zero lies below every format's lsb


_POSITIONAL = (Integer, SignMagnitude, Minifloat)
"""Kinds whose magnitudes in ascending order have consecutive codes; any other is rounded by its table."""


class Split(NamedTuple):
    """Real values taken apart: ``(-1)**negative * significand * 2**exponent``, or NaN, or infinite.

    The significand is uint64, its highest bit set unless the value is 0 or a subnormal float64. It is the exact one, or
    its lowest bit is one and stands for whatever lies below the 64: no format keeps so many, save under ``WRAP``.
    """

    negative: NDArray[np.bool_]
    significand: Words
    exponent: NDArray[np.int64]
    nan: NDArray[np.bool_]
    infinite: NDArray[np.bool_]


def split(values: NDArray[Any]) -> Split:
    """Take float64, int64 or uint64 values apart."""
    if values.dtype.kind == "f":
        bits = values.view(np.uint64)
        exponent = ((bits >> np.uint64(52)) & np.uint64(0x7FF)).astype(np.int64)
        fraction = bits & np.uint64((1 << 52) - 1)
        special = exponent == 0x7FF
        significand = (fraction | (exponent > 0).astype(np.uint64) << np.uint64(52)) << np.uint64(11)
        return Split(
            (bits >> np.uint64(63)).astype(bool),
            np.where(special, np.uint64(0), significand),
            np.maximum(exponent, 1) - (1075 + 11),
            special & (fraction != 0),
            special & (fraction == 0),
        )
    negative = values < 0
    magnitude = values.astype(np.uint64)
    significand, exponent = normalize(np.where(negative, ~magnitude + np.uint64(1), magnitude))
    none = np.zeros(values.shape, dtype=bool)
    return Split(negative, significand, exponent, none, none)


def normalize(words: Words) -> tuple[Words, NDArray[np.int64]]:
    """Significands with their highest bit set and the exponents that make them the integers ``words`` again."""
    # The exponent of float64 tells the bit length, or one more where the conversion rounds up to a power of two.
    length = np.clip((words.astype(np.float64).view(np.int64) >> 52) - 1022, 1, 64)
    significand = words << (64 - length).astype(np.uint64)
    short = significand < HALF
    exponent = np.where(words > 0, length - 64 - short, ZERO_EXPONENT)
    return np.where(short, significand << np.uint64(1), significand), exponent


def normalize_pair(high: Words, low: Words) -> tuple[Words, NDArray[np.int64]]:
    """The same for the integers ``high * 2**64 + low``: what lies below the significand makes its lowest bit one."""
    significand, exponent = normalize(high)
    low_significand, low_exponent = normalize(low)
    long = high > 0
    left = np.where(long, -exponent, 0)
    significand = significand | _shift(low, left - 64) | (_shift(low, left) > 0)
    return np.where(long, significand, low_significand), np.where(long, exponent + 64, low_exponent)


def normalize_large(integers: list[int]) -> tuple[Words, NDArray[np.int64]]:
    """The same for integers of any length."""
    significand = np.zeros(len(integers), dtype=np.uint64)
    exponent = np.full(len(integers), ZERO_EXPONENT)
    for i, integer in enumerate(integers):
        if integer:
            cut = integer.bit_length() - 64
            top = integer >> cut if cut > 0 else integer << -cut
            significand[i] = top | (cut > 0 and integer != top << cut)
            exponent[i] = cut
    return significand, exponent


def round_to_codes(
    values: Split,
    format: Format,
    rounding: Rounding,
    overflow: Overflow,
    random: np.random.BitGenerator | Words | None,
    zero_point: NDArray[np.int64] | None = None,
) -> NDArray[Any]:
    """The codes of ``values``; the caller has checked that the policies suit the format, and that it has NaN if needed.

    Random words in the place of a generator, ``RANDOM_BITS`` each, are those of the hardware: up where the word and the
    first bits of what is cut off, as many, carry. A zero point, for integers, is added before overflow is judged.

    A *position* is how many steps a magnitude lies above the format's least one (0 unless the format has no zero).
    Positions
    are consecutive across binades and go on beyond the largest finite one, as if exponents had no end: rounding decides
    between two positions, and only then are they compared with the format's limits.
    """
    if not isinstance(format, _POSITIONAL):
        return round_by_table(*values, format, rounding, overflow)
    hidden = 0
    if isinstance(format, Minifloat):
        hidden = not format.subnormals
        unit = np.maximum(values.exponent + (63 - format.fraction_bits), format.lsb_exponent)
        first = (unit - (format.lsb_exponent + hidden)).astype(np.uint64) << np.uint64(format.fraction_bits)
    else:
        unit = np.zeros_like(values.exponent)
        first = np.zeros_like(values.significand)
    dropped = unit - values.exponent
    kept = _shift(values.significand, -dropped)
    # The part of a step that is cut off, in units of 2**-64. Bits are lost below that only where it is under one half.
    fraction = _shift(values.significand, 64 - dropped)
    if rounding is Rounding.TIES_TO_EVEN:
        up = (fraction > HALF) | ((fraction == HALF) & (kept & np.uint64(1)).astype(bool))
    elif rounding is Rounding.TOWARD_ZERO:
        up = np.zeros(kept.shape, dtype=bool)
    else:
        assert random is not None
        if isinstance(random, np.ndarray):
            up = (fraction >> np.uint64(64 - RANDOM_BITS)) + random >= np.uint64(1 << RANDOM_BITS)
        else:
            up = _chance(values.significand, fraction, dropped, random)
    position = first + kept + up.astype(np.uint64)
    if overflow is Overflow.WRAP:
        wrapped = np.where(values.negative, ~position + np.uint64(1), position)
        if zero_point is not None:
            wrapped = wrapped + zero_point.astype(np.uint64)
        wrapped = np.where(values.infinite, np.uint64(0), wrapped)
        return (wrapped & np.uint64((1 << format.width) - 1)).astype(code_dtype(format))

    most, least = _limits(format)
    if not format.has_zero:
        # A zero has no sign where the format has none to keep.
        values = values._replace(negative=values.negative & ((values.significand > 0) | values.infinite))
    limit = np.where(values.negative, least, most)
    endless = values.infinite
    if not isinstance(format, Minifloat):
        endless = endless | ((values.significand > 0) & ((dropped < 0) | (position >= HALF)))
    place = np.where(endless, FAR, position.astype(np.int64))
    if zero_point is not None:
        # Places of 63 bits and a zero point would carry out of 64.
        place = np.minimum(place, FAR)
        total = np.where(values.negative, -place, place) + zero_point
        return (total.clip(format.min_integer, format.max_integer) & ((1 << format.width) - 1)).astype(
            code_dtype(format)
        )
    # Below the least value of a format without zero lies zero, which overflows, and positive values, which do not.
    out_of_range = (place > limit) | ((place < 0) & (values.negative | (values.significand == 0)))
    codes = _codes(np.clip(place, 0, np.maximum(limit, 0)), values.negative, format)
    if overflow is Overflow.NAN:
        codes = np.where(out_of_range, _nan_codes(values.negative, format), codes)
    elif overflow is Overflow.INFINITY:
        reachable = out_of_range & (limit > 0)
        codes = np.where(reachable, _codes(np.int64(most + 1), values.negative, format), codes)
    if format.has_nan:
        codes = np.where(values.nan, _nan_codes(values.negative, format), codes)
    return codes.astype(code_dtype(format))


def _shift(words: Words, left: NDArray[np.int64]) -> Words:
    """Shift left by ``left`` places, or right where that is negative; bits that fall off are lost."""
    by = np.minimum(np.abs(left), 63).astype(np.uint64)
    shifted = np.where(left >= 0, words << by, words >> by)
    return np.where(np.abs(left) > 63, np.uint64(0), shifted)


def _chance(
    significand: Words, fraction: Words, dropped: NDArray[np.int64], random: np.random.BitGenerator
) -> NDArray[np.bool_]:
    """True with a probability of ``significand / 2**dropped`` modulo 1, exactly: its digits against random ones."""
    # One word for every element, needed or not: an element's outcome depends on its place and value alone.
    draw = random.random_raw(fraction.size).reshape(fraction.shape)
    up = np.asarray(draw < fraction)
    tied = np.flatnonzero((draw == fraction) & (dropped > 64))
    for word in range(1, 64):
        if not tied.size:
            break
        digit = _shift(significand.flat[tied], 64 * (word + 1) - dropped.flat[tied])
        draw = random.random_raw(tied.size)
        up.flat[tied] = draw < digit
        tied = tied[(draw == digit) & (dropped.flat[tied] > 64 * (word + 1))]
    return up


def _limits(format: Format) -> tuple[int, int]:
    """The positions of the largest finite magnitude above and below zero; -1 where there is neither that nor zero."""
    if not isinstance(format, Minifloat):
        return format.max_integer, -format.min_integer
    top = 1 << format.exponent_bits + format.fraction_bits
    most = top - {Specials.IEEE: (1 << format.fraction_bits) + 1, Specials.FN: 2}.get(format.specials, 1)
    return most, most if format.has_sign else -(not format.has_zero)


def _codes(position: Any, negative: NDArray[np.bool_], format: Format) -> NDArray[Any]:
    """The codes at these positions, within range; a negative zero stays one where the format has it."""
    if isinstance(format, Integer):
        return np.where(negative, -position, position) & ((1 << format.width) - 1)
    sign = negative
    if isinstance(format, Minifloat):
        sign = negative & format.has_sign & ((position > 0) | (format.specials is not Specials.FNUZ))
    else:
        assert isinstance(format, SignMagnitude)
    return np.asarray(position | sign.astype(np.int64) << format.width - 1)


def _nan_codes(negative: NDArray[np.bool_], format: Format) -> NDArray[Any]:
    """The quiet NaN of every sign, as ml_dtypes writes it."""
    assert isinstance(format, Minifloat)
    if format.specials is Specials.FNUZ:
        return np.full(negative.shape, 1 << format.width - 1)
    most, _ = _limits(format)
    # IEEE: infinity comes first, and the fraction's highest bit makes a NaN quiet.
    payload = 1 + (1 << format.fraction_bits - 1) if format.specials is Specials.IEEE else 1
    return _codes(np.int64(most + payload), negative, format)
