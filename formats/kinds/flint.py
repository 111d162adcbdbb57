"""flint, the type between float and integer of ANT."""

from ..table import Table
from . import by_width

__all__ = ["NAMES", "magnitude"]


def magnitude(code: int, bits: int) -> int:
    """The magnitude of a code of so many bits (Guo et al., MICRO 2022, arXiv 2208.14286).

    A code without the top bit is an integer. In the others, the zeros below the top bit tell the exponent, and what is
    below the first one after them is the fraction: the more zeros, the larger the value, and the coarser its steps.
    """
    half = 1 << bits - 1
    if code < half:
        return code
    low = code - half
    if low == 0:
        return 1 << 2 * bits - 2
    zeros = bits - 1 - low.bit_length()
    return low << 1 + 2 * zeros


def _flint(name: str, width: int) -> Table:
    bits = width - 1
    return Table.symmetric(name, [magnitude(code, bits) for code in range(1 << bits)])


NAMES = by_width("flint", range(3, 9), _flint)
