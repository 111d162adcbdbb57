"""What a record does with its sums for each tensor that it writes: factors, and a clip or a table."""

from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...formats import Format
from .functions import Ramp
from .multipliers import RealFactors
from .plan import RecordEntry
from .searched import Searched, table_of
from .slots import Slot, TensorScale
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
    factors: RealFactors
    low: int
    high: int
    table: bytes | None = None


def writes_of(
    entry: RecordEntry, total: Sum, formats: dict[str, Format], between: Format, searched: Searched
) -> tuple[list[Write], Array]:
    """All that a record writes, and its biases, to which what functions add is added.

    ``formats``: of what is written, by memory. Raises ValueError where a tensor has scales for each channel and that
    does not suit what is written.
    """
    ramps = [slot.function.ramp for slot in entry.slots]
    added = next((ramp.offset / ramp.slope for ramp in ramps if ramp is not None), 0.0)
    found = []
    for slot, ramp in zip(entry.slots, ramps, strict=True):
        # all that a record writes has one bias: what has another one is looked up
        own = ramp if ramp is not None and ramp.offset / ramp.slope == added else None
        found.append(_write(entry, total, slot, own, added, formats[slot.memory], between, searched))
    return found, total.bias + np.rint(added / total.unit)


def _write(
    entry: RecordEntry,
    total: Sum,
    slot: Slot,
    ramp: Ramp | None,
    added: float,
    format: Format,
    between: Format,
    searched: Searched,
) -> Write:
    scale = slot.place.scale
    bounds = [] if ramp is None else [bound for bound in (ramp.low, ramp.high) if abs(bound) < inf and bound]
    if np.ndim(scale.unit) and (ramp is None or bounds or entry.residual is not None):
        raise ValueError(
            f"techniques must be without equalize and smooth for {slot.tensor!r}, which needs one scale for all "
            f"channels"
        )
    least, most = scale.span or (format.min_integer, format.max_integer)
    known = dict(format.ordered)
    low, high = known[least], known[most]
    if ramp is None:
        unit = searched.before(entry.line.step.tensor, slot.function, added)
        table = table_of(slot.function, added, between, unit, format, scale)
        return Write(slot, _factors(entry, total, np.asarray(unit, np.float64), 1.0, between), low, high, table)
    if ramp.low > -inf:
        low = _code(ramp.low, scale, format)
    if ramp.high < inf:
        high = _code(ramp.high, scale, format)
    return Write(slot, _factors(entry, total, scale.unit, ramp.slope, between), low, high)


def _factors(entry: RecordEntry, total: Sum, unit: Array, slope: float, between: Format) -> RealFactors:
    residual = 0.0
    if entry.residual is not None:
        lsb = np.ldexp(np.float64(entry.residual.scale.unit), between.lsb_exponent)
        residual = float(slope * entry.line.residual_gain * lsb / unit)
    return RealFactors(np.asarray(slope * total.unit / unit), residual)


def _code(bound: float, scale: TensorScale, format: Format) -> int:
    """Of the value that a bound is rounded to; of 0 that without a minus sign."""
    if bound == 0 and np.ndim(scale.unit):
        return int(scale.codes(np.zeros(1), np.ones(1), format)[0])
    return int(scale.codes(np.array([bound + 0.0]), scale.unit, format)[0])
