"""Codes are clipped by the order of their values."""

from collections.abc import Callable

from amaranth.hdl import Cat, Const, Mux, Value

from ...formats import Format, Integer
from ...formats.network import clip_order
from ..products.truth_table import truth_table

__all__ = ["clip_code"]


def clip_code(
    format: Format, code: Value, limits: list[tuple[int, int]], choose: Callable[[str, list[int]], Value]
) -> Value:
    """The code, or ``low`` where it stands before that, or ``high`` where it stands behind that.

    Parameters
    ----------
    limits: every (low, high) that there is
    choose: makes a value of one for each of the limits
    """
    places = [clip_order(format, each) for each in range(1 << format.width)]
    least, most = (limit(places[each] for each in format.codes) for limit in (min, max))
    lows, highs = [low for low, _ in limits], [high for _, high in limits]
    zero = format.zero_code
    bounded_low = any(places[low] != least for low in lows)
    if bounded_low and zero == 0 and all(places[low] == least or low == zero for low in lows):
        # What stands before zero is what has a sign.
        relu = choose("relu", [int(places[low] != least) for low in lows])
        before = truth_table(code, lambda each: int(places[each] < places[0]), 1)
        code = code & (~(relu & before)).replicate(len(code))
    elif bounded_low:
        low = choose("low", lows)
        code = Mux(_key(format, code, places) < _key(format, low, places), low, code)
    if any(places[high] != most for high in highs):
        high = choose("high", highs)
        code = Mux(_key(format, code, places) > _key(format, high, places), high, code)
    return code[: format.width]


def _key(format: Format, code: Value, places: list[tuple[int, bool]]) -> Value:
    """A number by which codes are compared."""
    code = Cat(code, Const(0, format.width))[: format.width]
    if isinstance(format, Integer):
        return code if format.unsigned else code.as_signed()
    if format.has_sign_bit:
        return (code ^ code[-1].replicate(len(code)) & ((1 << len(code) - 1) - 1)).as_signed()
    ranks = {place: rank for rank, place in enumerate(sorted(set(places)))}
    return truth_table(code, lambda each: ranks[places[each]], format.width)
