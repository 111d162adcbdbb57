"""The expression that a cell stands for; every operand of it has been given its width."""

from collections.abc import Callable

from .netlist import SHIFTS, Cell

__all__ = ["INLINED", "INLINING", "expression"]

_BINARY = {
    "$and": "&",
    "$or": "|",
    "$xor": "^",
    "$xnor": "~^",
    "$add": "+",
    "$sub": "-",
    "$mul": "*",
    "$eq": "==",
    "$ne": "!=",
    "$lt": "<",
    "$le": "<=",
    "$gt": ">",
    "$ge": ">=",
    "$shl": "<<",
    "$sshl": "<<",
    "$shr": ">>",
    "$shift": ">>",
    "$sshr": ">>>",
}
_UNARY = {
    "$not": "~",
    "$neg": "-",
    "$pos": "",
    "$reduce_and": "&",
    "$reduce_or": "|",
    "$reduce_bool": "|",
    "$reduce_xor": "^",
    "$reduce_xnor": "~^",
    "$logic_not": "~|",
}
_ORDERS = {"$lt", "$le", "$gt", "$ge"}
_SIGN_MATTERS = {*_ORDERS, "$mul", "$sshr"}

INLINED = {"$and", "$or", "$xor", "$xnor", "$not", "$mux", "$eq", "$ne", *_ORDERS, *_UNARY} - {"$neg", "$pos"}
"""What may be written inside another expression: of these, nothing but the operands' own width says how wide it is."""

INLINING = {"$mux", "$pmux", *_BINARY, *_UNARY} - _SIGN_MATTERS
"""What may have an expression as an operand: these look at no operand's sign."""


def expression(cell: Cell, operand: Callable[[Cell, str], str], as_unsigned: Callable[[str], str]) -> str:
    """The right-hand side that gives the cell's result.

    Parameters
    ----------
    cell: of no register, memory or instance
    operand: the text of the operand at a pin, which binds as tightly as a name
    as_unsigned: the same operand as an unsigned number

    Raises ValueError for a cell that has no such expression.
    """
    if cell.type == "$mux":
        return f"{operand(cell, 'S')} ? {operand(cell, 'B')} : {operand(cell, 'A')}"
    if cell.type == "$pmux":
        return _choice(cell, operand)
    if cell.type in ("$logic_and", "$logic_or"):
        return f"(|{operand(cell, 'A')}) {_BINARY['$' + cell.type[7:]]} (|{operand(cell, 'B')})"
    if cell.type in _UNARY:
        return _UNARY[cell.type] + operand(cell, "A")
    if cell.type not in _BINARY or (cell.type in SHIFTS and cell.number("B_SIGNED")):
        raise ValueError(f"cell must be one that has an expression in Verilog, not {cell.type}")
    if cell.type in _ORDERS:
        known = _always(cell)
        if known:
            return known
    a, b = operand(cell, "A"), operand(cell, "B")
    if cell.type == "$sshr":
        a = f"$signed({a})" if cell.number("A_SIGNED") else as_unsigned(a)
    elif cell.type in _SIGN_MATTERS:
        a, b = (f"$signed({a})", f"$signed({b})") if cell.is_signed else (as_unsigned(a), as_unsigned(b))
    return f"{a} {_BINARY[cell.type]} {b}"


def _choice(cell: Cell, operand: Callable[[Cell, str], str]) -> str:
    """One of several words, by a select line each; ``Netlist`` has taken them apart."""
    words = sum(pin.startswith("S") for pin in cell.pins)
    choices = [f"{operand(cell, f'S{k}')} ? {operand(cell, f'B{k}')}" for k in range(words)]
    return " :\n    ".join([*choices, operand(cell, "A")])


def _always(cell: Cell) -> str | None:
    """A comparison with an end of the range, which linters refuse since it says nothing."""
    a, b = cell.pins["A"], cell.pins["B"]
    zero, one = ("1", "0") if cell.is_signed else ("0", "1")  # the topmost bits of the least and the greatest number
    lowest, highest = ["0"] * (len(a) - 1) + [zero], ["1"] * (len(a) - 1) + [one]
    is_end = (b == lowest or a == highest) if cell.type in ("$lt", "$ge") else (b == highest or a == lowest)
    if not is_end:
        return None
    return "1'h1" if cell.type in ("$le", "$ge") else "1'h0"
