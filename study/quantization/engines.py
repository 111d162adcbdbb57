"""A quantized network is computed in float32, which is fast, or by the golden model, as hardware computes it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...formats import Requantization, parse
from ...sim import Exact, float_for, model_of, requantize, requantize_floats
from ..network import grid
from ..network.float_layer import FloatLayer
from ..network.layer import Clip, Layer
from ..network.patches import bordered, image, patches
from .block_layer import BlockLayer
from .convolve import FloatConvolution, float_convolution
from .float32_sums import float32_terms
from .quantize import QuantizedLayer

__all__ = ["bias_before", "float_engine", "integer_engine"]

Array = NDArray[Any]

FLOAT32 = parse("float32")
SCALED = Requantization(FLOAT32, scale=FLOAT32)


class float_engine:
    """Rounds operands to values of the formats, sums their products in float32, and scales the sums.

    It differs from ``integer_engine`` only where a sum, in units of its lowest bit, is longer than float32's 24 bits.
    """

    def __init__(self, layers: Mapping[str, QuantizedLayer | BlockLayer], threads: int = 1):
        self._layers, self._threads = layers, threads
        self._floats: dict[tuple[str, Clip | None], FloatLayer] = {}
        self._memory = [np.empty(0, np.float32), np.empty(0, np.float32)]

    def __call__(self, layer: Layer, operands: list[Array]) -> Array:
        quantized = self._layers[layer.name]
        if isinstance(quantized, BlockLayer):
            return _clipped(quantized.fast(operands), layer)
        values = [*quantized.values(operands, self._rooms(operands))]
        if quantized.zero_point:
            values[0] = values[0] - np.float32(quantized.zero_point)
        border = _border(quantized)
        if border and layer.convolution is not None:
            values[0] = bordered(values[0], layer.convolution, border)
        key = layer.name, layer.clip
        if key not in self._floats:
            self._floats[key] = _float_layer(quantized, layer.clip, self._threads)
        return self._floats[key](values)

    def _rooms(self, operands: list[Array]) -> list[Array]:
        """Memory for rounded operands, which nobody reads any more when the next layer is computed."""
        for place, operand in enumerate(operands):
            if self._memory[place].size < operand.size:
                self._memory[place] = np.empty(operand.size, np.float32)
        return self._memory


def _float_layer(quantized: QuantizedLayer, clip: Clip | None, threads: int) -> FloatLayer:
    before = bias_before(quantized)
    layer = replace(quantized.layer, clip=clip)
    if _border(quantized) and layer.convolution is not None:
        layer = replace(layer, convolution=layer.convolution.unpadded)
    return FloatLayer(layer, quantized.weights, before, quantized.scale, quantized.after, threads)


def _border(quantized: QuantizedLayer) -> float:
    """What a convolution's border of zeros is encoded as: the nearest value in a format without zero."""
    if quantized.zero_point or quantized.activation_format.has_zero:
        return 0.0
    return float(grid.round_to(np.zeros(1, np.float32), quantized.activation_format)[0])


def bias_before(quantized: QuantizedLayer) -> Array | None:
    """The bias in units of the products' values, float32, for operands from which the zero point is subtracted."""
    if quantized.bias is None:
        return None
    bias = quantized.bias + quantized.offset if quantized.zero_point else quantized.bias
    return np.ldexp(bias.astype(np.float64), quantized.lsb_exponent).astype(np.float32)


