"""What a code holds, for whole arrays: its sign, significand and shift, and the tables made of these."""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..formats import Dyadic, Format, Minifloat, SignMagnitude, Specials, check_format
from .integers import as_integers

__all__ = ["Unpacked", "all_finite", "check_codes", "code_dtype", "decode", "digit", "largest_integer", "unpack"]

TABLE_WIDTH = 16


class Unpacked(NamedTuple):
    """A code taken apart: ``(-1)**negative * significand * 2**(shift + lsb_exponent)``, or NaN, or an infinity.

    The significand of a special value is 0. Significands and shifts are int64, the rest bool; all have the shape of
    the codes.
    """

    negative: NDArray[np.bool_]
    significand: NDArray[np.int64]
    shift: NDArray[np.int64]
    nan: NDArray[np.bool_]
    infinite: NDArray[np.bool_]


def code_dtype(format: Format) -> type[np.unsignedinteger[Any]]:
    """The narrowest of uint8, uint16, uint32 and uint64 that holds a code."""
    return next(
        kind for kind in (np.uint8, np.uint16, np.uint32, np.uint64) if format.width <= 8 * np.dtype(kind).itemsize
    )


def check_codes(codes: ArrayLike, format: Format) -> NDArray[Any]:
    """``codes`` as an array of integers. Raises ValueError where one is not a bit pattern of ``format``."""
    check_format("format", format)
    array = as_integers(codes)
    if array is None:
        raise ValueError(f"codes must be integers, not {np.asarray(codes).dtype}")
    always_fits = array.dtype.kind == "u" and 8 * array.dtype.itemsize <= format.width
    if array.size and not always_fits:
        for extreme in (int(array.min()), int(array.max())):
            format.check_code(extreme)
    return array


def unpack(codes: ArrayLike, format: Format) -> Unpacked:
    """Take every code apart."""
    code = check_codes(codes, format).astype(np.int64)
    none = np.zeros(code.shape, dtype=bool)
    sign = (code >> format.width - 1).astype(bool)
    if isinstance(format, Dyadic):
        shift = format.max_shift - (code >> format.multiplier_bits)
        return Unpacked(none, code & ((1 << format.multiplier_bits) - 1), shift, none, none)
    if not isinstance(format, Minifloat):
        if isinstance(format, SignMagnitude):
            return Unpacked(sign, code & format.max_integer, np.zeros_like(code), none, none)
        negative = sign if format.signed else none
        return Unpacked(negative, np.where(negative, (1 << format.width) - code, code), np.zeros_like(code), none, none)

    fraction_bits, top_exponent = format.fraction_bits, (1 << format.exponent_bits) - 1
    fraction = code & ((1 << fraction_bits) - 1)
    exponent = (code >> fraction_bits) & top_exponent
    negative = sign if format.has_sign else none
    nan, infinite = none, none
    if format.specials is Specials.IEEE:
        nan = (exponent == top_exponent) & (fraction != 0)
        infinite = (exponent == top_exponent) & (fraction == 0)
    elif format.specials is Specials.FN:
        nan = (exponent == top_exponent) & (fraction == (1 << fraction_bits) - 1)
    elif format.specials is Specials.FNUZ:
        nan = code == 1 << format.width - 1
    hidden = (exponent > 0) | (not format.subnormals)
    significand = np.where(nan | infinite, 0, fraction + (hidden.astype(np.int64) << fraction_bits))
    return Unpacked(negative, significand, np.maximum(exponent - format.subnormals, 0), nan, infinite)


def decode(codes: ArrayLike, format: Format) -> NDArray[np.float64]:
    """The exact value of every code as float64, NaN and infinities included; a negative zero is -0.0.

    Every format's values fit: a significand has at most 24 bits and an exponent stays between -423 and 655. Raises
    ValueError where a code is not a bit pattern of the format.
    """
    array = check_codes(codes, format)
    if format.width > TABLE_WIDTH:
        return _decode(array, format)
    return np.asarray(_decode_table(format).take(array))


def _decode(codes: NDArray[Any], format: Format) -> NDArray[np.float64]:
    negative, significand, shift, nan, infinite = unpack(codes, format)
    # NumPy makes scalars of 0-d results.
    magnitude = np.asarray(np.ldexp(significand.astype(np.float64), shift + format.lsb_exponent))
    magnitude[nan] = np.nan
    magnitude[infinite] = np.inf
    has_negative_zero = isinstance(format, (Minifloat, SignMagnitude))
    return np.copysign(magnitude, np.where(negative & (has_negative_zero | (significand > 0)), -1.0, 1.0))


@lru_cache(maxsize=256)
def _decode_table(format: Format) -> NDArray[np.float64]:
    return _decode(np.arange(1 << format.width), format)


def all_finite(codes: NDArray[Any], format: Format) -> bool:
    """Whether no code, of checked ones, is NaN or an infinity."""
    if format.finite:
        return True
    if format.width > TABLE_WIDTH:
        return bool(np.isfinite(_decode(codes, format)).all())
    return bool(_finite_table(format).take(codes).all())


@lru_cache(maxsize=256)
def _finite_table(format: Format) -> NDArray[np.bool_]:
    return np.isfinite(_decode_table(format))


def largest_integer(format: Format) -> int:
    """The largest magnitude of any bit pattern's integer: for ``int{N}s`` that of its left-out pattern, 2**(N-1)."""
    pattern = 1 << format.width - 1
    left_out = abs(format.integer(pattern)) if format.special(pattern) is None else 0
    return max(format.max_integer, -format.min_integer, left_out)


def digit(codes: NDArray[Any], format: Format, position: int, width: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Bits ``position`` to ``position + width - 1`` of every integer, with its sign; 0 for special values.

    ``codes`` are checked ones. ``width`` is at most 53.
    """
    if format.width > TABLE_WIDTH:
        return _digit(codes, format, position, width).astype(dtype)
    return np.asarray(_digit_table(format, position, width, dtype).take(codes))


def _digit(codes: NDArray[Any], format: Format, position: int, width: int) -> NDArray[np.int64]:
    negative, significand, shift, _, _ = unpack(codes, format)
    up = shift - position
    # Beyond 52 places the digit is 0, and the bits that a shorter shift loses at the top lie above the digit.
    bits = np.where(up >= 0, significand << np.clip(up, 0, 52), significand >> np.clip(-up, 0, 52))
    magnitude = np.where(up > 52, 0, bits & ((1 << width) - 1))
    return np.where(negative, -magnitude, magnitude)


@lru_cache(maxsize=128)
def _digit_table(format: Format, position: int, width: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    return _digit(np.arange(1 << format.width), format, position, width).astype(dtype)
