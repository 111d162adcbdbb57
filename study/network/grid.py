"""Rounding whole tensors to a format's values, in float32: to codes by the golden model's tables, or at once."""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...formats import Format, Integer, Minifloat, SignMagnitude
from ...sim import decode, encode

__all__ = ["codes", "floats", "round_to", "values"]

Array = NDArray[Any]

NARROW = 4
"""Formats of so many bits have so few values that it is quicker to compare with what is between them all."""
CHUNK, PART = 1 << 15, 1 << 16
"""Codes that are looked up, and values that are rounded, at a time. NumPy makes 64-bit indices of codes; what is worked
on stays in the processor's cache."""


def codes(tensor: Array, format: Format) -> Array:
    """The codes of the nearest values, ties to even, at most the largest; NaN becomes 0 where the format has none."""
    if not format.has_nan and tensor.size and np.isnan(tensor.max()):
        tensor = np.nan_to_num(tensor, nan=0.0, posinf=np.inf, neginf=-np.inf)
    return encode(tensor, format)


def values(tensor: Array, format: Format) -> NDArray[np.float32]:
    """The values of codes. Exact: formats of the study have far fewer bits than float32."""
    flat, found = tensor.reshape(-1), np.empty(tensor.shape, np.float32)
    table, whole = _table(format), found.reshape(-1)
    for start in range(0, flat.size, CHUNK):
        part = slice(start, start + CHUNK)
        table.take(flat[part], out=whole[part], mode="wrap")  # which needs no pass to check the range
    return found


