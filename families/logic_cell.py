"""A logic cell that holds a LUT, a carry and a flip-flop, by the cells of yosys's netlists that share it."""

from dataclasses import dataclass

__all__ = ["LogicCell"]


@dataclass(frozen=True)
class LogicCell:
    """Which cells share a logic cell, and by which pins.

    A flip-flop shares the cell of the LUT before it, unless that drives something else as well. A carry shares the cell
    of a LUT that has the same operands and the carry's input.

    Parameters
    ----------
    lut, inputs, output, table: a LUT, its pins, and the parameter that is its truth table
    operands, carry_input: those of its inputs that a carry shares
    carry, carry_operands, carry_in, carry_out: a carry, and its pins
    flip_flops: how the types of all flip-flops begin
    data: a flip-flop's input
    """

    lut: str
    inputs: tuple[str, ...]
    output: str
    table: str
    operands: tuple[str, str]
    carry_input: str
    carry: str
    carry_operands: tuple[str, str]
    carry_in: str
    carry_out: str
    flip_flops: str
    data: str
