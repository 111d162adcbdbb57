"""Random products and images that a board is asked to compute, and the check of what it answers."""

import time
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...formats import Engine, Format
from ...formats.network import Program
from ...sim import decode, encode, image_bytes, scale_codes
from ...sim.codes import code_dtype, random_codes
from .device import Device

__all__ = ["Challenge", "compute", "random_challenge", "random_images"]

Array = NDArray[Any]


class Challenge(NamedTuple):
    """Codes of A, (m, k), and of W, (k, n), and the parameters of ``sim.engine_matmul``."""

    a: Array
    w: Array
    parameters: dict[str, Any]

    @property
    def products(self) -> int:
        (m, k), n = self.a.shape, self.w.shape[1]
        return int(m * k * n)


def random_challenge(engine: Engine, chance: np.random.Generator, most: int = 4096) -> Challenge:
    """Make a product of random sizes, which need not fit the array.

    Codes are random bit patterns, with so few special values that about half of the sums are finite. Scales are chosen
    so that most of C is within the range of the output; one scale in ten is a random bit pattern.

    Parameters
    ----------
    most: roughly how many codes A and W have together at most
    """
    k = _size(chance, min(engine.max_k, max(1, most // 2)))
    m = _size(chance, min(max(1, most // 2 // k), 3 * engine.tile_m))
    n = _size(chance, max(1, most // 2 // k))
    a, w = _codes(engine.activation, chance, (m, k)), _codes(engine.weight, chance, (k, n))
    how = engine.requantization
    given: dict[str, Any] = {}
    if how.scale is not None:
        typical = 0.3 * k**0.5 * float(engine.activation.max_finite) * float(engine.weight.max_finite)
        value = min(float(how.output.max_finite), 2.0**40) / typical
        given["scale"] = _scales(how.scale, chance, value, (n,) if engine.scale_per == "channel" else ())
    if how.tensor_scale is not None:
        given["tensor_scale"] = _scales(how.tensor_scale, chance, 1.0, ())
    if how.bias_bits:
        half = 1 << how.bias_bits - 1
        given["bias"] = (chance.uniform(-half, half, n) * 2.0 ** chance.uniform(-how.bias_bits, 0, n)).astype(np.int64)
    if how.zero_point:
        given["zero_point"] = int(chance.integers(how.output.min_integer, how.output.max_integer + 1))
    if engine.weight_zero_point:
        given["weight_zero_point"] = int(chance.integers(engine.weight.min_integer, engine.weight.max_integer + 1))
    if engine.blocks is not None:
        count = -(-k // engine.blocks.size)
        given["activation_scale"] = _scales(engine.blocks.activation_scale, chance, 1.0, (m, count))
        given["weight_scale"] = _scales(engine.blocks.weight_scale, chance, 1.0, (count, n))
        if engine.blocks.zero_points:
            given["weight_zero_point"] = _codes(engine.weight, chance, (count, n))
    return Challenge(a, w, given)


def random_images(program: Program, chance: np.random.Generator, count: int) -> NDArray[np.uint8]:
    """Images of random bytes, or of random codes if the program takes codes."""
    image = program.image
    size = (count, image.height, image.width, image.channels)
    return chance.choice(image_bytes(program), size)


def compute(device: Device, challenge: Challenge) -> tuple[bool, float]:
    """Whether the board gives every bit that the golden model gives, and the seconds that it took. Raises LinkError."""
    a, w, given = challenge
    begun = time.monotonic()
    found = device.matmul(a, w, codes=True, **given)
    took = time.monotonic() - begun
    return bool(np.array_equal(found, device.golden(a, w, codes=True, **given))), took


def _size(chance: np.random.Generator, most: int) -> int:
    """A random size from 1 to ``most``, for which each power of two is as likely as the next."""
    return min(most, int(2.0 ** chance.uniform(0, np.log2(most + 1))))


def _codes(format: Format, chance: np.random.Generator, shape: tuple[int, int]) -> Array:
    codes = random_codes(format, chance, shape)
    special = ~np.isfinite(decode(codes, format)) & (chance.random(shape) > 0.5 / shape[1])
    return np.where(special, encode(1.0, format), codes).astype(code_dtype(format))


def _scales(format: Format, chance: np.random.Generator, value: float, shape: tuple[int, ...]) -> Array:
    near = value * 2.0 ** chance.uniform(-2, 1, shape)
    codes = scale_codes(near, format)
    wild = chance.integers(0, 1 << format.width, shape)
    return np.where(chance.random(shape) < 0.1, wild, codes).astype(code_dtype(format))
