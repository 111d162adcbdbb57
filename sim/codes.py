"""What a code holds, for whole arrays: its sign, significand and shift, and the tables made of these."""

from functools import lru_cache, singledispatch
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..formats import Dyadic, Format, Integer, Minifloat, SignMagnitude, Special, Specials, check_format, parse
from .integers import as_integers

__all__ = [
    "Unpacked",
    "all_finite",
    "check_codes",
    "code_dtype",
    "decode",
    "digit",
    "largest_integer",
    "random_codes",
    "unpack",
]

FLOAT32 = parse("float32")
TABLE_WIDTH = 16
SIGNIFICAND_BITS = 53
"""Of a format that is read from its table: what float64 holds."""


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


def random_codes(format: Format, generator: np.random.Generator, shape: int | tuple[int, ...]) -> NDArray[Any]:
    """Codes at random, special ones too. What is no code of a format of 16 bits at most is left out."""
    if format.width <= TABLE_WIDTH:
        return generator.choice(np.array(format.codes, dtype=np.int64), shape)
    return generator.integers(0, 1 << format.width, shape)


def unpack(codes: ArrayLike, format: Format) -> Unpacked:
    """Take every code apart. Raises ValueError for a table whose significands have more than 53 bits."""
    return _unpack(format, check_codes(codes, format).astype(np.int64))


@singledispatch
def _unpack(format: Format, code: NDArray[np.int64]) -> Unpacked:
    """Any format, by its table; the kinds registered below know a way without one."""
    columns: Any = (column.take(code) for column in _unpacked_table(format))
    return Unpacked(*map(np.asarray, columns))


@lru_cache(maxsize=256)
def _unpacked_table(format: Format) -> Unpacked:
    codes = range(1 << format.width)
    magnitudes = [abs(integer or 0) for integer in format.integers]
    shifts = [(magnitude & -magnitude).bit_length() - 1 if magnitude else 0 for magnitude in magnitudes]
    significands = [magnitude >> shift for magnitude, shift in zip(magnitudes, shifts, strict=True)]
    if max(significands).bit_length() > SIGNIFICAND_BITS:
        raise ValueError(f"significands of a table must have at most {SIGNIFICAND_BITS} bits, not as in {format.name}")
    specials = [format.special(code) for code in codes]
    return Unpacked(
        np.array([format.negative(code) for code in codes], dtype=bool),
        np.array(significands, dtype=np.int64),
        np.array(shifts, dtype=np.int64),
        np.array([special == Special.NAN for special in specials], dtype=bool),
        np.array([special not in (None, Special.NAN) for special in specials], dtype=bool),
    )


@_unpack.register
def _unpack_dyadic(format: Dyadic, code: NDArray[np.int64]) -> Unpacked:
    none = np.zeros(code.shape, dtype=bool)
    shift = format.max_shift - (code >> format.multiplier_bits)
    return Unpacked(none, code & ((1 << format.multiplier_bits) - 1), shift, none, none)


@_unpack.register
def _unpack_integer(format: Integer, code: NDArray[np.int64]) -> Unpacked:
    none = np.zeros(code.shape, dtype=bool)
    negative = none if format.unsigned else (code >> format.bits - 1).astype(bool)
    return Unpacked(negative, np.where(negative, (1 << format.bits) - code, code), np.zeros_like(code), none, none)


@_unpack.register
def _unpack_sign_magnitude(format: SignMagnitude, code: NDArray[np.int64]) -> Unpacked:
    none = np.zeros(code.shape, dtype=bool)
    negative = (code >> format.bits - 1).astype(bool)
    return Unpacked(negative, code & format.max_integer, np.zeros_like(code), none, none)


@_unpack.register
def _unpack_minifloat(format: Minifloat, code: NDArray[np.int64]) -> Unpacked:
    none = np.zeros(code.shape, dtype=bool)
    sign = (code >> format.width - 1).astype(bool)
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
    if format == FLOAT32:
        with np.errstate(invalid="ignore"):  # a signalling NaN becomes a quiet one
            return np.asarray(array.astype(np.uint32).view(np.float32).astype(np.float64))
    if format.width > TABLE_WIDTH:
        return _decode(array, format)
    return np.asarray(_decode_table(format).take(array))


def _decode(codes: NDArray[Any], format: Format) -> NDArray[np.float64]:
    negative, significand, shift, nan, infinite = unpack(codes, format)
    # NumPy makes scalars of 0-d results.
    magnitude = np.asarray(np.ldexp(significand.astype(np.float64), shift + format.lsb_exponent))
    magnitude[nan] = np.nan
    magnitude[infinite] = np.inf
    return np.copysign(magnitude, np.where(negative, -1.0, 1.0))


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
