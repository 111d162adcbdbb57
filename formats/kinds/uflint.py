"""flint without a sign, which ANT gives to activations that are never negative."""

from ..table import Table
from . import by_width
from .flint import magnitude

__all__ = ["NAMES"]

NAMES = by_width(
    "uflint", range(2, 9), lambda name, width: Table(name, tuple(magnitude(code, width) for code in range(1 << width)))
)
