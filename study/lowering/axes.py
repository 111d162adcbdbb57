"""How the dimensions of a tensor in ONNX lie over channels, rows and pixels: ``c``, ``y`` and ``x``."""

from collections.abc import Mapping, Sequence
from math import prod

__all__ = ["axes_by_rank", "named", "regrouped", "sizes_by_axis"]

RANKS = {1: ("c",), 2: ("c", "x"), 3: ("c", "y", "x")}
"""By how many dimensions a sample has, what they are."""


def axes_by_rank(shape: Sequence[int]) -> tuple[str, ...] | None:
    """Of a tensor with channels first; axes of length 1 are left out. None for another number of dimensions."""
    letters = RANKS.get(len(shape))
    return None if letters is None else named(letters, shape)


def named(letters: Sequence[str], shape: Sequence[int]) -> tuple[str, ...]:
    """The letters of dimensions that are longer than 1."""
    return tuple(letter if size > 1 else "" for letter, size in zip(letters, shape, strict=True))


def sizes_by_axis(letters: Sequence[str], shape: Sequence[int]) -> dict[str, int]:
    """The sizes of ``c``, ``y`` and ``x``; 1 of those that are not among the letters."""
    return {"c": 1, "y": 1, "x": 1} | dict(zip(letters, shape, strict=True))


def regrouped(axes: Sequence[str], sizes: Mapping[str, int], shape: Sequence[int]) -> tuple[str, ...] | None:
    """The axes of the same values in another shape; None where a dimension is a part of an axis."""
    left = "".join(axes)
    found = []
    for size in shape:
        own = ""
        while prod(sizes[letter] for letter in own) < size and left:
            own, left = own + left[0], left[1:]
        if prod(sizes[letter] for letter in own) != size:
            return None
        found.append(own)
    return None if left else tuple(found)
