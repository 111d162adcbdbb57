"""What is told of a beat goes along with it, a register for each cycle that it is under way."""

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import data

__all__ = ["Beats"]


class Beats:
    """A beat's description at every stage of the way out.

    Parameters
    ----------
    m: module that gets the registers
    layout: of the description
    valid, beat: at stage 0
    advance: whether beats go on; what is behind stage ``stalls`` always does
    stalls: the last stage that waits
    """

    def __init__(
        self, m: Module, layout: data.StructLayout, valid: Value, beat: data.View, advance: Value, stalls: int
    ):
        self._m = m
        self._layout = layout
        self._advance = advance
        self._stalls = stalls
        self._stages: list[tuple[Value, data.View]] = [(valid, beat)]

    def valid(self, stage: int) -> Value:
        return self._at(stage)[0]

    def at(self, stage: int) -> data.View:
        """The beat at that stage; it means nothing without ``valid``."""
        return self._at(stage)[1]

    def any(self) -> Value:
        """Whether a beat is at any stage that was asked for, but for the first one."""
        return Cat(valid for valid, _ in self._stages[1:]).any()

    def _at(self, stage: int) -> tuple[Value, data.View]:
        while len(self._stages) <= stage:
            place = len(self._stages)
            valid, beat = self._stages[-1]
            late = Signal(name=f"valid{place}")
            held = Signal(self._layout, name=f"beat{place}", reset_less=True)
            if place <= self._stalls:
                with self._m.If(self._advance):
                    self._m.d.sync += [late.eq(valid), held.eq(beat)]
            else:
                passed = valid & self._advance if place == self._stalls + 1 else valid
                self._m.d.sync += [late.eq(passed), held.eq(beat)]
            self._stages.append((late, held))
        return self._stages[stage]
