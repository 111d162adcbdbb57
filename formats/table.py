"""A format that is nothing but its table."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .base import TABLE_WIDTH, Format, Special

__all__ = ["Table"]

_SPECIALS = (Special.NAN, Special.POSITIVE_INFINITY, Special.NEGATIVE_INFINITY)


@dataclass(frozen=True)
class Table(Format):
    """A format by what each of its codes is.

    Parameters
    ----------
    title: the name to go by, which ``formats.parse`` need not know
    table: for every code, in order, an integer, the name of a special value, or ``-0``; 2 to 2**16 of them, a power of
        two
    exponent: the format's ``lsb_exponent``
    """

    title: str
    table: tuple[int | str, ...]
    exponent: int = 0

    def __post_init__(self) -> None:
        count = len(self.table)
        if count & (count - 1) or not 2 <= count <= 1 << TABLE_WIDTH:
            raise ValueError(f"table must have 2, 4, 8 and so on up to 2**{TABLE_WIDTH} entries, not {count}")
        for entry in self.table:
            if isinstance(entry, bool) or not (isinstance(entry, int) or entry in (*_SPECIALS, "-0")):
                raise ValueError(f"table must be of integers, {', '.join(_SPECIALS)} and -0, not {entry!r}")
        if all(entry in _SPECIALS for entry in self.table):
            raise ValueError("table must have a finite entry, not special values alone")
        if isinstance(self.exponent, bool) or not isinstance(self.exponent, int):
            raise ValueError(f"lsb_exponent must be an integer, not {self.exponent!r}")

    @classmethod
    def of(cls, format: Format) -> "Table":
        """The format as a table, about which nothing else is known. Raises ValueError where a pattern is no code."""
        if format.code_count != 1 << format.width:
            raise ValueError(f"format must have a code for every pattern to be a table, not {format.name}")
        return cls(format.name, format.entries, format.lsb_exponent)

    @classmethod
    def symmetric(cls, title: str, magnitudes: Sequence[int], exponent: int = 0) -> "Table":
        """The format whose codes are a sign above the code of one of these magnitudes; both zeros read as 0."""
        return cls(title, (*magnitudes, *(-magnitude for magnitude in magnitudes)), exponent)

    @property
    def name(self) -> str:
        return self.title

    @property
    def label(self) -> str:
        return re.sub(r"[^A-Za-z0-9_-]+", "_", self.title)

    @property
    def width(self) -> int:
        return len(self.table).bit_length() - 1

    @property
    def lsb_exponent(self) -> int:
        return self.exponent

    def special(self, code: int) -> str | None:
        entry = self.table[self.check_code(code)]
        return entry if isinstance(entry, str) and entry in _SPECIALS else None

    def integer(self, code: int) -> int:
        entry = self.table[self.check_code(code)]
        if entry in _SPECIALS:
            raise ValueError(f"code must be finite to be an integer, not {code} ({entry} in {self.name})")
        return 0 if isinstance(entry, str) else entry

    def negative(self, code: int) -> bool:
        return self.table[self.check_code(code)] == "-0" or super().negative(code)
