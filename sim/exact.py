"""The result type of the golden model: integers with one common exponent, and marks where a value is not finite."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .integers import as_integers

__all__ = ["Exact"]

LEAST_EXPONENT = -1074
"""Of float64. Where a lowest bit lies below, an integer that was rounded to 53 bits might be rounded once more."""


@dataclass(frozen=True, eq=False)
class Exact:
    """An array of exact values, ``integers * 2**lsb_exponent``, NaN or infinite where a mask says so.

    Members
    -------
    integers: int64 where every result that the formats and the number of terms allow fits it, else Python integers
        (dtype object); 0 where a mask is set. Lists and single integers become such arrays
    lsb_exponent: the weight of the integers' lowest bit
    nan, positive_infinity, negative_infinity: bool arrays of the same shape, at most one of them set for an element;
        None where the formats cannot give that value
    """

    integers: NDArray[Any]
    lsb_exponent: int
    nan: NDArray[np.bool_] | None = None
    positive_infinity: NDArray[np.bool_] | None = None
    negative_infinity: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.integers, np.ndarray):
            kind, values = self.integers.dtype.kind, self.integers.flat
            if kind in "iu" or (kind == "O" and all(isinstance(value, (int, np.integer)) for value in values)):
                return
        integers = as_integers(self.integers)
        if integers is None:
            raise ValueError(f"integers must be integers, not {np.asarray(self.integers).dtype}")
        object.__setattr__(self, "integers", integers)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.integers.shape

    def to_float(self) -> NDArray[np.float64]:
        """The values as float64, each rounded once, ties to even; beyond float64's range they are infinite."""
        if self.integers.dtype == object or self.lsb_exponent < LEAST_EXPONENT:
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
            return (int(integer) << max(self.lsb_exponent, 0)) / (1 << max(-self.lsb_exponent, 0))
        except OverflowError:
            return np.inf if integer > 0 else -np.inf
