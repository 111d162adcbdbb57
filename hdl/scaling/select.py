"""A small number chooses one of several values."""

from collections.abc import Sequence

from amaranth.hdl import Mux, Value

__all__ = ["select"]


def select(digit: Value, choices: Sequence[Value]) -> Value:
    """Choose by number, where one that is too large chooses the last: a tree of multiplexers, the lowest bit first."""
    level = [*choices, *[choices[-1]] * ((1 << len(digit)) - len(choices))]
    for bit in digit:
        level = [Mux(bit, odd, even) for even, odd in zip(level[::2], level[1::2], strict=True)]
    return level[0]
