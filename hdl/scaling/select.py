"""A choice by a small number."""

from collections.abc import Sequence

from amaranth.hdl import Mux, Value

__all__ = ["select"]


def select(digit: Value, choices: Sequence[Value]) -> Value:
    """The choice of that number; the last one beyond. A tree of multiplexers, by the lowest bit of the number first."""
    level = [*choices, *[choices[-1]] * ((1 << len(digit)) - len(choices))]
    for bit in digit:
        level = [Mux(bit, odd, even) for even, odd in zip(level[::2], level[1::2], strict=True)]
    return level[0]
