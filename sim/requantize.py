"""From exact sums, or from codes, to the codes of a narrow format: scaled, shifted by a bias, and rounded once."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..formats import RANDOM_BITS, Format, Integer, Overflow, Requantization, Rounding
from .codes import code_dtype, unpack
from .encode import CHUNK
from .exact import Exact
from .integers import as_integers
from .requantize_floats import requantize_floats
from .rounding import ZERO_EXPONENT, Split, Words, normalize, normalize_large, normalize_pair, round_to_codes

__all__ = ["dequantize", "requantize"]

Array = NDArray[Any]
LOW = np.uint64(0xFFFFFFFF)
HALF_WORD = np.uint64(32)


def requantize(
    accumulator: Exact,
    how: Requantization,
    *,
    scale: ArrayLike | None = None,
    tensor_scale: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    zero_point: ArrayLike | None = None,
    words: ArrayLike | None = None,
) -> Array:
    """The codes of ``(accumulator + bias) * scale * tensor_scale``, rounded once, as ``Requantization`` tells.

    The result has the accumulator's shape, and all else broadcasts to it. An argument must be given where ``how`` has
    it, and nowhere else. It is fast where accumulators, with their bias, fit 64 bits; longer ones, and under ``WRAP``
    products that do not fit, are Python integers and take several times as long.

    Parameters
    ----------
    accumulator: what to scale, as the exact functions of this room give it
    scale, tensor_scale: codes of the formats that ``how`` names
    bias: integers of ``how.bias_bits`` bits, signed, in units of the accumulator's lowest bit
    zero_point: integers (values, not codes) that the output's bits can hold
    words: random words of 16 bits for stochastic rounding; those of the hardware are ``lfsr_words(how.seed, ...)``, one
        for every output in its order
    """
    if not isinstance(accumulator, Exact):
        raise ValueError(f"accumulator must be an Exact, as dot and matmul give, not {type(accumulator).__name__}")
    _check_how(how)
    shape = accumulator.shape
    offset = _integers("bias", bias, how.bias_bits > 0, _two_complement_range(how.bias_bits), shape)
    total = _sum(np.asarray(accumulator.integers).reshape(-1), offset)
    if how.rounding is Rounding.TIES_TO_EVEN and how.overflow is Overflow.SATURATE and not how.zero_point:
        for name, given in (("words", words), ("zero_point", zero_point)):
            _check_given(name, given, False)
        for name, given, format in (("scale", scale, how.scale), ("tensor_scale", tensor_scale, how.tensor_scale)):
            _check_given(name, given, format is not None)
            if given is not None:
                _check_shape(name, np.asarray(given), shape)
        quick = _quick(accumulator, total, how, scale, tensor_scale)
        if quick is not None:
            return quick
    negative = np.asarray(total < 0, dtype=bool)
    magnitude = np.abs(total) if total.dtype == object else np.abs(total).view(np.uint64)
    positive, nan, below = (
        np.zeros(1, dtype=bool) if mask is None else mask.reshape(-1)
        for mask in (accumulator.positive_infinity, accumulator.nan, accumulator.negative_infinity)
    )
    infinite = positive | below
    terms = _Terms(
        np.where(infinite, below, negative),
        np.where(infinite | nan, 0, magnitude) if (infinite | nan).any() else magnitude,
        np.full(1, accumulator.lsb_exponent),
        nan,
        infinite,
    )
    return _requantize(terms, shape, how, scale, tensor_scale, zero_point, words)


def _quick(
    accumulator: Exact, total: Array, how: Requantization, scale: ArrayLike | None, tensor_scale: ArrayLike | None
) -> Array | None:
    masks = (accumulator.nan, accumulator.positive_infinity, accumulator.negative_infinity)
    if total.dtype == object or any(mask is not None for mask in masks):
        return None
    bound = max(int(total.max(initial=0)), -int(total.min(initial=0)))
    return requantize_floats(
        total.reshape(accumulator.shape), bound, accumulator.lsb_exponent, how, scale=scale, tensor_scale=tensor_scale
    )


def dequantize(
    codes: ArrayLike,
    format: Format,
    how: Requantization,
    *,
    scale: ArrayLike | None = None,
    tensor_scale: ArrayLike | None = None,
    zero_point: ArrayLike | None = None,
    words: ArrayLike | None = None,
) -> Array:
    """The codes of ``code * scale * tensor_scale``, rounded once: ``requantize`` with codes in the accumulator's place.

    The result has the shape of ``codes``. There is no bias; the rest is as for ``requantize``.
    """
    _check_how(how)
    if how.bias_bits:
        raise ValueError(f"bias_bits must be 0 where codes are scaled, not {how.bias_bits}")
    parts = unpack(codes, format)
    terms = _Terms(
        parts.negative.reshape(-1),
        parts.significand.reshape(-1).view(np.uint64),
        parts.shift.reshape(-1) + format.lsb_exponent,
        parts.nan.reshape(-1),
        parts.infinite.reshape(-1),
    )
    return _requantize(terms, parts.negative.shape, how, scale, tensor_scale, zero_point, words)


class _Terms(NamedTuple):
    """Values one after another: ``(-1)**negative * magnitude * 2**exponent``, or NaN, or infinite, magnitude 0 then.

    Magnitudes are uint64 or Python integers. A member of size 1 stands for as many as there are.
    """

    negative: NDArray[np.bool_]
    magnitude: Array
    exponent: NDArray[np.int64]
    nan: NDArray[np.bool_]
    infinite: NDArray[np.bool_]

    def part(self, part: slice) -> "_Terms":
        return self.map(lambda member: _cut(member, part))

    def map(self, change: Callable[[Array], Array]) -> "_Terms":
        return _Terms(*map(change, self))


def _requantize(
    terms: _Terms,
    shape: tuple[int, ...],
    how: Requantization,
    scale: ArrayLike | None,
    tensor_scale: ArrayLike | None,
    zero_point: ArrayLike | None,
    words: ArrayLike | None,
) -> Array:
    factor = _factor(how, scale, tensor_scale, shape)
    stochastic = how.rounding is Rounding.STOCHASTIC
    random = _integers("words", words, stochastic, (0, (1 << RANDOM_BITS) - 1), shape)
    zero_range = _zero_point_range(how.output) if how.zero_point else (0, 0)
    zeros = _integers("zero_point", zero_point, how.zero_point, zero_range, shape)
    codes = np.empty(int(np.prod(shape)), dtype=code_dtype(how.output))
    for start in range(0, codes.size, CHUNK):
        part = slice(start, start + CHUNK)
        values = _scaled(terms.part(part), factor.part(part), how)
        codes[part] = round_to_codes(
            values,
            how.output,
            how.rounding,
            how.overflow,
            None if random is None else _cut(random, part).astype(np.uint64),
            None if zeros is None else _cut(zeros, part),
        )
        if not how.output.has_nan and not how.zero_point:
            codes[part][np.broadcast_to(values.nan, codes[part].shape)] = how.output.nothing
    return codes.reshape(shape)


def _scaled(terms: _Terms, factor: _Terms, how: Requantization) -> Split:
    """The products, after the ReLU."""
    zero = (terms.magnitude == 0) & ~(terms.nan | terms.infinite)
    factor_zero = (factor.magnitude == 0) & ~(factor.nan | factor.infinite)
    nan = terms.nan | factor.nan | (terms.infinite & factor_zero) | (factor.infinite & zero)
    infinite = (terms.infinite | factor.infinite) & ~nan
    exponent = terms.exponent + factor.exponent
    significand, more = _product(terms.magnitude, exponent, factor.magnitude, how)
    negative = np.asarray((terms.negative ^ factor.negative) & ~(nan | zero | factor_zero))
    if how.relu:
        significand = np.where(negative, np.uint64(0), significand)
        infinite = infinite & ~negative
        negative = np.zeros_like(negative)
    exponent = np.where(significand > 0, exponent + more, ZERO_EXPONENT)
    return Split(*np.broadcast_arrays(negative, significand, exponent, nan, infinite))


def _product(
    magnitude: Array, exponent: NDArray[np.int64], factor: Array, how: Requantization
) -> tuple[Words, NDArray[np.int64]]:
    """The product of two integers as a significand and the exponent that it adds."""
    short = magnitude.dtype != object
    bits = _longest(magnitude) + _longest(factor)
    if short and bits <= 64:
        return normalize(magnitude * factor)
    if short and how.overflow is not Overflow.WRAP:
        return normalize_pair(*_multiply(*np.broadcast_arrays(magnitude, factor)))
    magnitude, factor, exponent = np.broadcast_arrays(magnitude, factor, exponent)
    products = [int(one) * int(other) for one, other in zip(magnitude, factor, strict=True)]
    if how.overflow is Overflow.WRAP:
        # Whatever wraps away goes first, so that no bit that counts lies below the significand's 64.
        for i, unit in enumerate(exponent.tolist()):
            width = how.output.width - unit
            products[i] &= (1 << max(width, 0)) - 1
    return normalize_large(products)


def _longest(magnitudes: Array) -> int:
    return int(magnitudes.max()).bit_length() if magnitudes.size else 0


def _multiply(one: Words, other: Words) -> tuple[Words, Words]:
    """The product of two words as two words, the higher one first."""
    one_high, one_low, other_high, other_low = one >> HALF_WORD, one & LOW, other >> HALF_WORD, other & LOW
    low, first, second = one_low * other_low, one_high * other_low, one_low * other_high
    middle = (low >> HALF_WORD) + (first & LOW) + (second & LOW)
    high = one_high * other_high + (first >> HALF_WORD) + (second >> HALF_WORD) + (middle >> HALF_WORD)
    return high, (low & LOW) | (middle << HALF_WORD)


def _factor(
    how: Requantization, scale: ArrayLike | None, tensor_scale: ArrayLike | None, shape: tuple[int, ...]
) -> _Terms:
    """The product of both scales, each given or not."""
    negative, magnitude, exponent = np.zeros(1, dtype=bool), np.ones(1, dtype=np.uint64), np.zeros(1, dtype=np.int64)
    nan, infinite, zero = negative, negative, negative
    for name, codes, format in (("scale", scale, how.scale), ("tensor_scale", tensor_scale, how.tensor_scale)):
        _check_given(name, codes, format is not None)
        if format is None or codes is None:
            continue
        parts = unpack(codes, format)
        _check_shape(name, parts.negative, shape)
        this_zero = (parts.significand == 0) & ~(parts.nan | parts.infinite)
        nan = nan | parts.nan | (zero & parts.infinite) | (infinite & this_zero)
        infinite = (infinite | parts.infinite) & ~nan
        zero = (zero | this_zero) & ~nan
        negative = negative ^ parts.negative
        # Two significands of 32 bits at most.
        magnitude = magnitude * parts.significand.view(np.uint64)
        exponent = exponent + (parts.shift + format.lsb_exponent)
    return _Terms(negative, magnitude, exponent, nan, infinite).map(lambda member: _flat(member, shape))


def _sum(integers: Array, offset: Array | None) -> Array:
    """Accumulators and bias, as int64 where that holds them, else as Python integers."""
    parts = [array for array in (integers, offset) if array is not None and array.size]
    ends = [(int(array.min()), int(array.max())) for array in parts]
    # The offset alone may be longer than the sum, and so may the accumulators.
    extremes = [sum(least for least, _ in ends), sum(most for _, most in ends), *(end for pair in ends for end in pair)]
    kind = np.int64 if all(-(1 << 63) <= value < 1 << 63 for value in extremes) else object
    total = integers.astype(kind, copy=False)
    return np.asarray(total if offset is None else total + offset.astype(kind, copy=False))


def _integers(
    name: str, values: ArrayLike | None, wanted: bool, limits: tuple[int, int], shape: tuple[int, ...]
) -> Array | None:
    """An argument as integers within limits, broadcast and flat, or None where it is neither wanted nor given."""
    _check_given(name, values, wanted)
    if values is None:
        return None
    array = as_integers(values)
    if array is None:
        raise ValueError(f"{name} must be integers, not {np.asarray(values).dtype}")
    if array.size and not limits[0] <= int(array.min()) <= int(array.max()) <= limits[1]:
        raise ValueError(f"{name} must be {limits[0]} to {limits[1]}, not {array.min()} to {array.max()}")
    _check_shape(name, array, shape)
    return _flat(array.astype(np.int64), shape)


def _check_how(how: Requantization) -> None:
    if not isinstance(how, Requantization):
        raise ValueError(f"how must be a Requantization, not {how!r}")


def _check_given(name: str, values: ArrayLike | None, wanted: bool) -> None:
    if (values is not None) != wanted:
        what = "stochastic rounding" if name == "words" else f"{'a ' * wanted}{name.replace('_', ' ')}"
        must, has = ("must be", "has") if wanted else ("must not be", "has no")
        raise ValueError(f"{name} {must} given: the requantization {has} {what}")


def _check_shape(name: str, array: Array, shape: tuple[int, ...]) -> None:
    try:
        fits = np.broadcast_shapes(array.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"{name} must have a shape that broadcasts to {shape}, not {array.shape}")


def _two_complement_range(bits: int) -> tuple[int, int]:
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if bits else (0, 0)


def _zero_point_range(output: Format) -> tuple[int, int]:
    assert isinstance(output, Integer)
    return (0, output.max_integer) if output.unsigned else _two_complement_range(output.width)


def _flat(array: Array, shape: tuple[int, ...]) -> Array:
    return array.reshape(1) if array.size == 1 else np.broadcast_to(array, shape).reshape(-1)


def _cut(array: Array, part: slice) -> Array:
    return array if array.size == 1 else array[part]
