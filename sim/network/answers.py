"""The sums of an answer: the order in which they come, and the values that they stand for."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...formats.network import Answer

__all__ = ["answer_order", "answer_values"]


def answer_order(answer: tuple[int, int, int], columns: int) -> NDArray[np.int64]:
    """The place in an answer (height, width, channels), flat, of each sum in the order in which it comes.

    Sums come in tiles of ``columns`` channels, each for all pixels. Groups of pixels that are computed at once lie
    along a row, so that pixels come one after the other, however large the groups are.
    """
    height, width, channels = answer
    places = np.arange(height * width * channels).reshape(height * width, channels)
    return np.concatenate([places[:, start : start + columns].ravel() for start in range(0, channels, columns)])


def answer_values(answer: Answer, sums: NDArray[Any]) -> NDArray[np.float32]:
    """The values (n, height, width, channels) of sums: each times its scale, a float32, in float64, as float32."""
    scales = np.asarray(answer.scales, dtype=np.float32).astype(np.float64)
    return (sums * scales).astype(np.float32)
