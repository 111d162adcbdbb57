"""The order in which an accelerator gives the sums of an answer."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["answer_order"]


def answer_order(answer: tuple[int, int, int], columns: int) -> NDArray[np.int64]:
    """The place in an answer (height, width, channels), flat, of each sum in the order in which it comes.

    Sums come in tiles of ``columns`` channels, each for all pixels. Groups of pixels that are computed at once lie
    along a row, so that pixels come one after the other, however large the groups are.
    """
    height, width, channels = answer
    places = np.arange(height * width * channels).reshape(height * width, channels)
    return np.concatenate([places[:, start : start + columns].ravel() for start in range(0, channels, columns)])