class integer_engine:
    """Computes as hardware does, by its golden model: sums of codes are exact, and rounded once with scale and bias.

    Where float32 holds every sum with its bias, ``float_engine`` does just that, and other sums of convolutions are
    summed in floats too, as far as these hold them. ``quick``: whether it is done so; the golden model multiplies codes
    one after the other otherwise, for the same results.
    """

    def __init__(self, layers: Mapping[str, QuantizedLayer | BlockLayer], threads: int = 1, quick: bool = True):
        self._layers = layers
        self._floats = float_engine(layers, threads)
        own = {name: layer for name, layer in layers.items() if quick and isinstance(layer, QuantizedLayer)}
        self._terms = {name: float32_terms(layer) for name, layer in own.items()}
        self._convolutions = {
            name: convolution
            for name, layer in own.items()
            if not self._terms[name] and (convolution := _float_convolution(layer, threads)) is not None
        }

    def __call__(self, layer: Layer, operands: list[Array]) -> Array:
        terms = self._terms.get(layer.name, 0)
        if terms and operands[0].shape[-1] <= terms:
            return self._floats(layer, operands)
        return _clipped(self._unclipped(layer, operands), layer)

    def _unclipped(self, layer: Layer, operands: list[Array]) -> Array:
        quantized = self._layers[layer.name]
        if isinstance(quantized, BlockLayer):
            return quantized.exact(operands)
        convolution = self._convolutions.get(layer.name)
        if convolution is not None:
            (values,) = quantized.values(operands)
            if quantized.activation_format.finite or np.isfinite(values).all():
                return _from_floats(quantized, convolution.sums(values), convolution.bound)
        codes, (*rows, terms) = [*quantized.rounded(operands)], operands[0].shape
        if layer.convolution is not None:
            codes[0] = patches(codes[0], layer.convolution, _zero(quantized))
        elif quantized.codes is not None:
            codes[0] = codes[0].reshape(1, math.prod(rows), terms)
        right = quantized.codes if quantized.codes is not None else codes[1]
        sums = model_of(quantized.arithmetic).matmul(codes[0], right, quantized.arithmetic)
        result = _from_sums(quantized, sums)
        if layer.convolution is not None:
            return image(result, layer.convolution, operands[0].shape[2:], len(operands[0]))
        if quantized.codes is not None:
            return result.reshape(*rows, result.shape[-1])
        return result


def _zero(quantized: QuantizedLayer) -> Array:
    """The code of a convolution's border."""
    return grid.codes(np.asarray(float(quantized.zero_point)), quantized.activation_format)


def _float_convolution(quantized: QuantizedLayer, threads: int) -> FloatConvolution | None:
    shape = quantized.layer.convolution
    if shape is None or quantized.codes is None:
        return None
    border = float(grid.values(_zero(quantized), quantized.activation_format))
    return float_convolution(quantized.arithmetic, quantized.codes, shape, border, threads)


def _from_floats(quantized: QuantizedLayer, sums: Array, bound: int) -> Array:
    """The results of a convolution's sums, which floats hold: the same as of ``_from_sums``."""
    placed, bias = quantized.layer.by_channel, quantized.bias
    longest = bound + (0 if bias is None else int(np.abs(bias).max(initial=0)))
    if float_for(longest) is not None:
        result = requantize_floats(
            *(sums, longest, quantized.lsb_exponent, SCALED),
            scale=placed(_scale_codes(quantized)),
            bias=0 if bias is None else placed(bias),
        )
        if result is not None:
            return _shifted(quantized, result, placed)
    exact = Exact(sums.astype(np.int64), quantized.lsb_exponent)
    return _requantized(quantized, exact, placed)


def _from_sums(quantized: QuantizedLayer, sums: Exact) -> Array:
    return _requantized(quantized, sums, lambda values: _by_column(quantized, values))


def _requantized(quantized: QuantizedLayer, sums: Exact, placed: Callable[[Array], Array]) -> Array:
    """The results of sums. ``placed`` shapes numbers of all channels as the sums are."""
    bias = quantized.bias
    bits = 0 if bias is None else 1 + int(np.abs(bias).max(initial=0)).bit_length()
    how = replace(SCALED, bias_bits=bits)
    scale = placed(_scale_codes(quantized))
    result = requantize(sums, how, scale=scale, bias=None if bias is None else placed(bias))
    return _shifted(quantized, result, placed)


def _scale_codes(quantized: QuantizedLayer) -> Array:
    return quantized.scale.view(np.uint32)


def _shifted(quantized: QuantizedLayer, codes: Array, placed: Callable[[Array], Array]) -> Array:
    found = codes.view(np.float32)
    return found if quantized.after is None else found + placed(quantized.after)


def _clipped(result: Array, layer: Layer) -> Array:
    return result if layer.clip is None else result.clip(*map(np.float32, layer.clip), out=result)


def _by_column(quantized: QuantizedLayer, values: Array) -> Array:
    if values.ndim == 0:
        return values
    assert quantized.codes is not None
    return values.reshape(len(quantized.codes), 1, -1)
