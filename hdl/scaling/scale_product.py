"""The product of a sum and a scale's significand without DSP blocks: row by row, a few rows a stage.

Where a LUT has six inputs it makes a bit of a row and adds it too, as long as the rows are added one after the other:
half of what becomes of a plain ``*``.
"""

from collections.abc import Callable
from types import SimpleNamespace

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed

__all__ = ["LONGEST_PLAIN", "Operation", "multiply_operations"]

Operation = Callable[[Module, SimpleNamespace], None]
"""What a stage does to what goes through it."""

LONGEST_PLAIN = 4
"""Bits of a factor up to which a row for each of them is as small as Booth's radix-4 recoding."""

ADDERS = 2
"""Most adders one after the other in a stage."""


def multiply_operations(name: str, bits: int) -> list[Operation]:
    """The stages of a multiplication of ``live.body`` by an unsigned factor, ``live.{name}``, which it uses up.

    The body stays signed or unsigned, and becomes longer by the factor's bits. Its product is exact.

    Parameters
    ----------
    name: of the factor
    bits: of the factor, 1 or more
    """
    recoded = bits > LONGEST_PLAIN
    rows = (bits + 2) // 2 if recoded else bits
    stages = max(-(-(rows - 1) // ADDERS), 1)
    bounds = [1 + (rows - 1) * stage // stages for stage in range(stages + 1)]

    def operation(stage: int) -> Operation:
        def multiply(m: Module, live: SimpleNamespace) -> None:
            is_signed, width = live.body.shape().signed, len(live.body) + bits
            body = live.body if is_signed else Cat(live.body, Const(0, 1)).as_signed()
            if stage == 0:
                factor = getattr(live, name)
                setattr(live, name, None)
                # Of what is left of the factor, the row at hand has the lowest bits.
                live.digits = Cat(Const(0, 1), factor, Const(0, 2)) if recoded else factor
                live.low, live.carry = Const(0, 0), None
                live.partial, live.carry = _row(body, live, recoded)
            for index in range(bounds[stage], bounds[stage + 1]):
                # Named before the row: a carry chain takes the older one past the LUT, and that has to be the sum.
                total = Signal(signed(len(body) + (4 if recoded else 1)), name=f"{name}_partial{index}")
                before = live.carry
                if recoded:
                    row, live.carry = _row(body, live, recoded)
                    m.d.comb += total.eq(live.partial + Cat(before, Const(0, 1), row).as_signed())
                    live.low, live.partial = Cat(live.low, total[:2]), total[2:].as_signed()
                else:
                    row, live.carry = _row(body, live, recoded)
                    m.d.comb += total.eq(live.partial[1:].as_signed() + row)
                    live.low, live.partial = Cat(live.low, live.partial[:1]), total
            if stage == stages - 1:
                # A factor of one bit adds no row, and the sign has to reach as far as the width says.
                product = Cat(live.low, live.partial, live.partial[-1])[:width]
                live.body = product.as_signed() if is_signed else product
                live.digits = live.low = live.carry = live.partial = None

        return multiply

    return [operation(stage) for stage in range(stages)]


def _row(body: Value, live: SimpleNamespace, recoded: bool) -> tuple[Value, Value | None]:
    """The product of the body and the lowest digit, as ``row + carry``, and the digits shifted to the next."""
    if not recoded:
        bit = live.digits[0]
        live.digits = live.digits[1:]
        return (body.as_unsigned() & bit.replicate(len(body))).as_signed(), None
    triple = live.digits[:3]
    live.digits = live.digits[2:]
    # The topmost digit is never negative, so no carry is left over.
    negative = triple[2] & ~triple.all()
    zero = triple.all() | ~triple.any()
    doubled = triple[0] == triple[1]
    multiple = Mux(doubled, body << 1, body)[: len(body) + 1]
    row = (multiple ^ triple[2].replicate(len(multiple))) & (~zero).replicate(len(multiple))
    return row.as_signed(), negative
