"""The whole matmul engine: what C is, to the bit."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..formats import Engine, Format, Integer, Rounding, parse
from .arithmetic import matmul
from .blocks import block_matmul
from .exact import Exact
from .lfsr import lfsr_words
from .requantize import dequantize, requantize
from .streams import arrange, beats

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
    weight_zero_point: an integer, subtracted from every weight
    earlier: words of C that the engine has given since its reset; they matter where it rounds stochastically
    """
    how = engine.offset_requantization
    shape = np.asarray(activation).shape[0], np.asarray(weight).shape[1]
    words = None
    if how.rounding is Rounding.STOCHASTIC:
        count = beats(engine, *shape)
        each = [lfsr_words(engine.seed(place), earlier + count)[earlier:] for place in range(engine.outputs)]
        words = arrange(engine, np.stack(each, axis=1), *shape)
    if engine.blocks is None:
        sums: Any = matmul(activation, weight, engine.activation, engine.weight)
    else:
        if activation_scale is None or weight_scale is None:
            raise ValueError("activation_scale and weight_scale must be given for this engine")
        sums = block_matmul(
            *(activation, weight, activation_scale, weight_scale, engine.activation, engine.weight, engine.blocks),
            terms=engine.max_k,
        )
    scales = {"scale": scale, "tensor_scale": tensor_scale, "zero_point": zero_point, "words": words}
    if weight_zero_point is not None:
        ones = np.ones((np.asarray(activation).shape[1], 1), dtype=np.uint8)
        rows = matmul(activation, ones, engine.activation, Integer(1, unsigned=True)).integers
        bias = (0 if bias is None else np.asarray(bias)) - rows * weight_zero_point
    if isinstance(sums, Exact):
        return requantize(sums, how, bias=bias, **scales)
    return dequantize(sums, parse("float32"), how, **scales)


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
    codes = np.asarray(weight)
    ones = np.ones((1, codes.shape[0]), dtype=np.uint8)
    columns = matmul(ones, codes, Integer(1, unsigned=True), weight_format).integers[0]
    return np.asarray(activation_zero_point * (codes.shape[0] * weight_zero_point - columns), dtype=np.int64)
