"""From real values to codes: the policies checked, and a table for what comes in bulk."""

from collections.abc import Iterator
from functools import lru_cache, singledispatch
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..formats import Format, Integer, Minifloat, Overflow, Rounding, SignMagnitude, check_format, check_policies
from .codes import code_dtype, largest_integer
from .integers import as_integers
from .rounding import Split, normalize_large, round_to_codes, split

__all__ = ["CHUNK", "as_numbers", "encode"]

CHUNK = 1 << 15  # elements whose temporaries stay in a core's cache
TABLE_BITS = 21
TABLE_PAYS = 1 << 12  # elements from which on the table is worth building
WHOLE = 1 << 53  # up to which float64 holds every integer
NUMBERS = (int, float, np.integer, np.float16, np.float32)


def encode(
    values: ArrayLike,
    format: Format,
    rounding: Rounding = Rounding.TIES_TO_EVEN,
    overflow: Overflow = Overflow.SATURATE,
    seed: int | None = None,
) -> NDArray[Any]:
    """Round real values to the codes of a format: uint8, uint16 or uint32, in the shape of ``values``.

    Every value is rounded once, from its exact value. Overflow is judged after rounding: 464.0 is a tie that rounds to
    448 in ``float8_e4m3fn`` and does not overflow, 465.0 does. What lies outside on any side overflows by policy: an
    infinity, what rounds to a negative value in an unsigned format, a zero in a format without one. ``INFINITY`` gives
    the infinity of the value's sign; a negative value in an unsigned format, which has no such infinity, becomes its
    least value. A positive value below the least one of a format without zero becomes that one, unless a negative value
    of it is nearer. -0.0, and what rounds to it, becomes the negative zero of a format that has one.

    Parameters
    ----------
    values: real numbers: floats of up to 64 bits, integers of any length, or arrays of ml_dtypes
    rounding: stochastic rounds up with a probability of exactly the distance to the lower neighbour over that between
        both
    overflow: ``INFINITY`` and ``NAN`` for formats that have them, ``WRAP`` for ``int{N}`` and ``uint{N}``
    seed: of the stochastic rounding, 0 or more; the same seed gives the same codes. An element's outcome depends on the
        seed, its place in the array and its value only

    Raises ValueError where a policy does not suit the format, NaN meets a format without NaN, infinity is to wrap, or
    an integer with more than 64 significant bits is to be rounded stochastically.
    """
    check_format("format", format)
    if format.scales_only:
        raise ValueError(f"format must be other than the dyadic {format.name}, whose codes dyadic_codes gives")
    _check_policies(format, rounding, overflow, seed)
    array = as_numbers(values)
    _check_specials(_floats(array), format, overflow)
    if array.dtype == object:
        return _encode_long(array, format, rounding, overflow, seed)
    flat = array.reshape(-1)
    codes = np.empty(flat.shape, dtype=code_dtype(format))
    random = np.random.PCG64(seed) if rounding is Rounding.STOCHASTIC else None
    drop = _dropped_bits(format)
    tabled = flat.size >= TABLE_PAYS and drop is not None and random is None and overflow is not Overflow.WRAP
    # A signalling NaN and a float64 beyond float32 warn where they change their type; both are provided for.
    with np.errstate(invalid="ignore", over="ignore"):
        for part in _chunks(flat.size):
            if tabled and flat.dtype.kind == "f":
                assert drop is not None
                codes[part] = _encode_by_table(flat[part], format, rounding, overflow, drop)
            else:
                codes[part] = round_to_codes(split(_widest(flat[part])), format, rounding, overflow, random)
    return codes.reshape(array.shape)


def _encode_long(
    array: NDArray[Any], format: Format, rounding: Rounding, overflow: Overflow, seed: int | None
) -> NDArray[Any]:
    """Encode Python integers of any length, among which there may be floats."""
    integers = [int(value) if isinstance(value, (int, np.integer)) else 0 for value in array.flat]
    if overflow is Overflow.WRAP:
        integers = [integer & (1 << format.width) - 1 for integer in integers]
    magnitudes = [abs(integer) for integer in integers]
    if rounding is Rounding.STOCHASTIC and any(
        size >> 64 and size.bit_length() - 64 > _zeros(size) for size in magnitudes
    ):
        raise ValueError("values must have at most 64 significant bits where they are rounded stochastically")
    floats = split(_floats(array).reshape(-1))
    whole = np.array([isinstance(value, (int, np.integer)) for value in array.flat], dtype=bool)
    significand, exponent = normalize_large(magnitudes)
    values = Split(
        np.where(whole, [integer < 0 for integer in integers], floats.negative),
        np.where(whole, significand, floats.significand),
        np.where(whole, exponent, floats.exponent),
        floats.nan,
        floats.infinite,
    )
    random = np.random.PCG64(seed) if rounding is Rounding.STOCHASTIC else None
    return round_to_codes(values, format, rounding, overflow, random).reshape(array.shape)


def _zeros(integer: int) -> int:
    """Zeros below the lowest bit that is set."""
    return (integer & -integer).bit_length() - 1


def _floats(array: NDArray[Any]) -> NDArray[Any]:
    """The array, with zeros in the place of integers where it is one of Python numbers."""
    if array.dtype != object:
        return array
    floats = [0.0 if isinstance(value, (int, np.integer)) else float(value) for value in array.flat]
    return np.array(floats, dtype=np.float64).reshape(array.shape)


