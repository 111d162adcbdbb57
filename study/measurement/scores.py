"""Scores of every sample, as text in a point, so that points can be compared sample by sample."""

import base64
import binascii
import math
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..network.metrics import mean_and_error
from .point import Point

__all__ = ["difference", "packed", "unpacked"]

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


def difference(point: Point, other: Point) -> tuple[float, float]:
    """By how much a point's metric is above another's, and the standard error of this.

    If both have the scores of the same samples, the error is that of the differences sample by sample (by clusters, if
    there are any); else it is that of independent samples, which is larger in general.
    """
    ours, theirs = unpacked(point.scores), unpacked(other.scores)
    alike = point.network_hash == other.network_hash and point.metric == other.metric
    if alike and ours is not None and theirs is not None and len(ours) == len(theirs):
        return mean_and_error(ours - theirs, unpacked(point.clusters))
    return point.accuracy - other.accuracy, math.hypot(point.standard_error, other.standard_error)
