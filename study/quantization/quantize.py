"""A network is quantized by a scheme: every layer gets its codes and scales."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...formats import EXACT, Arithmetic, Blocks, Element, Format
from ..network import grid
from ..network.graph import Graph
from ..network.layer import Layer
from .activations import Activations
from .balance import balance, levels
from .binary_planes import BinaryPlanes
from .block_layer import BlockLayer
from .calibrate import LONG, CalibrationStatistics
from .outliers import WithOutliers
from .rounding import gptq, learned
from .scales import best_scales, error_of_results, share_of_results
from .scheme import Scheme
from .tensor_formats import Operand, Rows, format_of
from .weight_blocks import format_of_blocks, stored_blocks, unit
from .zero_points import WithZeroPoints

__all__ = ["QuantizedLayer", "as_integers", "quantize"]

Array = NDArray[Any]

MAX_BIAS = 1 << 62


@dataclass(frozen=True, eq=False)
class QuantizedLayer:
    """A layer as hardware computes it: ``(sum of products of values + bias) * scale``, rounded once to float32.

    Members
    -------
    layer: the layer that is quantized
    weight_format, activation_format: the formats of the right and of the left operand
    codes: the codes of the weights, (groups, k, n); None for the product of two activations
    divisor: what the left operand is divided by before it is rounded, float32: a number, or one for each channel
    other_divisor: what the right operand is divided by if it is an activation, a number
    scale: the scale of sums, float32: (groups * n,) or a number
    bias: integers in units of the accumulator's lowest bit, (groups * n,), or None
    after: what is added afterwards if a bias does not fit 64 bits, float32, (groups * n,)
    zero_point: what is added to the left operand before it is rounded, so that the code of this value stands for 0.
        Only integer formats have one. The bias subtracts what it adds to sums
    element: what multiplies and adds
    table: the format of the codes that an array multiplies with, if outliers are apart from these; ``codes`` are those
        of both together, which have the same exact sums
    stored_bits: bits of all weights, if they are not those of ``codes``
    """

    layer: Layer
    weight_format: Format
    activation_format: Format
    codes: Array | None
    divisor: Array
    other_divisor: Array | None
    scale: Array
    bias: Array | None
    after: Array | None
    zero_point: int = 0
    element: Element = EXACT
    table: Format | None = None
    stored_bits: int | None = None

    @property
    def arithmetic(self) -> Arithmetic:
        """The arithmetic that computes the layer."""
        return Arithmetic(self.weight_format, self.activation_format, self.element)

    @property
    def lsb_exponent(self) -> int:
        """The ``lsb_exponent`` of the accumulator."""
        return self.arithmetic.lsb_exponent

    @property
    def weight_bits(self) -> int:
        """Bits of all codes of the weights, and of what is stored beside them."""
        if self.stored_bits is not None:
            return self.stored_bits
        return 0 if self.codes is None else self.codes.size * self.weight_format.width

    @property
    def offset(self) -> Array:
        """What the zero point adds to every sum, in units of the accumulator's lowest bit: (groups * n,), int64."""
        assert self.codes is not None
        integers = np.array([integer or 0 for integer in self.weight_format.integers], dtype=np.int64)
        return self.zero_point * integers[self.codes].sum(axis=1).reshape(-1)

    @property
    def weights(self) -> Array | None:
        """The values of the codes, as float32: (groups, k, n)."""
        return None if self.codes is None else grid.values(self.codes, self.weight_format)

    def values(self, operands: list[Array], rooms: list[Array] | None = None) -> Iterator[NDArray[np.float32]]:
        """The values of the operands that are activations, rounded; a zero may have the other sign than its code's.

        ``rooms``: for each operand what its values may be written into, as ``grid.round_to`` has it.
        """
        each = [None, None] if rooms is None else rooms
        for (operand, divisor, format), room in zip(self._divided(operands), each, strict=False):
            yield grid.round_to(operand, format, divisor, room)

    def rounded(self, operands: list[Array]) -> Iterator[Array]:
        """The codes of the operands that are activations."""
        for operand, divisor, format in self._divided(operands):
            yield grid.codes(operand if divisor is None else operand / divisor, format)

    def _divided(self, operands: list[Array]) -> Iterator[tuple[Array, Array | None, Format]]:
        """The operands that are activations, what each is still to be divided by, and the format to round it to."""
        divisor = self.layer.by_channel(self.divisor)
        if self.zero_point:
            yield operands[0] / divisor + np.float32(self.zero_point), None, self.activation_format
        else:
            yield operands[0], divisor, self.activation_format
        if self.other_divisor is not None:
            yield operands[1], self.other_divisor, self.weight_format


