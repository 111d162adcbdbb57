"""Products of several lanes added up in chains of rows that are there or not.

A product of integers is a row for each bit of one operand: the other operand, or 0. Rows of one position of all lanes
are added, some lanes to a chain; a tree adds the chains, and the positions are joined last. Where an adder takes in
whether its row is there, as ``add_gated`` does, this costs no LUT, and a row is not recoded.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from amaranth.hdl import Cat, Module, Mux, Shape, Signal, Value, signed, unsigned

from ...formats import Arithmetic
from .adder_tree import sum_by_tree, term_shape
from .adders import add, add_gated, subtract
from .ccu2c import Ccu2c
from .gated_rows import GatedRow
from .pipeline import Pipeline

__all__ = ["sum_gated"]


@dataclass(frozen=True)
class _RowSum:
    """The sum of some rows of a position; ``count`` of them."""

    value: Value
    count: int


def sum_gated(
    m: Module,
    pipeline: Pipeline,
    lanes: Sequence[tuple[GatedRow, ...]],
    arithmetic: Arithmetic,
    length: int,
    cell: str | None,
    *,
    registered: bool = False,
) -> Value:
    """The sum of the rows of all lanes, behind the cuts ``chain`` and ``total``.

    Parameters
    ----------
    lanes: for each lane its rows, at the same positions
    length: lanes to a chain
    cell: as for ``add_gated``
    registered: whether every level of the tree that adds the chains ends in registers
    """
    parts = [_sum_position(m, pipeline, rows, length, cell, registered) for rows in zip(*lanes, strict=True)]
    total = sum_by_tree(parts, lambda low, high, _: _join(m, low, high))
    assert not total.negative
    shape = term_shape(arithmetic, len(lanes))
    value = Signal(shape, name="gated_sum")
    m.d.comb += value.eq(total.value)
    return pipeline.cross("total", "sum", value)


def _sum_shape(row: Value, count: int) -> Shape:
    """Shape of the sum of so many rows."""
    width = len(row)
    if row.shape().signed:
        return signed(width + (count - 1).bit_length())
    return unsigned((count * ((1 << width) - 1)).bit_length())


@dataclass(frozen=True)
class _JoinedRows:
    """The sum of all rows of some positions."""

    value: Value
    position: int
    negative: bool
    least: int
    greatest: int


def _sum_position(
    m: Module, pipeline: Pipeline, rows: Sequence[GatedRow], length: int, cell: str | None, registered: bool
) -> _JoinedRows:
    first = rows[0]
    name = f"position{first.position}"
    sums = []
    for start in range(0, len(rows), length):
        value = _chain(m, rows[start : start + length], f"{name}_chain{start}", cell)
        value = pipeline.cross("chain", f"{name}_chain{start}", value)
        sums.append(_RowSum(value, len(rows[start : start + length])))

    def both(a: _RowSum, b: _RowSum, place: str) -> _RowSum:
        count = a.count + b.count
        return _RowSum(add(m, a.value, b.value, _sum_shape(first.value, count), f"{name}_{place}"), count)

    def register(part: _RowSum, place: str) -> _RowSum:
        return _registered(m, part, f"{name}_{place}")

    total = sum_by_tree(sums, both, register if registered else None)
    width, count = len(first.value), len(rows)
    if first.value.shape().signed:
        least, greatest = -count << width - 1, count * ((1 << width - 1) - 1)
    else:
        least, greatest = 0, count * ((1 << width) - 1)
    return _JoinedRows(total.value, first.position, first.negative, least, greatest)


def _chain(m: Module, rows: Sequence[GatedRow], name: str, cell: str | None) -> Value:
    """The sum of some rows, one after the other."""
    total = Signal(rows[0].value.shape(), name=f"{name}_first")
    added = 1
    if cell is not None and len(rows) > 1:
        one, other = rows[:2]
        shape = _sum_shape(one.value, 2)
        extended = [Signal(shape, name=f"{name}_row{k}") for k in range(2)]
        m.d.comb += [signal.eq(row.value) for signal, row in zip(extended, rows, strict=False)]
        both = Ccu2c.add(m, f"{name}_both", "ands", extended[0], extended[1], other.gate, other_gate=one.gate)
        total, added = both.as_signed() if shape.signed else both, 2
    else:
        m.d.comb += total.eq(Mux(rows[0].gate, rows[0].value, 0))
    for k, row in enumerate(rows[added:], added):
        total = add_gated(m, total, row.value, row.gate, _sum_shape(row.value, k + 1), f"{name}_{k}", cell)
    return total


def _join(m: Module, low: _JoinedRows, high: _JoinedRows) -> _JoinedRows:
    """The sum of the parts of neighbouring positions. Bits of ``low`` below ``high`` pass by the adder."""
    below = high.position - low.position
    ends = (high.least, high.greatest) if not high.negative else (-high.greatest, -high.least)
    least, greatest = (low.least >> below) + ends[0], (low.greatest >> below) + ends[1]
    bits = max(greatest.bit_length(), (-least - 1).bit_length())
    shape = signed(bits + 1) if least < 0 else unsigned(bits)
    above = low.value[below:]
    above = above.as_signed() if low.least < 0 else above
    total = (subtract if high.negative else add)(m, above, high.value, shape, f"joined{high.position}")
    value = Cat(low.value[:below], total)
    value = value.as_signed() if least < 0 else value
    return _JoinedRows(value, low.position, low.negative, least << below, (greatest << below) + (1 << below) - 1)


def _registered(m: Module, each: _RowSum, name: str) -> _RowSum:
    value = Signal(each.value.shape(), name=f"{name}_held", reset_less=True)
    m.d.sync += value.eq(each.value)
    return replace(each, value=value)
