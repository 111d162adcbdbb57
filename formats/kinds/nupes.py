"""Signed squares: NUPES's power function of exponent a = 1/2, whose values are integers."""

from ..table import Table
from . import by_width

__all__ = ["NAMES"]

# Yvinec et al., arXiv 2308.05600: a code q stands for sign(q) |q|^(1/a).
NAMES = by_width(
    "nupes", range(3, 9), lambda name, width: Table.symmetric(name, [code * code for code in range(1 << width - 1)])
)
