"""The step that a nest of loops is at, in registers, for a fast clock."""

from amaranth.hdl import Module, Mux, Signal, Value

from .loops import LoopNest

__all__ = ["HeldSteps"]


class HeldSteps:
    """Registers hold what a nest says of the step at hand, so that no chain of gates finds which loops it ends.

    The nest itself is a step further. After ``start`` the first step is at hand two cycles later. Methods and members
    are those of ``LoopNest``, and ``following``.
    """

    def __init__(self, m: Module, name: str, nest: LoopNest):
        self.m = m
        self._nest = nest
        self._advance = Signal(name=f"{name}_advance")
        self._there = Signal(name=f"{name}_there")

        def held(what: str, values: dict[str, Signal]) -> dict[str, Signal]:
            found = {key: Signal.like(value, name=f"{name}_{key}_{what}_held") for key, value in values.items()}
            m.d.sync += [register.eq(values[key]) for key, register in found.items()]
            return found

        self._moves = self._advance | ~self._there
        with m.If(self._moves):
            self.left, self.last = held("left", nest.left), held("last", nest.last)
            self.wraps = held("wraps", nest.wraps)
            m.d.sync += self._there.eq(1)
            nest.advance()

    @property
    def done(self) -> Value:
        return self.wraps[self._nest.loops[0].name]

    def following(self, name: str) -> Value:
        """What ``last`` of a loop is in the next cycle."""
        return Mux(self._moves, self._nest.last[name], self.last[name])

    def start(self) -> None:
        self._nest.start()
        self.m.d.sync += self._there.eq(0)

    def advance(self) -> None:
        self.m.d.comb += self._advance.eq(1)
