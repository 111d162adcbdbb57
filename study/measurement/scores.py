"""Scores of every sample, as text in a point, so that points can be compared sample by sample."""

import base64
import binascii
import math
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..network.metrics import mean_and_error
from .point import Point

__all__ = ["mean_difference", "packed", "unpacked"]

Array = NDArray[Any]


def packed(values: Array | None) -> str:
    """Scores or clusters as text: float32, compressed, in base 64. Nothing is the empty text."""
    if values is None:
        return ""
    return base64.b64encode(zlib.compress(np.asarray(values, "<f4").tobytes(), 9)).decode()


def unpacked(text: str) -> Array | None:
    """What ``packed`` was given, as float64. Raises ValueError for other text."""
    if not text:
        return None
    try:
        return np.frombuffer(zlib.decompress(base64.b64decode(text, validate=True)), "<f4").astype(np.float64)
    except (binascii.Error, zlib.error, ValueError):
        raise ValueError(f"a point must have scores as fewbit writes them, not {text[:20]!r}") from None


def mean_difference(pairs: Sequence[tuple[Point, Point]]) -> tuple[float, float]:
    """By how much the metric of the first points is above that of the second ones on average, and the standard error.

    Both points of a pair are of one network and on the same samples. If all have the scores of these samples, the error
    is that of the differences sample by sample, or by clusters. Otherwise it is that of independent samples, and the
    average has the average error, as if all pairs erred in the same direction.
    """
    scores = [(unpacked(point.scores), unpacked(other.scores)) for point, other in pairs]
    apart = [ours - theirs for ours, theirs in scores if ours is not None and theirs is not None]
    if len(apart) == len(pairs) and len({len(values) for values in apart}) == 1:
        return mean_and_error(np.mean(apart, axis=0), unpacked(pairs[0][0].clusters))
    differences = [point.accuracy - other.accuracy for point, other in pairs]
    errors = [math.hypot(point.standard_error, other.standard_error) for point, other in pairs]
    return float(np.mean(differences)), float(np.mean(errors))
