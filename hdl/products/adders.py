"""Adders of two numbers that stay adders of their own, and that take in logic where a family's cells do.

yosys's ``alumacc`` makes one sum of several ``+`` that nothing stands between, and of that compressors, which take two
LUTs a bit for what takes one here. A lowest bit that is only there to be cut off keeps adders apart.

A logic cell of an iCE40 has a LUT of four inputs: the two bits that are added, their carry, and one more. So a row that
is added where a bit is high takes no LUT beside its adder's, if that bit chooses between the sum and what was there
before, and neither does a sum that is inverted where a bit is high. An ECP5's carry cell has its LUTs before the carry:
see ``Ccu2c``.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value

from .ccu2c import Ccu2c

__all__ = ["add", "add_gated", "add_inverted", "subtract", "subtract_gated"]


def add(m: Module, a: Value, b: Value, shape: Shape, name: str, carry: Value | None = None) -> Value:
    """``a + b``, and ``carry`` where there is one, as ``shape``."""
    bit = Const(0, 1) if carry is None else carry
    a, b = _extended(m, a, shape, f"{name}_a"), _extended(m, b, shape, f"{name}_b")
    wide = Signal(shape.width + 1, name=name)
    m.d.comb += wide.eq(Cat(bit, a) + Cat(bit, b))
    return _as(wide[1:], shape)


def subtract(m: Module, a: Value, b: Value, shape: Shape, name: str) -> Value:
    """``a - b`` as ``shape``."""
    a, b = _extended(m, a, shape, f"{name}_a"), _extended(m, b, shape, f"{name}_b")
    wide = Signal(shape.width + 1, name=name)
    m.d.comb += wide.eq(Cat(Const(0, 1), a) - Cat(Const(0, 1), b))
    return _as(wide[1:], shape)


def add_gated(m: Module, a: Value, b: Value, gate: Value, shape: Shape, name: str, cell: str | None) -> Value:
    """``a + b`` where ``gate`` is high, else ``a``, as ``shape``.

    Parameters
    ----------
    cell: the carry cell that takes the gate in; None for an adder whose LUT comes last
    """
    if cell is None:
        both = add(m, a, b, shape, name)
        gated = Signal(shape, name=f"{name}_gated")
        m.d.comb += gated.eq(Mux(gate, both, a))
        return gated
    a, b = _extended(m, a, shape, f"{name}_a"), _extended(m, b, shape, f"{name}_b")
    return _as(Ccu2c.add(m, name, "and", a, b, gate), shape)


def subtract_gated(m: Module, a: Value, b: Value, gate: Value, shape: Shape, name: str, cell: str | None) -> Value:
    """``a - b`` where ``gate`` is high, else ``a``, as ``shape``, which is signed; ``cell`` as for ``add_gated``."""
    if cell is None:
        # What is inverted comes out of adders, whose LUTs do it.
        return ~add_gated(m, ~_extended(m, a, shape, f"{name}_from"), b, gate, shape, name, cell)
    a, b = _extended(m, a, shape, f"{name}_a"), _extended(m, b, shape, f"{name}_b")
    return _as(Ccu2c.add(m, name, "nand", a, b, gate, carry=Const(1, 1)), shape)


def add_inverted(m: Module, a: Value, b: Value, invert: Value, shape: Shape, name: str, cell: str | None) -> Value:
    """``a - b`` where ``invert`` is high, else ``a + b``, as ``shape``."""
    a, b = _extended(m, a, shape, f"{name}_a"), _extended(m, b, shape, f"{name}_b")
    if cell is None:
        return add(m, a, b ^ invert.replicate(shape.width), shape, name, invert)
    return _as(Ccu2c.add(m, name, "xor", a, b, invert, carry=invert), shape)


def _extended(m: Module, value: Value, shape: Shape, name: str) -> Signal:
    extended = Signal(shape, name=name)
    m.d.comb += extended.eq(value)
    return extended


def _as(value: Value, shape: Shape) -> Value:
    return value.as_signed() if shape.signed else value
