"""Products as rows that are there or not: one for each bit of an operand."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed, unsigned

from .adders import add_gated, subtract_gated

__all__ = ["GatedRow", "gated_product", "gated_rows"]


@dataclass(frozen=True)
class GatedRow:
    """``value`` where ``gate`` is high, else 0; in units of ``2**position``, or of its negative."""

    value: Value
    gate: Value
    position: int
    negative: bool = False


def gated_rows(a: Value, b: Value) -> tuple[GatedRow, ...]:
    """The rows whose sum is ``a * b``: one for each bit of ``b``."""
    top = len(b) - 1
    return tuple(GatedRow(a, b[k], k, b.shape().signed and k == top) for k in range(len(b)))


def gated_product(m: Module, a: Value, b: Value, cell: str | None) -> Value:
    """The product of two integers, both signed or both unsigned, row after row; ``cell`` as for ``add_gated``."""
    is_signed, width = a.shape().signed, len(a)
    first = Signal(a.shape(), name="gated0")
    m.d.comb += first.eq(Mux(b[0], a, 0))
    total: Value = first if not (is_signed and len(b) == 1) else -first
    shape = signed(width + 1) if is_signed else unsigned(width + 1)
    below = []
    for k in range(1, len(b)):
        below.append(total[0])
        rest = total[1:].as_signed() if is_signed else total[1:]
        negative = is_signed and k == len(b) - 1
        total = (subtract_gated if negative else add_gated)(m, rest, a, b[k], shape, f"gated{k}", cell)
    product = Cat(*below, total)
    return product.as_signed() if is_signed else product