def _chunks(size: int) -> Iterator[slice]:
    for start in range(0, size, CHUNK):
        yield slice(start, start + CHUNK)


def _check_policies(format: Format, rounding: Rounding, overflow: Overflow, seed: int | None) -> None:
    check_policies(format, rounding, overflow)
    if (rounding is Rounding.STOCHASTIC) != (seed is not None):
        raise ValueError(
            f"seed must be given with stochastic rounding and with no other, not {seed!r} with {rounding.value}"
        )
    if seed is not None and seed < 0:
        raise ValueError(f"seed must be 0 or more, not {seed!r}")


def as_numbers(values: ArrayLike) -> NDArray[Any]:
    """``values`` as an array of float16, float32, float64 or integers, without loss.

    Where no such array holds them they are Python's integers and floats, dtype object.
    """
    try:
        array = np.asarray(values)
    except ValueError:
        raise ValueError("values must be an array of numbers, with as many in each row") from None
    if array.dtype == object or (array.dtype == np.float64 and isinstance(values, (list, tuple))):
        exact = np.array(values, dtype=object)
        if any(isinstance(value, (int, np.integer)) and abs(int(value)) > WHOLE for value in exact.flat):
            integers = as_integers(exact)
            if integers is not None:
                return integers
            if all(isinstance(value, NUMBERS) for value in exact.flat):
                return exact
        elif array.dtype == object and all(isinstance(value, NUMBERS) for value in exact.flat):
            return exact.astype(np.float64)
    if array.dtype.kind in "iu" or (array.dtype.kind == "f" and array.dtype.itemsize <= 8):
        return array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype.kind == "b":
        return array.astype(np.uint8)
    if array.dtype.kind == "V" and array.dtype.names is None:
        try:
            with np.errstate(invalid="ignore"):
                return array.astype(np.float64)
        except (TypeError, ValueError):
            pass
    raise ValueError(f"values must be real numbers of at most 64 bits, not {array.dtype}")


def _check_specials(array: NDArray[Any], format: Format, overflow: Overflow) -> None:
    if array.dtype.kind != "f" or not array.size:
        return
    # The maximum of an array with NaN in it is NaN: one pass, no temporary.
    if not format.has_nan and np.isnan(array.max()):
        raise ValueError(
            f"values must not be NaN for {format.name}, which has none: {np.isnan(array).sum()} of {array.size} are"
        )
    if overflow is Overflow.WRAP and not np.isfinite(array).all():
        raise ValueError(f"values must be finite to wrap, not infinite: {np.isinf(array).sum()} of {array.size} are")


def _widest(array: NDArray[Any]) -> NDArray[Any]:
    return array.astype({"f": np.float64, "i": np.int64, "u": np.uint64}[array.dtype.kind])


def _dropped_bits(format: Format) -> int | None:
    """How many low bits of a float32 matter only by being zero or not; None if the rest is too long for a table.

    The rest holds the sign, the exponent, and of the fraction what ``format`` keeps, the bit that decides rounding, and
    one more. Subnormals have no leading bit to count from; there the format's least step has to be four of the rest's.
    """
    drop = min(23 - _fraction_bits(format) - 2, format.lsb_exponent + 149 - 2)
    return drop if drop >= 32 - TABLE_BITS else None


@singledispatch
def _fraction_bits(format: Format) -> int:
    """Bits below the leading one that a value of the format may have, or a place of a table next to its ends."""
    return max(map(abs, format.beyond)).bit_length()


@_fraction_bits.register
def _fraction_bits_of_minifloat(format: Minifloat) -> int:
    return format.fraction_bits


@_fraction_bits.register(Integer)
@_fraction_bits.register(SignMagnitude)
def _fraction_bits_of_integer(format: Format) -> int:
    return largest_integer(format).bit_length() - 1


@lru_cache(maxsize=64)
def _table(format: Format, rounding: Rounding, overflow: Overflow, drop: int) -> NDArray[Any]:
    """The code of every key. An odd key stands for all that lies between its even neighbours."""
    patterns = (np.arange(1 << 32 - drop, dtype=np.uint32) << np.uint32(drop)).view(np.float32)
    if not format.has_nan:
        patterns = np.where(np.isnan(patterns), np.float32(0), patterns)
    return np.concatenate(
        [
            round_to_codes(split(patterns[part].astype(np.float64)), format, rounding, overflow, None)
            for part in _chunks(patterns.size)
        ]
    )


def _encode_by_table(
    values: NDArray[Any], format: Format, rounding: Rounding, overflow: Overflow, drop: int
) -> NDArray[Any]:
    single = values.astype(np.float32, copy=False)
    bits = single.view(np.uint32)
    low = np.uint32((1 << drop) - 1)
    lost = bits & low
    # Adding ``low`` carries into the key's lowest bit where any lost bit is set: the key is rounded to odd.
    key = np.right_shift((lost + low) | bits, np.uint32(drop), dtype=np.uint32).astype(np.intp)
    codes = np.asarray(_table(format, rounding, overflow, drop).take(key, mode="clip"))
    if values.dtype == np.float64:
        # Where rounding to float32 ended on a boundary of the table, the side that the value came from is lost.
        unsure = np.flatnonzero((lost == 0) & (single != values))
        codes[unsure] = round_to_codes(split(values[unsure]), format, rounding, overflow, None)
    return codes
