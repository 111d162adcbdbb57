"""Codebooks: any 2 to 256 values that a user has in a file, integers times a power of two."""

import csv
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..base import Format, check_integer
from . import KindNames

__all__ = ["NAMES", "Codebook", "read_codebook"]

MAX_WIDTH = 8
MAX_INTEGER = (1 << 24) - 1
EXPONENTS = (-149, 103)
"""With integers of 24 bits, what float32 holds."""


@dataclass(frozen=True)
class Codebook(Format):
    """A format by the integers of its codes; two with the same values in the same order are equal.

    The name holds the table itself, so that it means the same wherever it is parsed, without the file that the table
    came from. ``label`` is short: ``codebook4_`` and eight digits of a hash of the name.

    Parameters
    ----------
    table: the integer of every code, in order: 2, 4, 8, ... 256 of them, of 24 bits and a sign at most, with two
        different values or more. A value may stand several times; encoders give its lowest code. Factors of two that
        all integers have go into the exponent
    exponent: the format's ``lsb_exponent``, -149 to 103 once such factors are in it
    """

    table: tuple[int, ...]
    exponent: int = 0

    def __post_init__(self) -> None:
        sizes = [1 << bits for bits in range(1, MAX_WIDTH + 1)]
        if not isinstance(self.table, tuple) or len(self.table) not in sizes:
            found = len(self.table) if isinstance(self.table, (tuple, list)) else repr(self.table)
            raise ValueError(
                f"a codebook must have {', '.join(map(str, sizes))} integers, not {found}; repeat one to fill it up"
            )
        for integer in self.table:
            check_integer("an integer of a codebook", integer, -MAX_INTEGER, MAX_INTEGER)
        if len({*self.table}) < 2:
            raise ValueError(f"a codebook must have two different values or more, not {self.table[0]} alone")
        check_integer("lsb_exponent of a codebook", self.exponent, -1000, 1000)
        common = 0
        while not any(integer >> common & 1 for integer in self.table):
            common += 1
        object.__setattr__(self, "table", tuple(integer >> common for integer in self.table))
        object.__setattr__(self, "exponent", self.exponent + common)
        check_integer("lsb_exponent of a codebook", self.exponent, *EXPONENTS)

    @property
    def name(self) -> str:
        digits = 1
        while not -(1 << 4 * digits - 1) <= min(self.table) <= max(self.table) < 1 << 4 * digits - 1:
            digits += 1
        codes = "".join(f"{integer & ((1 << 4 * digits) - 1):0{digits}x}" for integer in self.table)
        return f"codebook{self.width}e{self.exponent}x{codes}"

    @property
    def label(self) -> str:
        return f"codebook{self.width}_{hashlib.sha256(self.name.encode()).hexdigest()[:8]}"

    @property
    def width(self) -> int:
        return len(self.table).bit_length() - 1

    @property
    def lsb_exponent(self) -> int:
        return self.exponent

    def integer(self, code: int) -> int:
        return self.table[self.check_code(code)]

    def __repr__(self) -> str:
        return f"Codebook({self.table!r}, {self.exponent})"


def read_codebook(path: str | Path) -> Codebook:
    """The codebook of a file, by its ending.

    ``.json``: a list of integers, or an object with ``integers``, ``lsb_exponent`` unless it is 0, and for people a
    ``name``, which nothing reads. ``.csv``:
    integers in the order of codes, over any number of lines; a line ``lsb_exponent,-7`` says the exponent.
    Raises ValueError.
    """
    file = Path(path).expanduser()
    readers = {".json": _from_json, ".csv": _from_csv}
    if file.suffix.lower() not in readers:
        raise ValueError(f"a codebook's file must end in .json or .csv, not be {str(path)!r}")
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ValueError(f"a codebook's file must be one that can be read, not {str(path)!r}: {reason}") from None
    integers, exponent = readers[file.suffix.lower()](text, str(path))
    try:
        return Codebook(integers, exponent)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _from_json(text: str, path: str) -> tuple[Any, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(f"a codebook's file must be JSON, not {path!r}") from None
    if isinstance(found, list):
        found = {"integers": found}
    known = ("name", "integers", "lsb_exponent")
    if not isinstance(found, dict) or not isinstance(found.get("integers"), list) or not {*found} <= {*known}:
        raise ValueError(
            f"a codebook's JSON must be a list of integers, or have integers and lsb_exponent, not be as in {path!r}"
        )
    return tuple(found["integers"]), found.get("lsb_exponent", 0)


def _from_csv(text: str, path: str) -> tuple[Any, Any]:
    integers: list[int] = []
    exponent = 0
    for row in csv.reader(text.splitlines()):
        cells = [cell.strip() for cell in row if cell.strip()]
        try:
            if cells[:1] == ["lsb_exponent"]:
                (exponent,) = map(int, cells[1:])
            else:
                integers += map(int, cells)
        except ValueError:
            raise ValueError(
                f"a codebook's CSV must have integers, and a line lsb_exponent,N, not {','.join(cells)!r} in {path!r}"
            ) from None
    return tuple(integers), exponent


def _make(match: re.Match[str]) -> Codebook:
    if match["file"] is not None:
        return read_codebook(match["file"])
    digits, rest = divmod(len(match["codes"]), 1 << int(match["bits"]))
    if not digits or rest:
        count = 1 << int(match["bits"])
        raise ValueError(f"a codebook's name must have as many digits for each of its {count} codes")
    codes = [int(match["codes"][start : start + digits], 16) for start in range(0, len(match["codes"]), digits)]
    top = 1 << 4 * digits
    return Codebook(tuple(code - top if code >= top // 2 else code for code in codes), int(match["exponent"]))


NAMES = KindNames(
    "codebook:FILE",
    re.compile(r"codebook:(?P<file>.+)|codebook(?P<bits>[1-8])e(?P<exponent>-?\d+)x(?P<codes>[0-9a-f]+)"),
    _make,
)