def round_to(
    tensor: Array, format: Format, divisor: Array | None = None, room: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """The nearest values of a format: those of ``codes``, of which a zero may have the other sign.

    Float32 is rounded without a table where the format allows it. That takes a fifth of the time.

    Parameters
    ----------
    divisor: what the tensor is divided by before, float32, of a shape that broadcasts to the tensor's
    room: what the result may be written into, at least as many values as the tensor has: fresh memory costs a page
        fault for every few values, and as much time as the rounding
    """
    steps = _steps(format)
    if steps is None and tensor.dtype == np.float32 and format.width <= NARROW and format.finite:
        return _by_thresholds(tensor if divisor is None else tensor / divisor, format)
    if divisor is not None and (steps is None or divisor.ndim):
        tensor, divisor = tensor / divisor, None
    if steps is None or tensor.dtype != np.float32:
        return values(codes(tensor if divisor is None else tensor / divisor, format), format)
    flat = np.ascontiguousarray(tensor).reshape(-1)
    whole = np.empty(flat.size, np.float32) if room is None else room[: flat.size]
    scratch = np.empty(min(flat.size, PART), np.uint32)
    for start in range(0, flat.size, PART):
        part, source = whole[start : start + PART], flat[start : start + PART]
        if divisor is not None:
            source = np.divide(source, divisor, out=part)
        # the bits of a negative number and of NaN are more than those of any other
        positive = source.view(np.uint32).max() <= steps.inside
        if not positive:
            source.clip(steps.least, steps.most, out=part)
            lowest = part.min()
            positive = lowest >= 0
            if not format.has_nan and np.isnan(lowest):
                np.nan_to_num(part, copy=False)
        elif divisor is None:
            part[:] = source
        if not steps.above:
            np.rint(part, out=part)
        elif steps.shift and positive:
            _round_magnitudes(part, steps, scratch[: part.size])
        else:
            _round(part, steps, scratch[: part.size])
    return whole.reshape(tensor.shape)


def _round(part: NDArray[np.float32], steps: "_Steps", scratch: NDArray[np.uint32]) -> None:
    """Round to the steps of a minifloat, in place: adding and subtracting a number rounds to its lowest bit.

    The number is half as much again as the power of two at which float32 has the format's steps.
    """
    bits = np.bitwise_and(part.view(np.uint32), _EXPONENT, out=scratch)
    bits.clip(steps.subnormal, _EXPONENT, out=bits)  # thrice as fast as maximum
    bits += steps.above
    magic = bits.view(np.float32)
    part += magic
    part -= magic


def _round_magnitudes(part: NDArray[np.float32], steps: "_Steps", scratch: NDArray[np.uint32]) -> None:
    """The same for numbers that are not negative, in a pass less.

    Each is subtracted from itself times a power of two, whose lowest bit is then worth a step. At a tie, that bit is
    0, so the even neighbour is taken. Just above a power of two, the difference has another bit, but rounds the same.
    """
    bits = np.add(part.view(np.uint32), steps.shift, out=scratch)
    bits.clip(steps.shifted, _FINITE, out=bits)
    magic = bits.view(np.float32)
    np.subtract(magic, part, out=part)
    np.subtract(magic, part, out=part)


def _by_thresholds(tensor: Array, format: Format) -> NDArray[np.float32]:
    """The nearest values of a finite format, by counting how many of the thresholds between them a number reaches."""
    thresholds, table = _thresholds(format)
    flat, found = np.ascontiguousarray(tensor).reshape(-1), np.empty(tensor.shape, np.float32)
    whole, reached = found.reshape(-1), np.empty(min(flat.size, PART), np.uint8)
    for start in range(0, flat.size, PART):
        source = flat[start : start + PART]
        if np.isnan(source.max()):
            source = np.nan_to_num(source, nan=0.0, posinf=np.inf, neginf=-np.inf)
        count = reached[: source.size]
        count[:] = 0
        for threshold in thresholds:
            count += (source >= threshold).view(np.uint8)
        table.take(count, out=whole[start : start + PART], mode="wrap")
    return found


@lru_cache(maxsize=256)
def _thresholds(format: Format) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The least float32 numbers that are rounded to the second and to each further value, and all values in order."""
    table = np.unique(_table(format))
    middles = (table[:-1].astype(np.float64) + table[1:]).astype(np.float32)
    middles /= 2  # float32 has it, or is one step away
    below, above = (np.nextafter(middles, np.float32(end)) for end in (-np.inf, np.inf))
    thresholds = above
    for tried in (middles, below):
        thresholds = np.where(values(codes(tried, format), format) == table[1:], tried, thresholds)
    return thresholds, table


class _Steps(NamedTuple):
    """The range of a format, and where its steps are those of float32.

    Members
    -------
    least, most: the ends of the range
    inside: the bits of a number that is rounded to the largest one, or to a smaller one without being clipped
    subnormal: the bits of the power of two below which steps stay the same
    above: what is to be added to the bits of a power of two; 0 for integers
    shift: what is to be added to the bits of a number to multiply it by the power of two that has its steps; 0 where
        ``_round_magnitudes`` cannot round
    shifted: the bits of the least of such products
    """

    least: np.float32
    most: np.float32
    inside: np.uint32
    subnormal: np.uint32
    above: np.uint32
    shift: np.uint32 = np.uint32(0)
    shifted: np.uint32 = np.uint32(0)


_EXPONENT, _FINITE = np.uint32(0x7F800000), np.uint32(0x7F7FFFFF)
_HALF = 1 << 22


@lru_cache(maxsize=256)
def _steps(format: Format) -> _Steps | None:
    """None for a format that has to be rounded by its table."""
    if not format.has_zero or not isinstance(format, Integer | Minifloat | SignMagnitude):
        return None
    if format.reach >= 2.0**128:
        return None
    ends = (np.float32(float(format.min_finite)), np.float32(float(format.max_finite)))
    if not isinstance(format, Minifloat):
        return _Steps(*ends, _inside(float(ends[1]), 1.0), np.uint32(0), np.uint32(0))
    fraction, lowest = format.fraction_bits, format.lsb_exponent + format.fraction_bits
    top = int(np.frexp(ends[1])[1]) - 1
    inside = _inside(float(ends[1]), 2.0 ** (top - fraction))
    if fraction > 21 or lowest <= -126 or top + 23 - fraction > 126:
        return None
    subnormal, shift = lowest + 127 << 23, 23 - fraction << 23
    above = shift + _HALF
    if fraction > 10:
        return _Steps(*ends, inside, np.uint32(subnormal), np.uint32(above))
    return _Steps(*ends, inside, np.uint32(subnormal), np.uint32(above), np.uint32(shift), np.uint32(subnormal + above))


def _inside(most: float, step: float) -> np.uint32:
    """The bits of what lies a quarter of a step above the largest number, where float32 has such quarters."""
    return np.float32(most + step / 4 if most < 2.0**20 * step else most).view(np.uint32)


def floats(numbers: Array, format: Format) -> NDArray[np.float32]:
    """Scales as a format of scales can hold them, of up to 32 bits, as float32."""
    return decode(encode(numbers, format), format).astype(np.float32)


@lru_cache(maxsize=256)
def _table(format: Format) -> NDArray[np.float32]:
    return decode(np.arange(1 << format.width), format).astype(np.float32)
