"""The last step into a format that is known by its table alone: comparisons with all places where its code changes."""

from functools import reduce
from itertools import pairwise
from operator import xor
from types import SimpleNamespace
from typing import NamedTuple

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from ...formats import Format, Overflow, Requantization, Rounding, Special
from .stall_pipeline import Stages

__all__ = ["finish_table", "table_window"]

MAX_TABLE_BITS = 8
"""Bits of an output that is encoded by its table, at most: every code takes a comparison."""


class _Change(NamedTuple):
    """From ``half`` halves of the lowest bit on, or above it where ``strict``, a value has this code."""

    half: int
    strict: bool
    code: int


def _changes(output: Format, rounding: Rounding, overflow: Overflow) -> tuple[int, list[_Change]]:
    """The code of what lies lowest, and every place where the code changes, in ascending order.

    The rules are those of ``Rounding`` and ``Overflow``.
    """
    below, above = output.beyond
    least, most = output.ordered[0], output.ordered[-1]
    low, high = least[1], most[1]
    if overflow is Overflow.NAN:
        low = high = output.special_codes[Special.NAN]
    elif overflow is Overflow.INFINITY:
        low = output.special_codes.get(Special.NEGATIVE_INFINITY, low)
        high = output.special_codes.get(Special.POSITIVE_INFINITY, high)
    places = [(below, low), *output.ordered, (above, high)]
    changes = []
    for (lower, _), (upper, code) in pairwise(places):
        if upper == least[0] > 0:
            change = _Change(0, True, code)
        elif lower == most[0] < 0:
            change = _Change(0, False, code)
        elif rounding is Rounding.TOWARD_ZERO:
            if lower >= 0:
                change = _Change(2 * upper, False, code)
            elif upper <= 0:
                change = _Change(2 * lower, True, code)
            else:
                change = _Change(0, False, code)
        else:
            change = _Change(lower + upper, not _tie_goes_up(lower, upper), code)
        changes.append(change)
    return low, changes


def _tie_goes_up(lower: int, upper: int) -> bool:
    if abs(lower) == abs(upper):
        return True
    if abs(lower) < abs(upper):
        return abs(lower) % (2 * (upper - lower)) != 0
    return abs(upper) % (2 * (upper - lower)) == 0


def table_window(output: Format) -> int:
    """Bits of a magnitude, in halves of the format's lowest bit, beyond which nothing changes any more."""
    if output.width > MAX_TABLE_BITS:
        raise ValueError(
            f"an output that hardware encodes by its table must have at most {MAX_TABLE_BITS} bits, not {output.width} "
            f"({output.name})"
        )
    return max(2 * abs(place) for place in output.beyond).bit_length()


def finish_table(m: Module, stages: Stages, live: SimpleNamespace, how: Requantization) -> SimpleNamespace:
    """From a value in the window to ``code``, in as many stages as any other output takes.

    What lies below the window is one more bit, so that the number compared is odd where the value is between two
    multiples of a half. A negated value is not negated but complemented, the flag below it as its lowest bit: then
    ``2 * value`` and ``-2 * value - 1`` are on the same side of every odd number.
    """
    output = how.output
    low, changes = _changes(output, how.rounding, how.overflow)
    high = changes[-1].code
    value = Cat(live.sticky, live.window, live.sign)
    flip = live.flip
    compared = Cat(flip, value ^ flip.replicate(len(value))).as_signed()
    live.compared = Signal.like(compared, name="compared")
    m.d.comb += live.compared.eq(compared)
    live.none = live.nan
    if how.relu:
        live.zero = live.zero | (live.negative & ~live.nan)
    live.far = live.infinity | live.lost
    _drop(live, "window", "fraction", "sticky", "sign", "flip", "lost", "infinity", "nan", "exponent", "allowed")
    live.zero_point = None
    live = stages.register(live)

    # In units of a quarter, doubled, and one less.
    bounds = [2 * (2 * change.half + change.strict) - 1 for change in changes]
    live.reached = Signal(len(changes), name="reached")
    m.d.comb += live.reached.eq(Cat(live.compared >= bound for bound in bounds))
    live.compared = None
    live = stages.register(live)

    # The codes on both sides of a place differ in some bits: those change once more where it is reached.
    before = [low, *(change.code for change in changes)]
    code: Value = Const(low, output.width)
    bits = []
    for bit in range(output.width):
        flips = [live.reached[k] for k, change in enumerate(changes) if (before[k] ^ change.code) >> bit & 1]
        bits.append(reduce(xor, flips, code[bit]))
    found = Signal(output.width, name="found")
    m.d.comb += found.eq(Cat(*bits))
    code = Mux(live.far, Mux(live.negative, low, high), found)
    if output.negative_zero is not None:
        stays = live.negative & ~live.far & (found == output.nothing) & ~live.zero
        code = Mux(stays, output.negative_zero, code)
    code = Mux(live.zero, _code_of_zero(low, changes, output, how.overflow), code)
    instead = output.special_codes[Special.NAN] if output.has_nan else output.nothing
    live.code = Mux(live.none, instead, code)[: output.width]
    _drop(live, "reached", "negative", "zero", "none", "far")
    return live


def _code_of_zero(low: int, changes: list[_Change], output: Format, overflow: Overflow) -> int:
    """The code of an exact zero, which overflows where there is none."""
    if not output.has_zero and overflow is not Overflow.SATURATE:
        return low if output.min_integer > 0 else changes[-1].code
    code = low
    for change in changes:
        if change.half < 0 or (change.half == 0 and not change.strict):
            code = change.code
    return code


def _drop(live: SimpleNamespace, *names: str) -> None:
    for name in names:
        setattr(live, name, None)
