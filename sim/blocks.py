"""Sums of products of block-scaled operands, exact or kept in float32 with one rounding for each block.

The float32 sum is IEEE 754's fused multiply-add with a product of three factors. Where a block's scaled sum fits two
float64, sums without error (Knuth) and one rounding to odd (Boldo and Melquiond, IEEE TC 57(4), 2008) give it exactly
what a single rounding gives; anything longer is added in Python integers.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..formats import Blocks, FixedPoint, Format, Overflow, Rounding, parse
from .codes import check_codes, decode, largest_integer, unpack
from .elements.exact import dot, matmul
from .exact import Exact
from .rounding import Split, normalize_large, round_to_codes

__all__ = ["block_dot", "block_matmul"]

Array = NDArray[Any]
Block = Callable[[int], tuple[Exact, Array, Array]]
"""The sum of a block's products by its index, and the scales of both operands, which broadcast to it."""

FLOAT32 = parse("float32")
NAN = np.uint32(0x7FC00000)
SAFE_EXPONENT = 900
"""Products of any length up to 128 bits stay in float64's range within this and minus this."""


def block_matmul(
    activation: ArrayLike,
    weight: ArrayLike,
    activation_scale: ArrayLike,
    weight_scale: ArrayLike,
    activation_format: Format,
    weight_format: Format,
    blocks: Blocks,
    terms: int | None = None,
    weight_zero_point: ArrayLike | None = None,
) -> Exact | NDArray[np.uint32]:
    """The matrix product ``C[m, n] = A[m, k] @ W[k, n]`` of block-scaled codes: exact, or codes of float32.

    Which of them it is follows from ``blocks.sum_format(weight_format, activation_format, terms)``. In float32 every
    NaN is 0x7FC00000, and an exact zero is positive.

    Parameters
    ----------
    activation, weight: codes, (m, k) and (k, n)
    activation_scale, weight_scale: codes of the scales of blocks of ``blocks.size`` terms, (m, b) and (b, n) where b is
        k / ``blocks.size``, rounded up
    terms: most terms of a sum, k or more; None is k
    weight_zero_point: codes of the weights' format, (b, n), where blocks have zero points
    """
    x, y = check_codes(activation, activation_format), check_codes(weight, weight_format)
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[0]:
        raise ValueError(f"shapes must be (m, k) and (k, n), not {x.shape} and {y.shape}")
    _check_blocks(blocks, weight_format, activation_format, weight_zero_point)
    (m, k), n = x.shape, y.shape[1]
    count = -(-k // blocks.size)
    if weight_zero_point is not None:
        points = _scales("weight_zero_point", weight_zero_point, weight_format, (count, n))
        y = _less_zero_points(y, np.repeat(points, blocks.size, axis=0)[:k], weight_format)
        weight_format, blocks = blocks.multiplied(weight_format), replace(blocks, zero_points=False)
    x_scale = _scales("activation_scale", activation_scale, blocks.activation_scale, (m, count))
    y_scale = _scales("weight_scale", weight_scale, blocks.weight_scale, (count, n))

    def block(index: int) -> tuple[Exact, Array, Array]:
        part = slice(index * blocks.size, (index + 1) * blocks.size)
        total = matmul(x[:, part], y[part], activation_format, weight_format)
        return total, x_scale[:, index, None], y_scale[index, None, :]

    return _accumulate(block, count, (m, n), k, weight_format, activation_format, blocks, terms)


def block_dot(
    activation: ArrayLike,
    weight: ArrayLike,
    activation_scale: ArrayLike,
    weight_scale: ArrayLike,
    activation_format: Format,
    weight_format: Format,
    blocks: Blocks,
    terms: int | None = None,
    weight_zero_point: ArrayLike | None = None,
) -> Exact | NDArray[np.uint32]:
    """The same over the last axis: (..., k) and (..., k) with scales of (..., b) each, to (...).

    The leading axes of the operands broadcast; scales have those of their own operand.
    """
    x, y = check_codes(activation, activation_format), check_codes(weight, weight_format)
    if not x.ndim or not y.ndim or x.shape[-1] != y.shape[-1]:
        raise ValueError(f"the last axes must be of one length, not those of shapes {x.shape} and {y.shape}")
    _check_blocks(blocks, weight_format, activation_format, weight_zero_point)
    k = x.shape[-1]
    count = -(-k // blocks.size)
    if weight_zero_point is not None:
        points = _scales("weight_zero_point", weight_zero_point, weight_format, (*y.shape[:-1], count))
        y = _less_zero_points(y, np.repeat(points, blocks.size, axis=-1)[..., :k], weight_format)
        weight_format, blocks = blocks.multiplied(weight_format), replace(blocks, zero_points=False)
    x_scale = _scales("activation_scale", activation_scale, blocks.activation_scale, (*x.shape[:-1], count))
    y_scale = _scales("weight_scale", weight_scale, blocks.weight_scale, (*y.shape[:-1], count))

    def block(index: int) -> tuple[Exact, Array, Array]:
        part = slice(index * blocks.size, (index + 1) * blocks.size)
        total = dot(y[..., part], x[..., part], weight_format, activation_format)
        return total, x_scale[..., index], y_scale[..., index]

    shape = np.broadcast_shapes(x.shape[:-1], y.shape[:-1])
    return _accumulate(block, count, shape, k, weight_format, activation_format, blocks, terms)


def _accumulate(
    block: Block,
    count: int,
    shape: tuple[int, ...],
    k: int,
    weight_format: Format,
    activation_format: Format,
    blocks: Blocks,
    terms: int | None,
) -> Exact | NDArray[np.uint32]:
    most = max(k, 1) if terms is None else terms
    if k > most:
        raise ValueError(f"terms must be at least the {k} that there are, not {terms}")
    form = blocks.sum_format(weight_format, activation_format, most)
    factors = (weight_format, activation_format, blocks.weight_scale, blocks.activation_scale)
    largest = most
    for factor in factors:
        largest *= largest_integer(factor)
    if isinstance(form, FixedPoint):
        return _exact(block, count, shape, blocks, form, np.int64 if largest < 1 << 63 else object)

    sum_bits = (blocks.size * largest_integer(weight_format) * largest_integer(activation_format)).bit_length()
    scale_bits = _significand_bits(blocks.weight_scale) + _significand_bits(blocks.activation_scale)
    lsb_exponent = sum(factor.lsb_exponent for factor in factors)
    in_range = lsb_exponent > -SAFE_EXPONENT and lsb_exponent + largest.bit_length() < SAFE_EXPONENT
    if sum_bits <= 53 and scale_bits <= 53 and in_range:
        return _float32(block, count, shape, blocks, whole=sum_bits + scale_bits <= 53)
    return _float32_large(block, count, shape, blocks)


def _significand_bits(format: Format) -> int:
    # Without a shift a significand is the integer, and that of two's complement may be a bit longer than its precision.
    return format.precision if format.max_shift else max(format.precision, largest_integer(format).bit_length())


def _exact(block: Block, count: int, shape: tuple[int, ...], blocks: Blocks, form: FixedPoint, kind: type) -> Exact:
    total: Array = np.zeros(shape, dtype=kind)
    special = np.zeros(shape)
    for index in range(count):
        term, x_scale, y_scale = block(index)
        total = np.asarray(total + _scaled_integers(term, x_scale, y_scale, blocks, kind), dtype=kind)
        if form.specials:
            with np.errstate(invalid="ignore"):  # infinities of both signs make NaN
                special = special + _specials(term, x_scale, y_scale, blocks)
    finite = np.isfinite(special)
    flags = {"nan": np.isnan(special), "positive_infinity": special == np.inf, "negative_infinity": special == -np.inf}
    return Exact(
        np.asarray(np.where(finite, total, 0), dtype=kind),
        form.lsb_exponent,
        *(np.asarray(flag) if name in form.specials else None for name, flag in flags.items()),
    )


def _scaled_integers(term: Exact, x_scale: Array, y_scale: Array, blocks: Blocks, kind: type) -> Array:
    """A block's sum times both scales, in units of the four factors' lowest bits; 0 where it is not finite."""
    x, y = _integers(x_scale, blocks.activation_scale, kind), _integers(y_scale, blocks.weight_scale, kind)
    # NumPy makes scalars of 0-d results, and int64 of those that are small, unless told otherwise.
    return np.asarray(np.asarray(term.integers.astype(kind) * x, dtype=kind) * y, dtype=kind)


def _integers(codes: Array, format: Format, kind: type) -> Array:
    parts = unpack(codes, format)
    integers = np.where(parts.negative, -parts.significand, parts.significand)
    return np.asarray(integers.astype(kind) << parts.shift.astype(kind), dtype=kind)


def _specials(term: Exact, x_scale: Array, y_scale: Array, blocks: Blocks) -> Array:
    """A block's sum times both scales where that is NaN or infinite by IEEE 754's rules; elsewhere 0."""
    value = np.array(np.sign(term.integers), dtype=np.float64)
    for mask, special in ((term.nan, np.nan), (term.positive_infinity, np.inf), (term.negative_infinity, -np.inf)):
        if mask is not None:
            value[mask] = special
    with np.errstate(invalid="ignore"):
        for codes, format in ((x_scale, blocks.activation_scale), (y_scale, blocks.weight_scale)):
            scale = decode(codes, format)
            # Signs are enough, and no product of them overflows.
            value = value * np.where(np.isinf(scale), scale, np.sign(scale))
    return np.where(np.isfinite(value), 0.0, value)


def _float32(block: Block, count: int, shape: tuple[int, ...], blocks: Blocks, whole: bool) -> NDArray[np.uint32]:
    """The float32 sum where block sums, and products of scales, each fit float64; ``whole`` where their products do."""
    total: Array = np.zeros(shape, dtype=np.float32)
    with np.errstate(invalid="ignore", over="ignore"):
        for index in range(count):
            term, x_scale, y_scale = block(index)
            one = term.to_float()
            other = decode(x_scale, blocks.activation_scale) * decode(y_scale, blocks.weight_scale)
            addend = one * other
            before = total.astype(np.float64)
            if whole:
                high, low = _two_sum(before, addend)
            else:
                middle, least = _two_sum(before, _product_error(one, other, addend))
                high, rest = _two_sum(addend, middle)
                high, low = _two_sum(high, _to_odd(*_two_sum(least, rest)))
            rounded = np.where(np.isfinite(high), _to_odd(high, low), before + addend)
            # Adding zero makes an exact zero positive.
            total = np.asarray(rounded + 0.0).astype(np.float32)
    return np.where(np.isnan(total), NAN, total.view(np.uint32))


def _two_sum(one: Array, other: Array) -> tuple[Array, Array]:
    """The rounded sum and its error, exactly."""
    total = one + other
    second = total - one
    return total, (one - (total - second)) + (other - second)


def _product_error(one: Array, other: Array, product: Array) -> Array:
    """What the rounded product lacks, exactly: Dekker's product of halves."""
    (one_high, one_low), (other_high, other_low) = _halves(one), _halves(other)
    return ((one_high * other_high - product) + one_high * other_low + one_low * other_high) + one_low * other_low


def _halves(values: Array) -> tuple[Array, Array]:
    spread = values * 134217729.0  # 2**27 + 1
    high = spread - (spread - values)
    return high, values - high


def _to_odd(value: Array, error: Array) -> Array:
    """``value + error`` rounded to odd: the neighbour with the odd significand wherever there is an error.

    Rounded once more, to a significand shorter by two bits or more, it is what a single rounding gives.
    """
    bits = value.view(np.int64)
    step = np.where((error > 0) == (value > 0), 1, -1)
    return np.where((error != 0) & (bits & 1 == 0), bits + step, bits).view(np.float64)


def _float32_large(block: Block, count: int, shape: tuple[int, ...], blocks: Blocks) -> NDArray[np.uint32]:
    """The float32 sum of any factors."""
    codes = np.zeros(shape, dtype=np.uint32)
    none = np.zeros(codes.size, dtype=bool)
    for index in range(count):
        term, x_scale, y_scale = block(index)
        addend = np.broadcast_to(_scaled_integers(term, x_scale, y_scale, blocks, object), shape)
        lsb_exponent = term.lsb_exponent + blocks.activation_scale.lsb_exponent + blocks.weight_scale.lsb_exponent
        unit = min(lsb_exponent, FLOAT32.lsb_exponent)
        total = (_integers(codes, FLOAT32, object) << FLOAT32.lsb_exponent - unit) + (addend << lsb_exponent - unit)
        integers = np.asarray(total, dtype=object).reshape(-1).tolist()
        significand, exponent = normalize_large([abs(integer) for integer in integers])
        negative = np.array([integer < 0 for integer in integers], dtype=bool)
        split = Split(negative, significand, exponent + unit, none, none)
        rounded = round_to_codes(split, FLOAT32, Rounding.TIES_TO_EVEN, Overflow.INFINITY, None).reshape(shape)
        with np.errstate(invalid="ignore"):
            special = decode(codes, FLOAT32) + _specials(term, x_scale, y_scale, blocks)
        bits = np.where(np.isnan(special), NAN, special.astype(np.float32).view(np.uint32))
        codes = np.where(np.isfinite(special), rounded, bits).astype(np.uint32)
    return codes


def _check_blocks(blocks: Blocks, weight: Format, activation: Format, zero_points: object) -> None:
    if not isinstance(blocks, Blocks):
        raise ValueError(f"blocks must be a Blocks, not {blocks!r}")
    blocks.check(weight, activation)
    if blocks.zero_points != (zero_points is not None):
        raise ValueError(f"weight_zero_point must be {'given' if blocks.zero_points else 'left out'} for {blocks}")


def _less_zero_points(codes: Array, points: Array, format: Format) -> Array:
    """The codes of integers less those of zero points, in the format that ``Blocks.multiplied`` gives."""
    differences = decode(codes, format) - decode(points, format)
    return differences.astype(np.int64) & (1 << format.width + 1) - 1


def _scales(name: str, codes: ArrayLike, format: Format, shape: tuple[int, ...]) -> Array:
    array = check_codes(codes, format)
    if array.shape != shape:
        raise ValueError(f"{name} must have one code for each block, shape {shape}, not {array.shape}")
    return array
