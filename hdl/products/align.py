"""Shifting a product to its place in the accumulator: a fine shift, then a choice of one group of bits."""

from dataclasses import dataclass
from typing import TypeGuard

from amaranth.hdl import Cat, Const, Module, Signal, Value, signed, unsigned

from .pipeline import Pipeline

__all__ = ["Shift", "align", "is_shifted"]


@dataclass(frozen=True)
class Shift:
    """How far left a product goes: ``amount - offset``, where ``amount`` is at most ``largest``."""

    amount: Value
    offset: int
    largest: int


def is_shifted(shift: Shift | None) -> TypeGuard[Shift]:
    """Whether there is anything to shift."""
    return shift is not None and shift.largest > shift.offset


def align(
    m: Module,
    pipeline: Pipeline,
    body: Value,
    negate: Value | None,
    shift: Shift | None,
    group: int,
    width: int,
    apart: bool = False,
    coded: bool = False,
    held: bool = False,
) -> tuple[Value, Value | None]:
    """``body`` shifted left, as two's complement of ``width`` bits, complemented bit by bit where ``negate`` is high.

    The addend is ``(body << shift) ^ negate``, and ``negate``, given back, is the carry that makes it exact. The
    shift is fine within ``group`` (a power of two) positions, then coarse by whole groups, where each bit has at
    most a few sources: that last choice fits into the adder's own LUTs where those have the inputs. ``apart`` keeps
    the register of a body that needs no shift out of DSP blocks; where ``held``, there is none, since the body has
    crossed the cut already. ``coded`` leaves the choice among four groups or fewer as the two bits that it is, for LUTs
    that have the inputs.
    """
    if not is_shifted(shift):
        body = body if held else pipeline.cross("align", "body", body, apart=apart)
        negate = pipeline.cross("align", "negate", negate)
        return _complement(m, [_bit(body, i) for i in range(width)], negate), negate

    fine_bits = group.bit_length() - 1
    is_signed = body.shape().signed
    reach = min(group - 1, shift.largest)
    fine_shape = signed(len(body) + reach) if is_signed else unsigned(len(body) + reach)
    fine = Signal(fine_shape, name="fine")
    m.d.comb += fine.eq(body << shift.amount[:fine_bits])
    fine = pipeline.cross("align", "fine", fine)
    negate = pipeline.cross("align", "negate", negate)

    coarse = shift.amount[fine_bits:]
    groups = (shift.largest >> fine_bits) + 1
    if groups == 1:
        return _complement(m, [_bit(fine, i + shift.offset) for i in range(width)], negate), negate

    if coded and len(coarse) <= 2:
        coarse = pipeline.cross("align", "coarse", coarse)
        select: Value = Cat(coarse == k for k in range(groups))
    else:
        one_hot = Signal(groups, name="select")
        m.d.comb += one_hot.eq(Cat(coarse == k for k in range(groups)))
        select = pipeline.cross("align", "select", one_hot)
    first = shift.offset >> fine_bits
    bits: list[Value] = []
    fills: dict[int, Value] = {}
    for i in range(width):
        position = i + shift.offset
        sources: list[Value] = []
        below = []
        for k in range(first, groups):
            j = position - k * group
            if 0 <= j < len(fine):
                sources.append(fine[j] & select[k])
            elif j >= len(fine):
                below.append(k)
        if is_signed and below:
            if len(below) not in fills:
                fill = Signal(name=f"fill{len(below)}")
                m.d.comb += fill.eq(fine[-1] & Cat(select[k] for k in below).any())
                fills[len(below)] = fill
            sources.append(fills[len(below)])
        bit: Value = Const(0, 1)
        for source in sources:
            bit = bit | source
        bits.append(bit)
    return _complement(m, bits, negate), negate


def _bit(value: Value, index: int) -> Value:
    """Bit ``index`` of ``value``, extended as its shape says."""
    if index < len(value):
        return value[index]
    return value[-1] if value.shape().signed else Const(0, 1)


def _complement(m: Module, bits: list[Value], negate: Value | None) -> Value:
    addend = Signal(len(bits), name="addend")
    m.d.comb += addend.eq(Cat(bits) if negate is None else Cat(bits) ^ negate.replicate(len(bits)))
    return addend
