"""Sums of a few operands in tables, which codes of one or two bits choose from."""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from ..base import Format
from ..element import Element, register_element

__all__ = ["FillStep", "SumTable", "TableSums", "sum_table"]

MAX_WIDTH = 12
"""Bits of an operand whose sums stand in tables, at most."""

GROUPS = {(-1, 0, 1): 3, (-1, 1): 5, (0, 1): 4}
"""How many codes of so many values choose one of 16 sums: with a sign besides, but for zeros and ones."""

Vector = tuple[int, ...]


@dataclass(frozen=True)
class FillStep:
    """A cycle in which a table is filled: ``factor`` times the operand at ``place`` is added to the sum before, which
    was 0 at first, and what comes out is written to ``entry``, or nowhere where that is None."""

    place: int
    factor: int
    entry: int | None


@dataclass(frozen=True)
class SumTable:
    """What a group of codes chooses from, and how that is filled.

    Members
    -------
    group: operands to a table
    vectors: the values of the group whose sum of products each entry is, entry 0 first; the sums of their negatives
        are the negatives where ``has_sign``
    has_sign: whether a group chooses a sign, too
    steps: the cycles that fill it; an entry that no step writes is zero
    """

    group: int
    vectors: tuple[Vector, ...]
    has_sign: bool
    steps: tuple[FillStep, ...]

    def choice(self, vector: Vector) -> tuple[int, int]:
        """The entry whose sum, or the negative of it, is that of ``vector``, and whether it is the negative."""
        if vector in self.vectors:
            return self.vectors.index(vector), 0
        return self.vectors.index(tuple(-value for value in vector)), 1


def _gray(values: Vector, places: int) -> list[Vector]:
    """All vectors of these values, one value changed to its neighbour from each to the next."""
    if places == 0:
        return [()]
    rest = _gray(values, places - 1)
    return [(value, *part) for k, value in enumerate(values) for part in (rest[::-1] if k % 2 else rest)]


@lru_cache(maxsize=8)
def sum_table(format: Format) -> SumTable:
    """The table that codes of ``format`` choose from. Raises ValueError for other values than GROUPS has."""
    values = tuple(sorted({format.integer(code) for code in format.codes}))
    if values not in GROUPS:
        raise ValueError(f"activation must be ternary, bipolar or uint1 for element table, not {format}")
    group = GROUPS[values]
    if len(values) == 3:
        # In this order the second half is the negatives of the first, with zero between.
        vectors = _gray(values, group)[len(values) ** group // 2 :]
    elif values[0] < 0:
        vectors = [(*vector, 1) for vector in _gray((1, -1), group - 1)]
    else:
        vectors = _gray(values, group)
    steps = [FillStep(place, value, None) for place, value in enumerate(vectors[0]) if value]
    if steps:
        steps[-1] = FillStep(steps[-1].place, steps[-1].factor, 0)
    for entry in range(1, len(vectors)):
        before, after = vectors[entry - 1], vectors[entry]
        (place,) = (place for place in range(group) if before[place] != after[place])
        steps.append(FillStep(place, after[place] - before[place], entry))
    return SumTable(group, tuple(vectors), values[0] < 0, tuple(steps))


@register_element
@dataclass(frozen=True)
class TableSums(Element):
    """Exact, for activations of three values or two: their products are looked up, some at a time.

    The sums of the weights that stay in a weight-stationary array stand in tables, 16 sums to three weights (ternary
    activations), five (bipolar) or four (zeros and ones). A table has two halves, of which one is filled with the sums
    of the next weights while the other is read. That is the element of T-MAC (arXiv 2407.00088) and of LUT-GEMM (arXiv
    2206.09557). For a network with ternary weights the operands change places, as the transposed product has them:
    the codes of its weights stream past, and its activations stay.
    """

    name: ClassVar[str] = "table"
    takes_strays: ClassVar[bool] = False

    def check(self, weight: Format, activation: Format) -> None:
        sum_table(activation)
        if not weight.finite or weight.width > MAX_WIDTH:
            raise ValueError(f"weight must be finite and of at most {MAX_WIDTH} bits for element table, not {weight}")

    def load_interval(self, weight: Format, activation: Format) -> int:
        return len(sum_table(activation).steps)

    def lane_multiple(self, weight: Format, activation: Format) -> int:
        return sum_table(activation).group
