"""Dot products with the complex weights 1, i, -1 and -i, as sums of products with ternary weights."""

import numpy as np
from numpy.typing import ArrayLike

from ..formats import Format, parse
from .elements.exact import dot
from .exact import Exact

__all__ = ["complex_dot"]

REAL, IMAGINARY = np.array([1, 0, 3, 0]), np.array([0, 1, 0, 3])
"""The ternary codes of the parts of 1, i, -1 and -i."""


def complex_dot(phase: ArrayLike, real: ArrayLike, imaginary: ArrayLike, format: Format) -> tuple[Exact, Exact]:
    """The parts of the exact sum of ``conj(x) * i**phase`` over the last axis.

    Parameters
    ----------
    phase: 0 to 3
    real, imaginary: codes of x, of ``format``
    """
    k = np.asarray(phase)
    x = np.concatenate([np.asarray(real), np.asarray(imaginary)], axis=-1)
    ternary = parse("ternary")
    # The phase that is two on is the negative.
    parts = ((REAL[k], IMAGINARY[k]), (IMAGINARY[k], REAL[k ^ 2]))
    found = [dot(np.concatenate(part, axis=-1), x, ternary, format) for part in parts]
    return found[0], found[1]