def quantize(graph: Graph, scheme: Scheme, statistics: CalibrationStatistics) -> dict[str, QuantizedLayer | BlockLayer]:
    """Every layer of the network, by name.

    Raises ValueError if the scheme names a layer that the network does not have.
    """
    unknown = {name for name, _, _ in scheme.layers} - {layer.name for layer in graph.layers}
    if unknown:
        raise ValueError(f"layers must be of the network, not {', '.join(sorted(unknown))}")
    factors = balance(graph, scheme, statistics)
    if scheme.scale_per == "block":
        return {layer.name: _in_blocks(layer, scheme, statistics, factors) for layer in graph.layers}
    leveled = levels(graph, scheme)
    activations = Activations(statistics, factors, scheme.scale_format)
    found: dict[str, QuantizedLayer | BlockLayer] = {}
    for layer in graph.layers:
        weight_operand, activation = scheme.formats(layer.name, layer.edge)
        activation_format = activations.format(tuple(layer.inputs), activation)
        if layer.weight is None:
            left, right = (activations.scale(name, activation_format) for name in layer.inputs)
            found[layer.name] = QuantizedLayer(
                *(layer, activation_format, activation_format, None, left, right, left * right, None, None),
                element=scheme.element,
            )
        else:
            scale = activations.scale(layer.activation, activation_format)
            factor = factors.get(layer.activation)
            level = leveled.get(layer.name)
            found[layer.name] = _with_weights(
                layer, weight_operand, activation_format, scheme, statistics, scale, factor, level
            )
    return found


def _fitting(
    weight_scale: Array, layer: Layer, formats: tuple[Format, Format], scheme: Scheme, terms: int, scale: Array
) -> Array:
    """The scales of weights, made larger if a bias would otherwise be wider than the network's longest sum.

    The requantizer adds a bias that is as wide as the sum. Beside a wider bias, the sum of products is next to nothing,
    and so is what its weights lose by a larger scale. A column of zeros takes the smallest scale that fits, which gives
    its bias the most bits. If sums are wider than a bias may be, see ``as_integers``.
    """
    assert layer.weight is not None
    if layer.bias is None:
        return weight_scale
    accumulator = Arithmetic(*formats, scheme.element).accumulator(terms)
    # one bit is kept for the correction of the bias, which is still to come
    room = min(1 << accumulator.width - 1, MAX_BIAS) >> ("bias" in scheme.techniques)
    least = np.abs(layer.bias).astype(np.float64) / (float(scale) * 2.0**accumulator.lsb_exponent * (room - 1))
    zeros = ~layer.weight.any(axis=1).reshape(-1) & (least > 0)
    if not weight_scale.ndim:
        least, zeros = np.asarray(least.max()), np.asarray(zeros.all())
    raised = np.where(zeros, 0, weight_scale).astype(np.float32)
    for eighth in range(9):
        candidate = grid.floats(least * 2.0 ** (eighth / 8), scheme.scale_format)
        raised = np.where((raised < least) & (candidate >= least), candidate, raised)
    fits = (raised >= least) & (zeros | (accumulator.width < MAX_BIAS.bit_length()))
    return np.where(fits, raised, weight_scale)


def _with_weights(
    layer: Layer,
    operand: Operand,
    activation_format: Format,
    scheme: Scheme,
    statistics: CalibrationStatistics,
    scale: Array,
    factor: Array | None,
    level: Array | None,
) -> QuantizedLayer:
    """Quantize a layer with weights, ``operand`` being what the scheme says of their format.

    ``factor`` has a factor for each channel that it reads, and ``level`` what the weights of each channel that it makes
    are divided by.
    """
    assert layer.weight is not None
    rows = None if factor is None else _by_row(layer, factor)
    weight = layer.weight if rows is None else layer.weight * rows
    groups, _, n = weight.shape
    by_column = weight.transpose(0, 2, 1).reshape(groups * n, -1)
    gram = _moments(layer, statistics, rows)
    error = None if gram is None else error_of_results(gram, level)
    share = 1.0 if gram is None else share_of_results(gram, n, level)
    # rows have a scale each, or all of them one, and so does what a column is divided by where it shares one
    whole = by_column if level is None else by_column / level[:, None]
    shape = (1, -1) if scheme.scale_per == "tensor" else whole.shape
    shared = np.broadcast_to(share, whole.shape).reshape(shape)
    weight_format = format_of(operand, [Rows(whole.reshape(shape), scheme.scale_format, error, shared)])
    formats = (weight_format, activation_format)
    held = operand.fit(weight) if isinstance(operand, WithOutliers) else None
    if held is not None:
        weight_scale = held.scale(scheme.scale_format)
    elif level is not None:
        common = best_scales(whole, weight_format, scheme.scale_format, error=error)
        weight_scale = grid.floats(common * level, scheme.scale_format)
    else:
        axis = None if scheme.scale_per == "tensor" else 0
        weight_scale = best_scales(by_column, weight_format, scheme.scale_format, axis, error)
    weight_scale = _fitting(weight_scale, layer, formats, scheme, max(statistics.terms.values()), scale)
    step = weight_scale.reshape(groups, 1, n) if weight_scale.ndim else weight_scale
    if gram is None and {"gptq", "rounding"} & {*scheme.techniques}:
        raise ValueError(
            f"techniques must not be gptq or rounding for sums of more than {LONG} products, as {layer.name!r} has"
        )
    values = weight / step if held is None else held.integers(weight, step).astype(np.float32)
    codes = _rounded(values, weight_format, scheme, gram)
    divisor = scale if factor is None else (scale * factor).astype(np.float32)
    bias = layer.bias
    if "bias" in scheme.techniques:
        bias = _corrected(layer, grid.values(codes, weight_format) * step / (1 if rows is None else rows), statistics)
    result_scale = (weight_scale * scale).astype(np.float32)
    lsb = Arithmetic(*formats, scheme.element).lsb_exponent
    exact, after = as_integers(bias, result_scale, lsb)
    found = QuantizedLayer(*(layer, *formats, codes, divisor, None, result_scale, exact, after), element=scheme.element)
    return found if held is None else replace(found, table=held.table(step), stored_bits=held.bits)


