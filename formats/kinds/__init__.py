"""Kinds of formats that are their tables, each in a file of its own: ``NAMES`` in ``kinds/KIND.py``.

``formats.catalog`` finds the files, and nothing else has to know of them.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

from ..base import Format

__all__ = ["KindNames", "kinds"]


@dataclass(frozen=True)
class KindNames:
    """The names that a kind of formats goes by.

    Parameters
    ----------
    example: what a name looks like, for the error message of ``formats.parse``
    pattern: of a whole name
    make: the format of a name that matches; raises ValueError that says what a good name looks like
    listed: the formats that ``fewbit list`` shows and that patterns choose from
    """

    example: str
    pattern: re.Pattern[str]
    make: Callable[[re.Match[str]], Format]
    listed: tuple[Format, ...] = ()


@cache
def kinds() -> tuple[KindNames, ...]:
    """The names of every kind in this folder, by the order of the files' names."""
    files = sorted(file.stem for file in Path(__file__).parent.glob("*.py") if file.stem != "__init__")
    return tuple(import_module(f".{name}", __package__).NAMES for name in files)
