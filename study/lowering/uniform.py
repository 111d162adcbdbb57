"""Layers of several integer formats become layers of one pair that has all their values, as an array has it."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ...formats import Format, Integer
from ..network import grid
from ..quantization.block_layer import BlockLayer
from ..quantization.quantize import QuantizedLayer
from .searched import integers_of

__all__ = ["Span", "moved_into", "plain_layers", "uniform"]

Span = tuple[int, int]
"""The least and the greatest integer that a tensor may have in a format that has more."""

MOST_BITS = 8


def plain_layers(names: Iterable[str], layers: Mapping[str, QuantizedLayer | BlockLayer]) -> dict[str, QuantizedLayer]:
    """The layers of these names, if one scale is enough for each of their sums. Raises ValueError otherwise."""
    found = {}
    for name in names:
        layer = layers.get(name)
        if layer is None:
            raise ValueError(f"layers must all be quantized for a network accelerator, not {name!r} left in float32")
        if isinstance(layer, BlockLayer):
            raise ValueError("scale_per must be tensor or channel for a network accelerator, not block")
        found[name] = layer
    return found


def uniform(layers: Mapping[str, QuantizedLayer]) -> tuple[dict[str, QuantizedLayer], dict[str, Span | None]]:
    """The layers with the same formats, and for each what its activation may have of them; None for all.

    Where an unsigned format of activations does not go into the one of all, its integers are moved down, and so is its
    zero point. Raises ValueError where no format of 8 bits has all.
    """
    weight = _common("weight", {layer.weight_format for layer in layers.values()})
    activation = _common("activation", {layer.activation_format for layer in layers.values()})
    made, spans = {}, dict[str, Span | None]()
    for name, layer in layers.items():
        own = layer.activation_format
        low, high = own.min_integer, own.max_integer
        down = min(0, activation.max_integer - high)
        spans[name] = None if own == activation else (low + down, high + down)
        assert layer.codes is not None
        codes = layer.codes
        if layer.weight_format != weight:
            codes = grid.codes(grid.values(codes, layer.weight_format), weight)
        bias = layer.bias
        if down:
            sums = integers_of(weight)[codes].sum(axis=1).reshape(-1)
            bias = (0 if bias is None else bias) - down * sums
        zero = layer.zero_point + down
        layer = replace(layer, weight_format=weight, activation_format=activation)
        made[name] = replace(layer, codes=codes, bias=bias, zero_point=zero)
    return made, spans


def _common(what: str, formats: set[Format]) -> Format:
    """The one format, or that of integers which has all values of these; unsigned ones of as many bits may be moved."""
    if len(formats) == 1:
        return next(iter(formats))
    low = min(format.min_integer for format in formats)
    span = max(format.max_integer - format.min_integer for format in formats)
    high = max(format.max_integer for format in formats)
    if all(isinstance(format, Integer) for format in formats):
        bits = max(high, -low - 1).bit_length() + (low < 0)
        if bits > MOST_BITS and what == "activation":
            bits = max(span.bit_length(), (-low - 1).bit_length() + 1)
        if bits <= MOST_BITS:
            return Integer(bits, unsigned=low >= 0)
    names = ", ".join(sorted(map(str, formats)))
    raise ValueError(f"{what} must be one format in all layers of an accelerator, or integers of 8 bits, not {names}")


def moved_into(format: Format, zero: int, between: Format) -> tuple[int, Span] | None:
    """A zero point by which a format between layers has all integers of another one, and which of its own they are.

    The zero point is 0 if that is possible; None where there is none. ``zero``: the zero point of the other format.
    """
    low, high = format.min_integer - zero, format.max_integer - zero
    move = max(0, between.min_integer - low) + min(0, between.max_integer - high)
    if low + move < between.min_integer or high + move > between.max_integer:
        return None
    return move, (low + move, high + move)
