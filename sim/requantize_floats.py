"""Requantizing in float64, where every scaled sum is one exactly, or is rounded to odd, so that one rounding counts."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..formats import Overflow, Requantization, Rounding, parse
from .codes import decode
from .encode import encode

__all__ = ["requantize_floats"]

Array = NDArray[Any]
FLOAT32 = parse("float32")
FLOAT32_BITS = 128
"""A magnitude below two to this power, less one for the rounding, is no infinity in float32."""
FLOAT32_NORMAL = 2.0**-126
ABOVE_FLOAT32, TIE = 35, np.iinfo(np.int64).min
"""The bits of float64 that are not behind those of a normal float32, and what the others are, in front, at a tie."""
DOUBLE_BITS, LOW_BITS, SAFE_EXPONENT = 53, 26, 1000
"""Of float64: bits of a significand and of its lower half, and exponents that no subnormal and no overflow is near."""
BLOCK = 1 << 16
"""Sums that are worked on at a time, which stay in the processor's cache."""


def requantize_floats(
    sums: Array,
    bound: int,
    lsb_exponent: int,
    how: Requantization,
    *,
    scale: ArrayLike | None = None,
    tensor_scale: ArrayLike | None = None,
    bias: ArrayLike = 0,
) -> Array | None:
    """The codes of ``(sums + bias) * 2**lsb_exponent * scale * tensor_scale``, as ``requantize`` gives them; None where
    float64 cannot, and where ``how`` asks for other than ties to even, saturating, without a zero point.

    Parameters
    ----------
    sums: integers, or floats that are whole numbers
    bound: a magnitude that none of them is above, with its bias
    scale, tensor_scale: codes of the formats that ``how`` names, which broadcast to the shape of ``sums``
    bias: integers that broadcast to that shape
    """
    if how.rounding is not Rounding.TIES_TO_EVEN or how.overflow is not Overflow.SATURATE or how.zero_point:
        return None
    factors: list[tuple[Array, int]] = []
    lowest, highest = lsb_exponent, lsb_exponent + bound.bit_length()
    for codes, format in ((scale, how.scale), (tensor_scale, how.tensor_scale)):
        if format is None or codes is None:
            continue
        if format.scales_only:
            return None
        factor = decode(codes, format)
        if not np.isfinite(factor).all():
            return None
        factors.append((factor, format.precision))
        lowest += format.lsb_exponent
        highest += int(np.frexp(np.abs(factor).max(initial=0.0))[1])
    bits = bound.bit_length() + sum(precision for _, precision in factors)
    long = bits > DOUBLE_BITS
    if long and (len(factors) > 1 or bound.bit_length() > DOUBLE_BITS or factors[0][1] > LOW_BITS):
        return None
    if lowest <= -SAFE_EXPONENT or highest >= SAFE_EXPONENT:
        return None
    scaled = [factor for factor, _ in factors] or [np.ones(())]
    scaled[0] = scaled[0] * 2.0**lsb_exponent
    scaled = [factor for factor in scaled if long or not np.all(factor == 1)]
    # A negative sum by a scale of zero is an exact zero, too.
    signed = any((np.signbit(factor) | (factor == 0)).any() for factor, _ in factors)
    # the least result but 0 is normal in float32
    normal = all(np.abs(factor[factor != 0]).min(initial=1.0) >= FLOAT32_NORMAL for factor in scaled)
    single = how.output == FLOAT32
    largest = np.finfo(np.float32).max

    def found(sums: Array, bias: Array, *factors: Array) -> Array:
        # Adding zero makes every zero positive, and so it stays unless it is multiplied by what has a sign.
        values = np.asarray(np.add(sums, bias, dtype=np.float64))
        for factor in factors:
            if long and single and normal:
                values = _rounded_off_ties(values, factor)
            elif long:
                values = _rounded_to_odd(values, factor)
            else:
                values *= factor
        if signed:
            values += 0.0
        if how.relu:
            np.maximum(values, 0.0, out=values)
        if not single:
            return encode(values, how.output)
        if highest >= FLOAT32_BITS:
            np.clip(values, -largest, largest, out=values)
        return values.astype(np.float32).view(np.uint32)

    others = (np.asarray(bias, np.float64), *scaled)
    operands = [np.asarray(sums), *(np.broadcast_to(each, np.shape(sums)) for each in others)]
    if not operands[0].ndim:  # NumPy makes scalars of 0-d results, which cannot be written to
        return found(*(each.reshape(1) for each in operands)).reshape(())
    if operands[0].size <= BLOCK:
        return found(*operands)
    blocks = ((block, found(*(each[block] for each in operands))) for block in _blocks(operands[0].shape))
    block, codes = next(blocks)
    whole = np.empty(operands[0].shape, codes.dtype)
    whole[block] = codes
    for block, codes in blocks:
        whole[block] = codes
    return whole


def _blocks(shape: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """An array in parts of ``BLOCK`` values at most."""
    within = int(np.prod(shape[1:]))
    step = max(1, BLOCK // within)
    for start in range(0, shape[0], step):
        part = slice(start, start + step)
        if within <= BLOCK:
            yield (part,)
        else:
            yield from ((part, *rest) for rest in _blocks(shape[1:]))


def _rounded_off_ties(values: Array, factor: Array) -> Array:
    """The products, rounded to nearest, and to odd where float32 would take them for ties: rounding them to normal
    numbers of float32 gives what rounding the exact products gives."""
    found = values * factor
    behind = found.view(np.int64) << ABOVE_FLOAT32  # a tie is the least integer then
    if behind.min(initial=0) == TIE:
        ties = behind == TIE
        found[ties] = _rounded_to_odd(values[ties], np.broadcast_to(factor, values.shape)[ties])
    return found


def _rounded_to_odd(values: Array, factor: Array) -> Array:
    """The products, rounded towards zero, with their lowest bit set where something was lost: rounding them to fewer
    bits, by two at least, gives what rounding the exact products gives. A factor has at most ``LOW_BITS`` bits."""
    high = (values.view(np.int64) & -(1 << LOW_BITS)).view(np.float64)
    low = values - high
    low *= factor
    high = high * factor
    found = high + low
    lost = low - (found - high)
    inexact = lost != 0
    bits = found.view(np.int64)
    bits -= inexact & ((lost < 0) != (found < 0))  # what was rounded away from zero
    bits |= inexact
    return found
