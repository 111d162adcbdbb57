"""A scaled sum is rounded once, by a power of two that belongs to the record, to a code."""

from collections.abc import Iterable

from amaranth.hdl import Const, Module, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...formats import FixedPoint, Format, Requantization, Rounding
from ..scaling.normalizing_shift import NormalizingShift
from ..scaling.number import Traits, Unrounded
from ..scaling.round import ROUNDING_STAGES, round_to_code
from ..scaling.stall_pipeline import Stages

__all__ = ["Rounder", "rounding_latency", "rounding_shift"]


def rounding_shift(form: FixedPoint, output: Format, shifts: Iterable[int]) -> NormalizingShift:
    """The shift of a signed form to where an output keeps bits of it; all shifts to the right are known."""
    known = sorted(set(shifts))
    return NormalizingShift(output, Rounding.TIES_TO_EVEN, form.width - 1, True, 0, -known[-1], -known[0])


def rounding_latency(shift: NormalizingShift) -> int:
    """Cycles from a number to its code."""
    return shift.stages + ROUNDING_STAGES


class Rounder(wiring.Component):
    """``code = round(body * 2**-shift)``, to the nearest value of the output, ties to even, with saturation.

    Initiation interval 1, ``latency`` cycles; nothing stalls it.

    Parameters
    ----------
    form: of the body; signed
    output: format of the code
    shifts: those that there are
    zero_points: whether a zero point is added after rounding

    Members
    -------
    body: In(form)
    allowed: In, ``shift.allowed_at`` of the shift to the left
    zero_point: In, of an output of integers, as wide as that; only with ``zero_points``
    code: Out(output.width)
    """

    def __init__(self, form: FixedPoint, output: Format, shifts: Iterable[int], zero_points: bool):
        self.output = output
        self.zero_points = zero_points
        self.shift = rounding_shift(form, output, shifts)
        self.latency = rounding_latency(self.shift)
        super().__init__(
            {
                "body": In(signed(form.width)),
                "allowed": In(max(1, self.shift.most_allowed.bit_length())),
                **({"zero_point": In(output.width)} if zero_points else {}),
                "code": Out(output.width),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        no = Const(0, 1)
        zero_point = None
        if self.zero_points:
            zero_point = self.zero_point.as_signed() if self.output.signed else self.zero_point
        negative = self.body[-1]
        traits = Traits(zero_point, {}, no, no, no, no, negative)
        allowed = self.allowed if self.shift.runtime else self.shift.allowed(m, None)
        stages = Stages(m, Const(1, 1), Const(1, 1))
        how = Requantization(self.output, zero_point=self.zero_points)
        rounded = round_to_code(m, stages, Unrounded(traits, self.body, allowed), self.shift, how)
        m.d.comb += self.code.eq(rounded.code)
        return m
