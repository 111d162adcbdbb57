"""A record's sums: of products, or of a pool."""

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...formats.network import Pool, Product, Program
from ..codes import largest_integer
from ..elements.model import model_of
from ..floats import DOUBLE, SINGLE
from .tensors import Words, exact_kind, integer_table, pad, patches

__all__ = ["Multiply", "PoolSums", "ProductSums"]

Array = NDArray[Any]
Multiply = Callable[[Words, Words], Array]
"""Is called with codes of activations, (m, k), and of weights, (k, n), and gives the exact sums of their products, (m,
n), as integers in units of the arithmetic's lowest bit."""


class ProductSums:
    """The sums of a ``Product`` without their bias.

    A step of tiles, those that read the same words, is one product of matrices. Where the weights and the greatest
    activation bound all partial sums to what a float holds, that is done in floats, whatever the order of the sums;
    otherwise, and for elements of another rule, the arithmetic's own model multiplies codes.

    Parameters
    ----------
    program, record: what the sums belong to
    multiply: multiplies codes in the place of all that; None for nothing

    Members
    -------
    bound: the greatest magnitude that a sum can have
    scratch: bytes of temporaries for an image
    """

    def __init__(self, program: Program, record: Product, multiply: Multiply | None = None):
        shape = program.shape
        self.shape, self.record, self.multiply = shape, record, multiply or self._by_model
        self.terms = record.terms * shape.lanes
        tiles = record.tiles(shape.columns)
        word = shape.columns * shape.lanes
        start = record.weights * word
        codes = np.frombuffer(program.weights, np.uint8)[start : start + tiles * record.terms * word]
        in_order = codes.reshape(tiles, record.terms, shape.columns, shape.lanes).transpose(1, 3, 0, 2)
        columns = in_order.reshape(self.terms, tiles * shape.columns)[:, : record.channels]
        width = record.tiles_a_step * shape.columns if record.tile_step else record.channels
        steps = [columns[:, first : first + width] for first in range(0, record.channels, width)]
        if shape.arithmetic.is_exact:
            magnitudes = np.abs(integer_table(shape.weight, object))[columns]
            self.bound = int(magnitudes.sum(axis=0).max()) * largest_integer(shape.activation)
        else:
            form = shape.arithmetic.accumulator(self.terms)
            self.bound = max(form.max_integer, -form.min_integer)
        self.floats = multiply is None and shape.arithmetic.is_exact and self.bound <= DOUBLE
        dtype = np.float32 if self.bound <= SINGLE else np.float64
        if self.floats:
            self.weights = [np.ascontiguousarray(integer_table(shape.weight, dtype)[step]) for step in steps]
            self.values = integer_table(shape.activation, dtype)
        else:
            self.weights = [np.ascontiguousarray(step) for step in steps]
            self.values = np.arange(1 << shape.activation.width, dtype=np.uint8)
        self.scratch = record.pixels * self.terms * self.values.itemsize

    def __call__(self, source: Words) -> Array:
        """(images, height, width, channels) in floats or in integers."""
        record, lanes = self.record, self.shape.lanes
        padded = pad(self.values[source], record.window, record.height, record.width, self.values[record.pad])
        found = []
        for step, weights in enumerate(self.weights):
            first = step * record.tile_step * lanes
            words = padded[..., first : first + record.words * lanes]
            gathered = patches(words, record.window, record.height, record.width).reshape(-1, self.terms)
            found.append(gathered @ weights if self.floats else self.multiply(gathered, weights))
        sums = found[0] if len(found) == 1 else np.concatenate(found, axis=1)
        return sums.reshape(len(source), record.height, record.width, record.channels)

    def _by_model(self, activation: Words, weight: Words) -> Array:
        arithmetic = self.shape.arithmetic
        return np.asarray(model_of(arithmetic).matmul(activation, weight, arithmetic, self.shape.lanes).integers)


class PoolSums:
    """The sums, or the greatest integers, of a ``Pool`` without their bias.

    Members
    -------
    bound: the greatest magnitude that one can have
    scratch: bytes of temporaries for an image
    """

    def __init__(self, program: Program, record: Pool):
        self.record = record
        between = program.shape.between
        self.values = integer_table(between, object) - record.zero
        self.bound = max(abs(value) for value in self.values) * (record.window.taps if record.kind == "sum" else 1)
        self.values = self.values.astype(exact_kind(self.bound))
        self.scratch = 8 * (record.source.pixels + record.pixels) * record.channels

    def __call__(self, source: Words) -> Array:
        """(images, height, width, channels) in a type that holds all of them exactly."""
        record, window = self.record, self.record.window
        integers = self.values[source[..., : record.channels]]
        sums = record.kind == "sum"
        padded = pad(integers, window, record.height, record.width, 0 if sums else -self.bound)
        taps = patches(padded, window, record.height, record.width)
        each = (taps[:, :, :, ky, kx] for ky in range(window.kernel_y) for kx in range(window.kernel_x))
        return np.asarray(reduce(np.add if sums else np.maximum, each))
