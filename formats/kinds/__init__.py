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

__all__ = ["KindNames", "by_width", "kinds", "named"]


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


def named(example: str, *formats: Format) -> KindNames:
    """The names of a kind that has these formats and no other."""
    by_name = {format.name: format for format in formats}
    pattern = re.compile("|".join(map(re.escape, by_name)))
    return KindNames(example, pattern, lambda match: by_name[match[0]], formats)


def by_width(prefix: str, widths: range, make: Callable[[str, int], Format]) -> KindNames:
    """The names ``{prefix}{N}`` of a kind that has one format of each of these widths, made of its name and width."""
    by_name = {f"{prefix}{bits}": make(f"{prefix}{bits}", bits) for bits in widths}

    def find(match: re.Match[str]) -> Format:
        name = match[0]
        if name not in by_name:
            limits = f"{widths[0]} to {widths[-1]}"
            raise ValueError(f"format {name!r}: width of {name} must be {limits} bits, not {match['bits']}")
        return by_name[name]

    pattern = re.compile(rf"{re.escape(prefix)}(?P<bits>\d+)")
    return KindNames(f"{prefix}{{N}}", pattern, find, tuple(by_name.values()))


@cache
def kinds() -> tuple[KindNames, ...]:
    """The names of every kind in this folder, by the order of the files' names."""
    files = sorted(file.stem for file in Path(__file__).parent.glob("*.py") if file.stem != "__init__")
    return tuple(import_module(f".{name}", __package__).NAMES for name in files)
