"""Values of every kind for units that scale and round: integers of all lengths, ties, extremes, and fitting scales."""

import numpy as np

from ..formats import Format
from ..sim import decode, encode, scale_codes
from ..sim.codes import random_codes
from .golden import Array

__all__ = [
    "every_code",
    "finite_codes",
    "integers",
    "random_scales",
    "values_of",
    "zero_code",
]


def every_code(format: Format) -> Array:
    """All codes of a format of 16 bits at most."""
    return np.array(format.codes, dtype=np.int64)


def finite_codes(format: Format) -> Array:
    """All codes of a format of 16 bits at most that are numbers."""
    codes = every_code(format)
    return codes[np.isfinite(decode(codes, format))]


def zero_code(format: Format) -> int:
    """The code of zero; of a format without, code 0."""
    return format.nothing


def values_of(codes: Array, format: Format) -> Array:
    """The values, 1 where they are not finite or 0."""
    values = np.abs(decode(codes, format))
    return np.where(np.isfinite(values) & (values > 0), values, 1.0)


def integers(generator: np.random.Generator, width: int, signed: bool, count: int) -> Array:
    """Integers of all lengths: powers of two, such with few ones, ties and next to them, all ones, the extremes.

    Python integers where 63 bits are too few.
    """
    body = width - signed
    values = []
    kinds = generator.integers(0, 7, count).tolist()
    lengths = generator.integers(0, body + 1, count).tolist()
    cuts = generator.random(count).tolist()
    near = generator.integers(-1, 2, count).tolist()
    signs = generator.random(count).tolist()
    size = body // 8 + 1
    noise = generator.bytes(size * count)
    for k, (kind, bits, cut, off, sign) in enumerate(zip(kinds, lengths, cuts, near, signs, strict=True)):
        value = int.from_bytes(noise[k * size :][:size], "little") & ((1 << bits) - 1)
        if kind == 0 and bits:
            value = (1 << bits - 1) + off
        elif kind == 1 and bits > 2:
            place = 1 + int(cut * (bits - 1))
            value = (value >> place << place | 1 << place - 1) + off
        elif kind == 2:
            value = (1 << bits) - 1
        elif kind == 3:
            value = (1 << body) - 1 if cut < 0.5 else bits % 2
        value = min(max(value, 0), (1 << body) - 1)
        values.append(~value if signed and sign < 0.5 else value)
    return np.array(values, dtype=np.int64 if width < 63 else object)


def random_scales(format: Format, generator: np.random.Generator, wanted: Array, wild: float = 0.1) -> Array:
    """Scales about as large as wanted, and in this share of places any codes, special ones among them."""
    values = np.clip(wanted, 2.0**-160, 2.0**160)
    near = scale_codes(values, format).astype(np.int64)
    if format.signed and format.width > 1:
        negative = encode(-values, format)
        near = np.where(generator.random(near.shape) < 0.2, negative, near)
    return np.where(generator.random(near.shape) < wild, random_codes(format, generator, near.shape), near)
