"""Nested loops of run-time lengths, stepped once a cycle: what the loaders and the array count by."""

from dataclasses import dataclass

from amaranth.hdl import Const, Module, Mux, Signal, Value

__all__ = ["Level", "Nest", "no_more"]


@dataclass(frozen=True)
class Level:
    """One loop: it counts ``total`` down in steps of ``step``, the last step being what is left.

    Parameters
    ----------
    total: how far; None for what is left of the loop ``within``, at most one step of that
    step: 1 or more
    within: name of a loop further out
    """

    name: str
    total: Value | None
    step: int
    within: str | None = None


class Nest:
    """Loops one in another, the outermost first.

    Members
    -------
    left: by name, what is left of each loop, this step included; steady between advances
    last: by name, whether this is the loop's last step; a register
    wraps: by name, whether this is the last step of that loop and of all loops inside it
    """

    def __init__(self, m: Module, name: str, levels: list[Level]):
        self.m = m
        self.levels = levels
        self._by_name = {level.name: level for level in levels}
        self.left = {level.name: Signal(self._bits(level), name=f"{name}_{level.name}_left") for level in levels}
        self.last = {level.name: Signal(name=f"{name}_{level.name}_last") for level in levels}
        self.wraps: dict[str, Value] = {}
        inner: Value = Const(1, 1)
        for level in reversed(levels):
            wrap = Signal(name=f"{name}_{level.name}_wraps")
            m.d.comb += wrap.eq(inner & self.last[level.name])
            self.wraps[level.name] = inner = wrap

    def _bits(self, level: Level) -> int:
        if level.total is not None:
            return len(level.total)
        assert level.within is not None
        outer = self._by_name[level.within]
        return min(outer.step.bit_length(), self._bits(outer))

    @property
    def done(self) -> Value:
        """Whether this is the last step of all."""
        return self.wraps[self.levels[0].name]

    def start(self) -> None:
        """Statements for the context they are in: every loop at its beginning."""
        for level in self.levels:
            self._restart(level, None)

    def advance(self) -> None:
        """Statements for the context they are in: one step of the innermost loop, and of those that it ends."""
        m = self.m
        inner: Value = Const(1, 1)
        for level in reversed(self.levels):
            with m.If(inner):
                with m.If(self.last[level.name]):
                    self._restart(level, self.wraps)
                with m.Else():
                    left = self.left[level.name]
                    m.d.sync += left.eq(left - level.step)
                    m.d.sync += self.last[level.name].eq(no_more(left, 2 * level.step))
            inner = self.wraps[level.name]

    def _restart(self, level: Level, wraps: dict[str, Value] | None) -> None:
        m, left, last = self.m, self.left[level.name], self.last[level.name]
        if level.within is None:
            assert level.total is not None
            m.d.sync += [left.eq(level.total), last.eq(no_more(level.total, level.step))]
            return
        outer = self._by_name[level.within]
        if wraps is None:
            rest = outer.total if outer.within is None else None
            assert rest is not None
            self._limit(left, last, rest, outer.step, level.step)
            return
        # The loop outside may step at the same time: then it is what will be left of that.
        names = [each.name for each in self.levels]
        steps = wraps[names[names.index(level.within) + 1]]
        restarts = wraps[level.within]
        rest = self.left[level.within]
        with m.If(restarts):
            assert outer.total is not None
            self._limit(left, last, outer.total, outer.step, level.step)
        with m.Elif(steps):
            self._limit(left, last, (rest - outer.step)[: len(rest)], outer.step, level.step)
        with m.Else():
            self._limit(left, last, rest, outer.step, level.step)

    def _limit(self, left: Signal, last: Signal, rest: Value, most: int, step: int) -> None:
        self.m.d.sync += left.eq(Mux(rest >= most, most, rest))
        self.m.d.sync += last.eq(no_more(rest, step) if step < most else Const(1, 1))


def no_more(value: Value, most: int) -> Value:
    """``value <= most`` for an unsigned value, a constant where it cannot be otherwise: Verilator warns of those."""
    return Const(1, 1) if most >= (1 << len(value)) - 1 else value <= most
