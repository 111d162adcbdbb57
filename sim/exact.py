"""The result type of the golden model: integers with one common exponent, and marks where a value is not finite."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Exact"]


@dataclass(frozen=True, eq=False)
class Exact:
    """An array of exact values, ``integers * 2**lsb_exponent``, NaN or infinite where a mask says so.

    Members
    -------
    integers: int64 where every result that the formats and the number of terms allow fits it, else Python integers
        (dtype object); 0 where a mask is set
    lsb_exponent: the weight of the integers' lowest bit
    nan, positive_infinity, negative_infinity: bool arrays of the same shape, at most one of them set for an element;
        None where the formats cannot give that value
    """

    integers: NDArray[Any]
    lsb_exponent: int
    nan: NDArray[np.bool_] | None = None
    positive_infinity: NDArray[np.bool_] | None = None
    negative_infinity: NDArray[np.bool_] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.integers.shape

    def to_float(self) -> NDArray[np.float64]:
        """The values as float64, each rounded once, ties to even; beyond float64's range they are infinite."""
        if self.integers.dtype == object:
            values = np.asarray(np.frompyfunc(self._to_float, 1, 1)(self.integers), dtype=np.float64)
        else:
            with np.errstate(over="ignore"):
                values = np.asarray(np.ldexp(self.integers.astype(np.float64), self.lsb_exponent))
        for mask, special in (
            (self.nan, np.nan),
            (self.positive_infinity, np.inf),
            (self.negative_infinity, -np.inf),
        ):
            if mask is not None:
                values = np.where(mask, special, values)
        return values

    def _to_float(self, integer: int) -> float:
        try:
            # Python rounds the quotient of two integers correctly.
            return (integer << max(self.lsb_exponent, 0)) / (1 << max(-self.lsb_exponent, 0))
        except OverflowError:
            return np.inf if integer > 0 else -np.inf
