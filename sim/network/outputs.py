"""From a record's sums to the codes of the tensors that it writes: scaled, a residual added, rounded once."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...formats import Format, Requantization
from ...formats.network import Output, Program, Record, clip_order
from ..encode import encode
from ..exact import Exact
from ..floats import DOUBLE
from ..requantize import requantize
from .tensors import Words, as_kind, exact_kind

__all__ = ["Scaling", "nearest"]

Array = NDArray[Any]
LOW_BITS = 10
"""Of 63, those that float64 has no place for."""


class Scaling:
    """What makes one written tensor of a record's sums.

    Parameters
    ----------
    program, record, output: what it belongs to
    memory: ``activation`` or ``between``
    bound: the greatest magnitude of a sum with its bias
    residual_bound: the greatest magnitude of the residual's integers
    """

    def __init__(self, program: Program, record: Record, output: Output, memory: str, bound: int, residual_bound: int):
        shape = program.shape
        self.output = output
        written: Format = getattr(shape, memory)
        self.format = written if output.table is None else shape.between
        channels = record.channels if record.parameter_step else 1
        parameters = program.parameters[record.parameters : record.parameters + channels]
        multipliers = [getattr(parameter, memory) for parameter in parameters]
        self.factor = output.multiplier << output.residual_shift
        most = bound * max(multipliers) + residual_bound * self.factor
        self.kind = exact_kind(most)
        self.multipliers = np.array(multipliers, dtype=self.kind)
        self.last = _clip(self.format, output) if output.table is None else _table(program.tables[output.table])

    def __call__(self, sums: Array, residual: Array | None) -> Words:
        """The codes of sums with their bias, and of a residual's integers, that each hold all integers exactly."""
        scaled = as_kind(sums, self.kind) * self.multipliers
        if residual is not None and self.factor:
            scaled += as_kind(residual, self.kind) * self.factor
        codes = nearest(scaled, self.format, self.output.shift, self.output.zero_point)
        return codes if self.last is None else self.last[codes]


def nearest(scaled: Array, format: Format, shift: int, zero_point: int) -> Words:
    """The codes of ``scaled * 2**-shift``: rounded, a zero point added, saturated."""
    if scaled.dtype == object:
        how = Requantization(format, zero_point=bool(zero_point))
        return np.asarray(requantize(Exact(scaled, -shift), how, zero_point=zero_point or None))
    values = np.ldexp(_to_float(scaled), -shift)
    if not format.takes_zero_point:
        values += 0.0  # an exact zero is positive
        return encode(values, format)
    np.rint(values, out=values)
    values += zero_point
    np.clip(values, format.min_integer, format.max_integer, out=values)
    return (values.astype(np.int16) & ((1 << format.width) - 1)).astype(np.uint8)


def _to_float(integers: Array) -> Array:
    """Integers as float64, or what rounds as they do to a format of at most 8 bits.

    Of integers beyond 53 bits the low bits become one, which makes the next bit odd where any of them is set. No
    boundary between codes lies there: values so large are at least 43 bits above it, or beyond every code.
    """
    if integers.dtype == np.float64:
        return integers
    low = integers & ((1 << LOW_BITS) - 1)
    odd = np.ldexp(((integers >> LOW_BITS) | (low != 0)).astype(np.float64), LOW_BITS)
    return np.where(np.abs(integers) <= DOUBLE, integers.astype(np.float64), odd)


def _clip(format: Format, output: Output) -> Words | None:
    """What each code becomes; None where all of them stay."""
    places = [clip_order(format, code) for code in range(1 << format.width)]
    low, high = places[output.low], places[output.high]
    clipped = [
        output.low if place < low else output.high if place > high else code for code, place in enumerate(places)
    ]
    return None if clipped == list(range(len(places))) else np.array(clipped, dtype=np.uint8)


def _table(codes: bytes) -> Words:
    return np.frombuffer(codes, np.uint8)
