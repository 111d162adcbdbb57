"""Products for a matmul engine to make: operands of every kind, as the words of its streams, and what must come out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..formats import Engine, Format
from ..formats.base import TABLE_WIDTH
from ..sim import decode, encode, engine_matmul, pack, scale_codes
from .golden import Array

__all__ = ["KINDS", "EngineProduct", "make_product", "random_product"]

KINDS = ("finite", "special", "largest", "least", "opposite")
"""Kinds of operands: at random, finite, or with NaN and infinities among them; the largest value of both formats
everywhere, the least of both, or the largest of A's and the least of W's."""


@dataclass(frozen=True)
class EngineProduct:
    """``C[m, n]`` of ``A[m, k]`` and ``W[k, n]``.

    Members
    -------
    sizes: m, k and n
    words: of every input stream, uint8 of (words, bytes of a word); bits that must not matter are random
    parameters: what is set once a product, by the names of ``Engine.tensor_fields``, as bit patterns
    operands: what comes by streams or from memory, by the names of ``sim.pack``
    expected: the codes of C
    """

    sizes: tuple[int, int, int]
    operands: Mapping[str, Array]
    words: Mapping[str, Array]
    parameters: Mapping[str, int]
    expected: Array


def make_product(
    engine: Engine,
    generator: np.random.Generator,
    activation: Array,
    weight: Array,
    *,
    earlier: int = 0,
    **options: Any,
) -> EngineProduct:
    """The product of these codes.

    Parameters
    ----------
    generator: of the bits that must not matter
    activation, weight: codes of shapes (m, k) and (k, n)
    earlier: words of C that the engine has given since its reset
    options: scales, bias and zero point, as of ``sim.engine_matmul``
    """
    set_once = {name: options[name] for name in engine.tensor_fields}
    streamed = {name: values for name, values in options.items() if name not in set_once}
    words = pack(engine, activation, weight, **streamed)
    # Where every code is all ones, so is every bit that counts.
    everything = {"activation": activation, "weight": weight, **streamed}
    counts = pack(engine, **{name: np.full(np.shape(codes), _ones(engine, name)) for name, codes in everything.items()})
    return EngineProduct(
        sizes=(*activation.shape, weight.shape[1]),
        operands=everything,
        words={
            name: bits | (generator.integers(0, 256, bits.shape, np.uint8) & ~counts[name])
            for name, bits in words.items()
        },
        parameters={name: int(set_once[name]) & ((1 << bits) - 1) for name, bits in engine.tensor_fields.items()},
        expected=engine_matmul(engine, activation, weight, earlier=earlier, **options),
    )


def random_product(
    engine: Engine,
    generator: np.random.Generator,
    sizes: tuple[int, int, int],
    kind: str = "finite",
    earlier: int = 0,
) -> EngineProduct:
    """A product of that kind with scales by which most of C falls within the output's range, some of them wild."""
    m, k, n = sizes
    ends = {"largest": (True, True), "least": (False, False), "opposite": (True, False)}.get(kind)
    if ends is None:
        of_codes = kind if engine.element.takes_strays else "finite"
        activation = _codes(engine.activation, generator, (m, k), of_codes, k)
        weight = _codes(engine.weight, generator, (k, n), of_codes, k)
    else:
        activation = np.full((m, k), _extreme(engine.activation, ends[0]))
        weight = np.full((k, n), _extreme(engine.weight, ends[1]))
    options: dict[str, Any] = {}
    a, w = _finite(activation, engine.activation), _finite(weight, engine.weight)
    if engine.blocks is not None:
        size = engine.blocks.size
        count = -(-k // size)
        options["activation_scale"] = _near(engine.blocks.activation_scale, generator, 1.0, (m, count), kind)
        options["weight_scale"] = _near(engine.blocks.weight_scale, generator, 1.0, (count, n), kind)
        a = a * np.repeat(_finite(options["activation_scale"], engine.blocks.activation_scale), size, axis=1)[:, :k]
        if engine.blocks.zero_points:
            points = generator.integers(0, 1 << engine.weight.width, (count, n))
            options["weight_zero_point"] = points
            w = w - np.repeat(_finite(points, engine.weight), size, axis=0)[:k]
        w = w * np.repeat(_finite(options["weight_scale"], engine.blocks.weight_scale), size, axis=0)[:k]
    how = engine.requantization
    sums = np.abs(a @ w)
    typical = float(np.median(sums[sums > 0])) if sums.any() else 1.0
    if how.scale is not None:
        largest = min(float(how.output.max_finite), 2.0**40)
        shape = (n,) if engine.scale_per == "channel" else ()
        options["scale"] = _near(how.scale, generator, largest / typical, shape, kind)
    if how.tensor_scale is not None:
        options["tensor_scale"] = _near(how.tensor_scale, generator, 1.0, (), kind)
    if how.bias_bits:
        half = 1 << how.bias_bits - 1
        usual = min(half, max(1, int(typical / 2.0**engine.accumulator.lsb_exponent)))
        bias = generator.integers(-usual, usual, n)
        ends_of_bias = generator.choice(np.array([-half, half - 1]), n)
        options["bias"] = np.where(generator.random(n) < 0.1, ends_of_bias, bias)
    if how.zero_point:
        options["zero_point"] = int(generator.integers(how.output.min_integer, how.output.max_integer + 1))
    if engine.weight_zero_point:
        codes = engine.weight
        options["weight_zero_point"] = int(generator.integers(int(codes.min_finite), int(codes.max_finite) + 1))
    if engine.element.droppable:
        options["dropped_digits"] = int(generator.integers(engine.element.droppable + 1))
    return make_product(engine, generator, activation, weight, earlier=earlier, **options)


def _ones(engine: Engine, name: str) -> int:
    """The code of all ones in what has that name."""
    format: Format | None
    if name == "bias":
        return -1
    if name in ("activation", "weight", "weight_zero_point"):
        format = getattr(engine, name.removesuffix("_zero_point"))
    elif name == "scale":
        format = engine.requantization.scale
    else:
        format = getattr(engine.blocks, name)
    assert format is not None
    return (1 << format.width) - 1


def _codes(format: Format, generator: np.random.Generator, shape: tuple[int, int], kind: str, k: int) -> Array:
    """Finite codes, and with them as many special ones as leave about half of the sums of ``k`` products finite."""
    if format.width > TABLE_WIDTH:
        codes = np.asarray(encode(generator.normal(size=shape), format))
    else:
        values = _table(format)
        codes = generator.choice(np.flatnonzero(np.isfinite(values)), shape)
        specials = np.flatnonzero(~np.isfinite(values))
        if kind == "special" and len(specials):
            codes = np.where(generator.random(shape) < 0.35 / k, generator.choice(specials, shape), codes)
    return codes


def _near(format: Format, generator: np.random.Generator, value: float, shape: tuple[int, ...], kind: str) -> Array:
    """Scales about ``value``, and one in eight whatever the bits say: NaN, an infinity and zero among them."""
    values = value * 2.0 ** generator.uniform(-3, 1, shape)
    near = scale_codes(values, format).astype(np.int64)
    wild = generator.integers(0, 1 << format.width, shape)
    return np.where(generator.random(shape) < (0.3 if kind == "special" else 0.1), wild, near)


def _finite(codes: Array, format: Format) -> Array:
    """The values, 0 where they are not finite."""
    return np.nan_to_num(decode(codes, format), nan=0.0, posinf=0.0, neginf=0.0)


def _table(format: Format) -> Array:
    """The value of every code, NaN for a bit pattern that is none."""
    values = decode(np.arange(1 << format.width), format)
    values[np.setdiff1d(np.arange(1 << format.width), np.array(format.codes))] = np.nan
    return values


def _extreme(format: Format, largest: bool) -> int:
    """The code of the largest value, or of the least one."""
    if format.width > TABLE_WIDTH:
        return int(encode(float(format.max_finite if largest else format.min_finite), format))
    values = _table(format)
    if largest:
        return int(np.argmax(np.where(np.isfinite(values), values, -np.inf)))
    return int(np.argmin(np.where(np.isfinite(values), values, np.inf)))
