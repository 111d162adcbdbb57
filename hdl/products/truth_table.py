"""Any function of few bits, one LUT network for each bit of its result."""

from collections.abc import Callable

from amaranth.hdl import Cat, Const, Value

__all__ = ["truth_table"]


def truth_table(inputs: Value, function: Callable[[int], int], width: int) -> Value:
    """``function`` of the unsigned value of ``inputs``, 16 bits at most, of which the low ``width`` bits are kept."""
    if len(inputs) > 16:
        raise ValueError(f"inputs of a truth table must be at most 16 bits, not {len(inputs)}")
    values = [function(code) for code in range(1 << len(inputs))]
    columns = [sum((value >> bit & 1) << code for code, value in enumerate(values)) for bit in range(width)]
    return Cat(Const(column, len(values)).bit_select(inputs, 1) for column in columns)
