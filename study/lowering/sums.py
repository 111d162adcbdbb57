"""What a record sums: its weights as codes, the value of its unit, and its bias in such units."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...formats import Arithmetic, Format
from ..quantization.quantize import QuantizedLayer
from .plan import RecordEntry
from .searched import integers_of
from .slots import Place
from .steps import AffineStep, InputStep, PoolStep, ProductStep
from .weights import by_tap

__all__ = ["Sum", "sum_of"]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Sum:
    """``unit * (sum + bias)`` is what a line makes, without its residual.

    Members
    -------
    unit: (channels,), float64
    bias: (channels,), whole numbers
    weights: codes, (groups, n, taps, channels of a group); None for a pool
    """

    unit: Array
    bias: Array
    weights: Array | None = None


def sum_of(entry: RecordEntry, layers: Mapping[str, QuantizedLayer], arithmetic: Arithmetic, between: Format) -> Sum:
    """Of a record: its base with all that is per channel behind it."""
    line, source = entry.line, entry.source
    assert source is not None and not isinstance(line.base, InputStep)
    if isinstance(line.base, ProductStep):
        found = _product(line.base, layers[line.base.layer.name], source)
    elif isinstance(line.base, AffineStep):
        found = _by_channel(line.base, arithmetic, source)
    else:
        found = _pool(line.base, source, between)
    unit = found.unit * line.gain
    return Sum(unit, found.bias + np.rint(line.offset / unit), found.weights)


def _product(step: ProductStep, layer: QuantizedLayer, source: Place) -> Sum:
    assert layer.codes is not None
    # a tensor that several layers read in several shapes has the scale of one of them
    ratio = np.float64(1) if np.ndim(layer.divisor) else np.float64(source.scale.unit / layer.divisor)
    unit = np.broadcast_to(np.ldexp(layer.scale.astype(np.float64), layer.lsb_exponent) * ratio, (step.channels,))
    if np.any(unit < 0):
        raise ValueError(f"scales must be above 0 for a network accelerator, not below it in {step.name!r}")
    bias = np.zeros(step.channels) if layer.bias is None else np.rint(layer.bias / ratio)
    if layer.after is not None:
        bias = bias + np.rint(layer.after / unit)
    return Sum(unit, bias, by_tap(step, layer.codes))


def _by_channel(step: AffineStep, arithmetic: Arithmetic, source: Place) -> Sum:
    """Each channel times the largest weight that has its gain's sign."""
    format = arithmetic.weight
    if np.any(step.gain < 0) and not format.signed:
        raise ValueError(f"weight must be a signed format where {step.name!r} has factors below 0, not {format.name}")
    ends = format.ordered
    ordered = (ends[0][1], format.filler, ends[-1][1])
    codes = np.array(ordered, np.uint8)[np.sign(step.gain).astype(int) + 1]
    integers = integers_of(format)[codes]
    lsb = np.ldexp(np.broadcast_to(source.scale.unit, step.gain.shape), arithmetic.activation.lsb_exponent)
    unit = lsb * np.where(integers, step.gain / np.where(integers, integers, 1), 1)
    bias = np.rint(step.offset / unit) - source.scale.zero * integers
    return Sum(unit, bias, codes.reshape(-1, 1, 1, 1))


def _pool(step: PoolStep, source: Place, between: Format) -> Sum:
    unit = np.ldexp(np.float64(source.scale.unit), between.lsb_exponent) / step.divisor
    return Sum(np.full(step.channels, unit), np.zeros(step.channels))
