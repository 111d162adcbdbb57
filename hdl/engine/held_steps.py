"""The step that a nest of loops is at, in registers, for a fast clock."""

from amaranth.hdl import Module, Mux, Signal, Value

from .loops import LoopNest

__all__ = ["HeldSteps"]


class HeldSteps:
    """Registers hold what a nest says of the step at hand, so that no chain of gates finds which loops it ends.

    The nest itself is a step further. Members are those of ``LoopNest``.

    Parameters
    ----------
    moves: up in every cycle that ends a step, and in the one after the nest's ``start``; the first step is at hand in
        the cycle after that
    """

    def __init__(self, m: Module, name: str, nest: LoopNest, moves: Signal):
        self._nest = nest
        self._moves = moves

        def held(what: str, values: dict[str, Signal]) -> dict[str, Signal]:
            found = {key: Signal.like(value, name=f"{name}_{key}_{what}_held") for key, value in values.items()}
            m.d.sync += [register.eq(values[key]) for key, register in found.items()]
            return found

        with m.If(moves):
            self.left, self.last = held("left", nest.left), held("last", nest.last)
            self.wraps = held("wraps", nest.wraps)
            nest.advance()

    @property
    def done(self) -> Value:
        return self.wraps[self._nest.loops[0].name]

    def following(self, name: str) -> Value:
        """What ``last`` of a loop is in the next cycle."""
        return Mux(self._moves, self._nest.last[name], self.last[name])
