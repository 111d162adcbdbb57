"""A number is rounded to an integer, gets its zero point, and is then judged to be in range or not."""

from collections.abc import Mapping
from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Value

from ...formats import Integer, Overflow, Requantization
from .normalize import named_signal
from .normalizing_shift import NormalizingShift
from .number import Rounded
from .settle import Random, Settled, rounds_up
from .stall_pipeline import Stages

__all__ = ["round_integer"]


@dataclass(frozen=True)
class _IntegerParts:
    """An integer whose rounding is decided: ``base + carry``, to which its zero point is still to be added.

    Members
    -------
    beyond: whether the integer lies outside of the window; ``negative`` says on which side
    code_zero: whether its code is 0 whatever the zero point; None where that cannot be
    """

    zero_point: Value | None
    carried: Mapping[str, Value]
    negative: Value
    carry: Value
    base: Value
    beyond: Value
    code_zero: Value | None


@dataclass(frozen=True)
class _IntegerSum:
    """The rounded integer with its zero point; ``beyond``, ``negative`` and ``code_zero`` as in ``_IntegerParts``."""

    carried: Mapping[str, Value]
    negative: Value
    beyond: Value
    code_zero: Value | None
    total: Value


def round_integer(
    m: Module,
    stages: Stages,
    number: Settled,
    shift: NormalizingShift,
    how: Requantization,
    random: Random | None,
) -> Rounded:
    """Round to an integer, in the stages between the shift and the last one."""
    # What is negated is complemented, and so is the carry that rounds it.
    complement = number.flip
    infinite = number.infinity
    none = number.nan
    if how.relu:
        none = none | number.negative
    if how.overflow is Overflow.WRAP:
        none = none | infinite
    keep = named_signal(m, "keep", ~none)
    up = rounds_up(stages, number, how.rounding, random)
    base = ((number.window ^ complement.replicate(shift.window)) & keep.replicate(shift.window)).as_signed()
    beyond = (number.lost | (number.window[-1] ^ number.sign) | infinite) & keep
    code_zero = None
    if how.overflow is Overflow.WRAP and number.zero_point is not None:
        code_zero = infinite & ~number.negative if how.relu else infinite
    carry = (up ^ complement) & keep
    integer = stages.register(
        _IntegerParts(
            zero_point=number.zero_point,
            carried=number.carried,
            negative=number.negative,
            carry=carry,
            base=base,
            beyond=beyond,
            code_zero=code_zero,
        )
    )

    # One adder: the carry comes in through a bit below both operands.
    zero_point = Const(0, 1) if integer.zero_point is None else integer.zero_point
    total = Cat(integer.carry, integer.base).as_signed()
    total = total + Cat(integer.carry, zero_point, _sign_bit(zero_point)).as_signed()
    rounded = stages.register(
        _IntegerSum(
            carried=integer.carried,
            negative=integer.negative,
            beyond=integer.beyond,
            code_zero=integer.code_zero,
            total=total[1:].as_signed(),
        )
    )
    return _integer_code(rounded, how)


def _integer_code(integer: _IntegerSum, how: Requantization) -> Rounded:
    """The code of a rounded integer, or what it becomes where it is out of range."""
    output, total = how.output, integer.total
    assert isinstance(output, Integer)
    bits = output.bits
    if how.overflow is Overflow.WRAP:
        code = total[:bits]
        if integer.code_zero is not None:
            code = Mux(integer.code_zero, 0, code)
    else:
        low = total[-1]
        if output.unsigned:
            outside = total[bits:].any()
        else:
            outside = (total[bits - 1 : -1] ^ low.replicate(len(total) - bits)).any()
            if output.symmetric:
                outside = outside | (low & ~total[: bits - 1].any())
        below = Mux(integer.beyond, integer.negative, low)
        least = output.min_integer & ((1 << bits) - 1)
        code = Mux(integer.beyond | outside, Mux(below, least, output.max_integer), total[:bits])
    return Rounded(code[:bits], integer.carried)


def _sign_bit(value: Value) -> Value:
    return value[-1] if value.shape().signed else Const(0, 1)
