"""What a record does with its sums for each tensor that it writes: factors, and a clip or a table."""

from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...formats import Format
from ..network import grid
from .functions import Ramp
from .multipliers import Factors
from .plan import Entry
from .searched import Searched, table_of
from .slots import Slot
from .sums import Sum

__all__ = ["Write", "writes_of"]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Write:
    """A tensor to be written.

    Members
    -------
    factors: of the sums and of the residual
    low, high: codes of the clip
    table: codes of a function of what the format between layers has; None for a clip
    """

    slot: Slot
    factors: Factors
    low: int
    high: int
    table: bytes | None = None


def writes_of(
    entry: Entry, total: Sum, formats: dict[str, Format], between: Format, searched: Searched
) -> tuple[list[Write], Array]:
    """All that a record writes, and its biases, to which what functions add is added.

    ``formats``: of what is written, by memory. Raises ValueError where a tensor has scales for each channel and that
    does not suit what is written.
    """
    bias, added = total.bias, None
    found = []
    for slot in entry.slots:
        ramp = slot.function.ramp
        if ramp is not None and added not in (None, ramp.offset / ramp.slope):
            ramp = None  # all that a record writes has one bias
        if ramp is not None and added is None:
            added = ramp.offset / ramp.slope
            bias = bias + np.rint(added / total.unit)
        found.append(_write(entry, total, slot, ramp, formats[slot.memory], between, searched))
    return found, bias


def _write(
    entry: Entry, total: Sum, slot: Slot, ramp: Ramp | None, format: Format, between: Format, searched: Searched
) -> Write:
    scale = slot.place.scale
    bounds = [] if ramp is None else [bound for bound in (ramp.low, ramp.high) if abs(bound) < inf and bound]
    if np.ndim(scale.unit) and (ramp is None or bounds or entry.residual is not None):
        raise ValueError(
            f"techniques must be without equalize and smooth for {slot.tensor!r}, which needs one scale for all "
            f"channels"
        )
    ends = format.ordered
    low, high = ends[0][1], ends[-1][1]
    if ramp is None:
        unit = searched.before(entry.line.step.tensor, slot.function)
        table = table_of(slot.function, between, float(unit), format, float(scale.unit), scale.zero)
        return Write(slot, _factors(entry, total, np.asarray(unit, np.float64), 1.0, between), low, high, table)
    if ramp.low > -inf:
        low = _code(ramp.low, scale.unit, scale.zero, format)
    if ramp.high < inf:
        high = _code(ramp.high, scale.unit, scale.zero, format)
    return Write(slot, _factors(entry, total, scale.unit, ramp.slope, between), low, high)


def _factors(entry: Entry, total: Sum, unit: Array, slope: float, between: Format) -> Factors:
    residual = 0.0
    if entry.residual is not None:
        lsb = np.ldexp(np.float64(entry.residual.scale.unit), between.lsb_exponent)
        residual = float(slope * entry.line.residual_gain * lsb / unit)
    return Factors(np.asarray(slope * total.unit / unit), residual)


def _code(bound: float, unit: Array, zero: int, format: Format) -> int:
    """Of the value that a bound is rounded to; of 0 that without a minus sign."""
    value = 0.0 if bound == 0 else bound / float(unit)
    return int(grid.codes(np.array([value + zero], np.float64), format)[0])
