"""A number is multiplied by a scale's significand without DSP blocks: row by row, a few rows a stage.

Where a LUT has six inputs it makes a bit of a row and adds it too, as long as the rows are added one after the other.
That takes half of the LUTs that a plain ``*`` takes.
"""

from dataclasses import dataclass, replace

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed

from .number import Unscaled
from .stall_pipeline import Stages

__all__ = ["ADDERS", "LONGEST_PLAIN", "digit_row", "lut_product_stages", "multiply_in_luts", "signed_body"]

LONGEST_PLAIN = 4
"""Bits of a factor up to which a row for each of them is as small as Booth's radix-4 recoding."""

ADDERS = 2
"""Most adders one after the other in a stage."""


@dataclass(frozen=True)
class _Partial:
    """A product on its way.

    Members
    -------
    number: what is multiplied, without the factor
    digits: what is left of the factor; the row at hand has the lowest bits
    low: bits of the product that no further row changes
    carry: what is to be added to the row before the next one; None where rows are not recoded
    partial: the sum of the rows so far, above ``low``
    """

    number: Unscaled
    digits: Value
    low: Value
    carry: Value | None
    partial: Value


def lut_product_stages(bits: int, adders: int = ADDERS) -> int:
    """The stages of a multiplication by an unsigned factor of so many bits, 1 or more.

    ``adders`` are the most one after the other in a stage.
    """
    return max(-(-(_rows(bits) - 1) // adders), 1)


def multiply_in_luts(m: Module, stages: Stages, number: Unscaled, name: str, adders: int = ADDERS) -> Unscaled:
    """Multiply the body by the unsigned factor of that name, and use it up. The last stage has no register behind it.

    The body stays signed or unsigned, and becomes longer by the factor's bits. Its product is exact.
    """
    factor = number.factors[name]
    bits = len(factor)
    recoded = bits > LONGEST_PLAIN
    number = replace(number, factors={key: value for key, value in number.factors.items() if key != name})
    digits = Cat(Const(0, 1), factor, Const(0, 2)) if recoded else factor
    row, carry = digit_row(number.body, digits, recoded)
    product = _Partial(number, _later_digits(digits, recoded), Const(0, 0), carry, row)
    stages.note(product)
    last, count = _rows(bits) - 1, lut_product_stages(bits, adders)
    for stage in range(count):
        for index in range(1 + last * stage // count, 1 + last * (stage + 1) // count):
            product = _add_row(m, product, f"{name}_partial{index}", recoded)
        if stage < count - 1:
            product = stages.register(product)
    body = product.number.body
    # A factor of one bit adds no row, and the sign has to reach as far as the width says.
    result = Cat(product.low, product.partial, product.partial[-1])[: len(body) + bits]
    return replace(product.number, body=result.as_signed() if body.shape().signed else result)


def _rows(bits: int) -> int:
    return (bits + 2) // 2 if bits > LONGEST_PLAIN else bits


def _add_row(m: Module, product: _Partial, name: str, recoded: bool) -> _Partial:
    """Add the row of the lowest digit; the sum's signal gets the given name."""
    width = len(signed_body(product.number.body))
    # Named before the row: a carry chain takes the older one past the LUT, and that has to be the sum.
    total = Signal(signed(width + (4 if recoded else 1)), name=name)
    row, carry = digit_row(product.number.body, product.digits, recoded)
    if recoded:
        m.d.comb += total.eq(product.partial + Cat(product.carry, Const(0, 1), row).as_signed())
        low, partial = Cat(product.low, total[:2]), total[2:].as_signed()
    else:
        m.d.comb += total.eq(product.partial[1:].as_signed() + row)
        low, partial = Cat(product.low, product.partial[:1]), total
    return _Partial(product.number, _later_digits(product.digits, recoded), low, carry, partial)


def signed_body(body: Value) -> Value:
    """The body in two's complement; an unsigned one becomes a bit longer."""
    return body if body.shape().signed else Cat(body, Const(0, 1)).as_signed()


def _later_digits(digits: Value, recoded: bool) -> Value:
    return digits[2:] if recoded else digits[1:]


def digit_row(body: Value, digits: Value, recoded: bool) -> tuple[Value, Value | None]:
    """The product of the body and the lowest digit, as ``row + carry``."""
    body = signed_body(body)
    if not recoded:
        return (body.as_unsigned() & digits[0].replicate(len(body))).as_signed(), None
    triple = digits[:3]
    # The topmost digit is never negative, so no carry is left over.
    negative = triple[2] & ~triple.all()
    zero = triple.all() | ~triple.any()
    doubled = triple[0] == triple[1]
    multiple = Mux(doubled, body << 1, body)[: len(body) + 1]
    row = (multiple ^ triple[2].replicate(len(multiple))) & (~zero).replicate(len(multiple))
    return row.as_signed(), negative
