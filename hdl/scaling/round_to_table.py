"""Rounding to a format that is known by its table alone: comparisons with all places where its code changes."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import xor

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from ...formats import Requantization, Special
from .code_changes import code_changes, code_of_zero
from .number import Rounded
from .settle import Settled
from .stall_pipeline import Stages

__all__ = ["round_to_table"]


@dataclass(frozen=True)
class _Compared:
    """A number as the integer that is compared.

    Members
    -------
    compared: the number in quarters of the format's lowest bit, plus or minus what makes it odd between two halves
    none: whether it is NaN
    zero, negative: flags
    far: whether it lies beyond all that is compared; ``negative`` says on which side
    """

    carried: Mapping[str, Value]
    compared: Value
    none: Value
    zero: Value
    negative: Value
    far: Value


@dataclass(frozen=True)
class _Reached:
    """The places where the code changes that a number has reached, a bit each; the rest as in ``_Compared``."""

    carried: Mapping[str, Value]
    reached: Value
    none: Value
    zero: Value
    negative: Value
    far: Value


def round_to_table(m: Module, stages: Stages, number: Settled, how: Requantization) -> Rounded:
    """Round to a value of the table, in the stages between the shift and the last one.

    What lies below the window is one more bit, so that the number compared is odd where the value is between two
    multiples of a half. A negated value is not negated but complemented, the flag below it as its lowest bit: then
    ``2 * value`` and ``-2 * value - 1`` are on the same side of every odd number.
    """
    output = how.output
    low, changes = code_changes(output, how.rounding, how.overflow)
    high = changes[-1].code
    value = Cat(number.sticky, number.window, number.sign)
    whole = Cat(number.flip, value ^ number.flip.replicate(len(value))).as_signed()
    compared = Signal.like(whole, name="compared")
    m.d.comb += compared.eq(whole)
    placed = stages.register(
        _Compared(
            carried=number.carried,
            compared=compared,
            none=number.nan,
            zero=number.zero | (number.negative & ~number.nan) if how.relu else number.zero,
            negative=number.negative,
            far=number.infinity | number.lost,
        )
    )

    # In units of a quarter, doubled, and one less.
    bounds = [2 * (2 * change.half + change.strict) - 1 for change in changes]
    reached = Signal(len(changes), name="reached")
    m.d.comb += reached.eq(Cat(placed.compared >= bound for bound in bounds))
    found = stages.register(
        _Reached(
            carried=placed.carried,
            reached=reached,
            none=placed.none,
            zero=placed.zero,
            negative=placed.negative,
            far=placed.far,
        )
    )

    # The codes on both sides of a place differ in some bits: those change once more where it is reached.
    before = [low, *(change.code for change in changes)]
    lowest: Value = Const(low, output.width)
    bits = []
    for bit in range(output.width):
        flips = [found.reached[k] for k, change in enumerate(changes) if (before[k] ^ change.code) >> bit & 1]
        bits.append(reduce(xor, flips, lowest[bit]))
    within = Signal(output.width, name="found")
    m.d.comb += within.eq(Cat(*bits))
    code: Value = Mux(found.far, Mux(found.negative, low, high), within)
    if output.negative_zero is not None:
        # What lies below a least value of zero overflows to it, and loses its sign.
        inside = ~found.far & found.reached[0]
        stays = found.negative & inside & (within == output.nothing) & ~found.zero
        code = Mux(stays, output.negative_zero, code)
    code = Mux(found.zero, code_of_zero(low, changes, output, how.overflow), code)
    instead = output.special_codes[Special.NAN] if output.has_nan else output.nothing
    return Rounded(Mux(found.none, instead, code)[: output.width], found.carried)
