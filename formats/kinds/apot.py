"""Additive powers of two: every magnitude is a sum of at most three powers of two, one of each of a few sets."""

from itertools import product

from ..table import Table
from . import by_width

__all__ = ["NAMES"]

SETS: dict[int, tuple[tuple[int, ...], ...]] = {
    3: ((1, 2, 3),),
    4: ((1, 2, 4), (3,)),
    5: ((1, 3, 5), (2, 4, 6)),
    6: ((1, 3, 6), (2, 4, 7), (5,)),
    7: ((1, 4, 7), (2, 5, 8), (3, 6, 9)),
}
"""By width, the negated exponents of each set, to which zero belongs besides. They are those of the authors' code,
which counts bits without the sign (Li, Dong, Wang, ICLR 2020, arXiv 1909.13144)."""


def _apot(name: str, width: int) -> Table:
    sets = SETS[width]
    deepest = max(map(max, sets))
    choices = [(0, *(1 << deepest - exponent for exponent in exponents)) for exponents in sets]
    return Table.symmetric(name, sorted({sum(chosen) for chosen in product(*choices)}), -deepest)


NAMES = by_width("apot", range(3, 8), _apot)
