"""The order of codes by which results are clipped."""

from ..base import Format

__all__ = ["clip_order"]


def clip_order(format: Format, code: int) -> tuple[int, bool]:
    """Where a code of a finite format stands: by its value, and of two zeros the negative one first."""
    integer = format.integer(code)
    return integer, not (integer == 0 and format.negative(code))
