"""Powers of two and their negatives, with a zero or with one more power in its place: a product is a shift."""

import re

from ..base import Format
from ..minifloat import Minifloat
from . import KindNames

__all__ = ["NAMES"]

WIDTHS = range(2, 7)
"""The widest one reaches 2**31."""


def _powers(width: int, zero: bool) -> Minifloat:
    """1, 2, 4 and so on below a sign. Both are minifloats without a fraction: a zero is what subnormals are then.

    Without a zero they are DenseShift's, 2**0 to 2**(2**(N-1) - 1) (Li et al., arXiv 2208.09708). With one they are
    ANT's "pot" and DeepShift's (Elhoushi et al., arXiv 1905.13298).
    """
    return Minifloat(width - 1, 0, int(zero), subnormals=zero, alias=f"pow2_{width}{'z' if zero else ''}")


_FORMATS = {format.name: format for zero in (False, True) for format in (_powers(width, zero) for width in WIDTHS)}


def _make(match: re.Match[str]) -> Format:
    if match[0] not in _FORMATS:
        limits = f"{WIDTHS[0]} to {WIDTHS[-1]}"
        raise ValueError(f"format {match[0]!r}: width of {match[0]} must be {limits} bits, not {match['bits']}")
    return _FORMATS[match[0]]


NAMES = KindNames("pow2_{N}, pow2_{N}z", re.compile(r"pow2_(?P<bits>\d+)z?"), _make, tuple(_FORMATS.values()))