def _in_blocks(
    layer: Layer, scheme: Scheme, statistics: CalibrationStatistics, factors: dict[str, Array]
) -> BlockLayer:
    weight_operand, activation_format = scheme.formats(layer.name, layer.edge)
    size, scale_format = scheme.block_size, scheme.scale_format
    assert size is not None and isinstance(activation_format, Format)
    blocks = Blocks(size, scale_format, scale_format, "float32")
    largest = [statistics.largest[name] / factors.get(name, np.float32(1)) for name in layer.inputs]
    units = [unit(float(each.max()), activation_format, scale_format) for each in largest]
    if layer.weight is None:
        both = (units[0], units[1])
        return BlockLayer(layer, activation_format, activation_format, None, None, blocks, both, None, None)
    factor = factors.get(layer.activation)
    rows = np.ones((1, 1, 1), np.float32) if factor is None else _by_row(layer, factor)
    weight = layer.weight * rows
    gram = _moments(layer, statistics, rows)
    moments = [None] * len(weight) if gram is None else [*gram]
    weight_format = format_of_blocks(weight_operand, weight, moments, scale_format, size)
    # with a zero point, codes reach from the least to the largest weight
    ends = 2 if isinstance(weight_operand, WithZeroPoints) else 1
    units.append(unit(ends * float(np.abs(weight).max()), weight_format, scale_format))
    parts = [
        stored_blocks(part, moment, weight_operand, weight_format, scale_format, size)
        for part, moment in zip(weight / units[1], moments, strict=True)
    ]
    codes, scales, points = (None if each[0] is None else np.stack(each) for each in zip(*parts, strict=True))
    after = None if layer.bias is None else layer.bias.astype(np.float32)
    both = (units[0], units[1])
    planes = weight_operand.width if isinstance(weight_operand, BinaryPlanes) else 1
    blocks = replace(blocks, zero_points=points is not None)
    found = BlockLayer(
        *(layer, weight_format, activation_format, codes, scales, blocks, both, factor, after), planes, points
    )
    if "bias" not in scheme.techniques:
        return found
    weights = found.weights
    assert weights is not None
    return replace(found, after=_corrected(layer, weights * units[1] / rows, statistics).astype(np.float32))


def _corrected(layer: Layer, weight: Array, statistics: CalibrationStatistics) -> Array:
    """The bias that corrects what rounded weights (groups, k, n) do to the mean result.

    Bias correction (Nagel et al., arXiv 1906.04721), by the mean operands of the calibration.
    """
    assert layer.weight is not None
    shift = np.einsum("gk,gkn->gn", statistics.mean[layer.name], layer.weight - weight).reshape(-1)
    return np.asarray(shift if layer.bias is None else layer.bias + shift)


def _moments(layer: Layer, statistics: CalibrationStatistics, rows: Array | None) -> Array | None:
    """The second moments of operands that are divided by the factors of their rows of weights; None for long sums."""
    gram = statistics.gram.get(layer.name)
    return gram if gram is None or rows is None else gram / (rows * rows.transpose(0, 2, 1))


def _rounded(weight: Array, format: Format, scheme: Scheme, gram: Array | None) -> Array:
    """The codes of weights in units of their scale."""
    if gram is not None and "gptq" in scheme.techniques:
        return np.stack([gptq(part, format, moment) for part, moment in zip(weight, gram, strict=True)])
    if gram is not None and "rounding" in scheme.techniques:
        return learned(weight, format, gram)
    return grid.codes(weight, format)


def _by_row(layer: Layer, factor: Array) -> Array:
    """The factors of channels as factors of the rows of weights: (groups, k, 1)."""
    assert layer.weight is not None
    if layer.convolution is None:
        return factor.reshape(1, -1, 1)
    groups = layer.convolution.groups
    return np.repeat(factor, int(np.prod(layer.convolution.kernel))).reshape(groups, -1, 1)


def as_integers(bias: Array | None, scale: Array, lsb_exponent: int) -> tuple[Array | None, Array | None]:
    """The bias as integers in units of the accumulator's lowest bit, or as it is if that is too fine for 64 bits."""
    if bias is None:
        return None, None
    integers = np.rint(np.ldexp(bias.astype(np.float64) / scale, -lsb_exponent))
    if np.abs(integers).max(initial=0) < MAX_BIAS:
        return integers.astype(np.int64), None
    return None, bias.astype(np.float32)
