"""BitMoD's minifloats of 3 and 4 bits, with one of four special values in the place of the negative zero.

The authors declare a patent application (Chen et al., HPCA 2025, arXiv 2411.11745).
"""

from dataclasses import dataclass

from ..table import Table
from . import named

__all__ = ["NAMES", "Selected"]

MAGNITUDES = {3: (0, 1, 2, 4), 4: (0, 1, 2, 3, 4, 6, 8, 12)}
SPECIAL_VALUES = {3: (3, -3, 6, -6), 4: (10, -10, 16, -16)}
LSB_EXPONENTS = {3: 0, 4: -1}


@dataclass(frozen=True)
class Selected(Table):
    """The table of a code below a selector, which is one for a whole group of codes and says what one of them means.

    Parameters
    ----------
    members: what the codes below each selector are
    """

    members: tuple[Table, ...] = ()

    @property
    def choices(self) -> tuple[Table, ...]:
        return self.members


def _member(width: int, integer: int) -> Table:
    magnitudes, exponent = MAGNITUDES[width], LSB_EXPONENTS[width]
    negatives = (integer, *(-magnitude for magnitude in magnitudes[1:]))
    special = abs(integer) >> -exponent
    return Table(f"bitmod{width}{'m' if integer < 0 else 'p'}{special}", (*magnitudes, *negatives), exponent)


def _formats(width: int) -> tuple[Table, ...]:
    members = tuple(_member(width, integer) for integer in SPECIAL_VALUES[width])
    whole = tuple(entry for member in members for entry in member.table)
    return Selected(f"bitmod{width}", whole, LSB_EXPONENTS[width], members), *members


NAMES = named("bitmod3, bitmod4", *_formats(3), *_formats(4))
