"""The whole matmul engine: what C is, to the bit."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..formats import Engine, Format, Integer, Rounding, parse
from .blocks import block_matmul
from .elements.exact import matmul
from .elements.model import model_of
from .exact import Exact
from .integers import as_integers
from .lfsr import lfsr_words
from .requantize import dequantize, requantize
from .streams import arrange, beats, check_channels, check_given, check_operands

__all__ = ["engine_matmul", "zero_point_bias"]


def engine_matmul(
    engine: Engine,
    activation: ArrayLike,
    weight: ArrayLike,
    *,
    activation_scale: ArrayLike | None = None,
    weight_scale: ArrayLike | None = None,
    scale: ArrayLike | None = None,
    tensor_scale: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    zero_point: ArrayLike | None = None,
    weight_zero_point: ArrayLike | None = None,
    dropped_digits: ArrayLike | None = None,
    earlier: int = 0,
) -> NDArray[Any]:
    """The codes of C, (m, n), that an engine gives for A, (m, k), and W, (k, n).

    Parameters
    ----------
    activation, weight: codes of A and W
    activation_scale, weight_scale: codes of the block scales, (m, blocks) and (blocks, n), where the engine has blocks
    scale, tensor_scale: codes of one scale, or of one for every column, (n,)
    bias: integers in the accumulator's unit, for every column
    zero_point: an integer, added to every output
    weight_zero_point: an integer, subtracted from every weight; where blocks have zero points, their codes, (blocks, n)
    dropped_digits: lowest digits of the weights that do not count, where the element has a register for it; sums are
        then in units of the least digit that does
    earlier: words of C that the engine has given since its reset; they matter where it rounds stochastically
    """
    of_blocks = engine.blocks is not None and engine.blocks.zero_points
    block_points, weight_zero_point = (weight_zero_point, None) if of_blocks else (None, weight_zero_point)
    _check(engine, activation, weight, activation_scale, weight_scale)
    columns = np.asarray(weight).shape[1]
    scales = {"scale": scale, "tensor_scale": tensor_scale, "zero_point": zero_point}
    others = {"bias": bias, "weight_zero_point": weight_zero_point, "dropped_digits": dropped_digits}
    _check_parameters(engine, columns, scales | others)
    if not isinstance(earlier, int) or earlier < 0:
        raise ValueError(f"earlier must be 0 or more, not {earlier!r}")
    how = engine.offset_requantization
    shape = np.asarray(activation).shape[0], np.asarray(weight).shape[1]
    words = None
    if how.rounding is Rounding.STOCHASTIC:
        count = beats(engine, *shape)
        each = [lfsr_words(engine.seed(place), earlier + count)[earlier:] for place in range(engine.outputs)]
        words = arrange(engine, np.stack(each, axis=1), *shape)
    if engine.blocks is None:
        element = engine.element.dropping(0 if dropped_digits is None else int(np.asarray(dropped_digits)))
        arithmetic = replace(engine.arithmetic, element=element)
        sums: Any = model_of(arithmetic).matmul(activation, weight, arithmetic, engine.k_step)
        sums = replace(sums, lsb_exponent=engine.arithmetic.lsb_exponent)
    else:
        assert activation_scale is not None and weight_scale is not None
        sums = block_matmul(
            *(activation, weight, activation_scale, weight_scale, engine.activation, engine.weight, engine.blocks),
            terms=engine.max_k,
            weight_zero_point=block_points,
        )
    if weight_zero_point is not None:
        ones = np.ones((np.asarray(activation).shape[1], 1), dtype=np.uint8)
        rows = matmul(activation, ones, engine.activation, Integer(1, unsigned=True)).integers
        bias = (0 if bias is None else np.asarray(bias).astype(np.int64)) - rows * int(np.asarray(weight_zero_point))
    if isinstance(sums, Exact):
        return requantize(sums, how, bias=bias, words=words, **scales)
    return dequantize(sums, parse("float32"), how, words=words, **scales)


def _check(
    engine: Engine,
    activation: ArrayLike,
    weight: ArrayLike,
    activation_scale: ArrayLike | None,
    weight_scale: ArrayLike | None,
) -> None:
    """Raise ValueError where the engine does not take these operands."""
    check_operands(engine, activation, weight)
    wanted = ("activation_scale", "weight_scale") if engine.blocks is not None else ()
    check_given(wanted, "of blocks", activation_scale=activation_scale, weight_scale=weight_scale)


def _check_parameters(engine: Engine, columns: int, values: Mapping[str, ArrayLike | None]) -> None:
    """Raise ValueError where the engine does not take these parameters, or not in this shape."""
    check_given({*engine.tensor_fields, *engine.channel_fields}, "of the outputs", **values)
    for name in values.keys() & engine.tensor_fields.keys():
        if np.ndim(values[name]):  # type: ignore[arg-type]
            raise ValueError(f"{name} must be one for all outputs, not of shape {np.shape(values[name])}")  # type: ignore[arg-type]
    check_channels(engine, {name: values[name] for name in engine.channel_fields}, columns)
    dropped, droppable = values["dropped_digits"], engine.element.droppable
    if dropped is not None and not 0 <= int(np.asarray(dropped)) <= droppable:
        raise ValueError(f"dropped_digits must be 0 to {droppable}, not {dropped!r}")
    point = values["weight_zero_point"]
    if point is not None:
        least, most = engine.weight.min_integer, engine.weight.max_integer
        if np.asarray(point).dtype.kind not in "iu" or not least <= int(np.asarray(point)) <= most:
            raise ValueError(f"weight_zero_point must be {least} to {most}, not {point!r}")


def zero_point_bias(
    weight: ArrayLike, weight_format: Format, activation_zero_point: int, weight_zero_point: int = 0
) -> NDArray[np.int64]:
    """The bias, (n,), that takes a zero point out of every activation: the sum over k of ``-zero_point * w[k, n]``.

    With it and the engine's ``weight_zero_point``, C is that of ``(A - activation_zero_point) @ (W -
    weight_zero_point)`` (Jacob et al., CVPR 2018, section 2.3).

    Parameters
    ----------
    weight: integer codes of W, (k, n)
    """
    if not weight_format.takes_zero_point:
        raise ValueError(f"weight_format must be int{{N}} or uint{{N}}, not {weight_format}")
    points = []
    for name, value in (("activation", activation_zero_point), ("weight", weight_zero_point)):
        if not isinstance(value, (int, np.integer)):
            raise ValueError(f"{name}_zero_point must be an integer, not {value!r}")
        points.append(int(value))
    codes = np.asarray(weight)
    ones = np.ones((1, codes.shape[0]), dtype=np.uint8)
    columns = matmul(ones, codes, Integer(1, unsigned=True), weight_format).integers[0].astype(object)
    bias = as_integers(points[0] * (codes.shape[0] * points[1] - columns))
    if bias is None or bias.dtype != np.int64:
        raise ValueError(f"zero points must give a bias of at most 64 bits, not {points[0]} and {points[1]}")
    return bias
