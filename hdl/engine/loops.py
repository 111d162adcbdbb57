"""The loaders and the array count by nested loops, whose lengths are set at run time; a step takes a cycle."""

from dataclasses import dataclass

from amaranth.hdl import Const, Module, Mux, Signal, Value

__all__ = ["Loop", "LoopNest", "no_more"]


@dataclass(frozen=True)
class Loop:
    """It counts ``total`` down in steps of ``step``. The last step takes what is left.

    Parameters
    ----------
    total: what it counts down; None where it counts down one step of the loop ``within``, or what that has left
    step: 1 or more
    within: the name of a loop further out
    """

    name: str
    total: Value | None
    step: int
    within: str | None = None


class LoopNest:
    """Loops that stand one in another, the outermost first.

    Parameters
    ----------
    ahead: whether a register holds what will be left, where that has to be subtracted and compared in a cycle otherwise

    Members
    -------
    left: by name, what is left of each loop, this step included; steady between advances
    last: by name, whether this is the loop's last step; a register
    wraps: by name, whether this is the last step of that loop and of all loops inside it
    """

    def __init__(self, m: Module, name: str, loops: list[Loop], ahead: bool = False):
        self.m = m
        self.loops = loops
        self._by_name = {loop.name: loop for loop in loops}
        self.left = {loop.name: Signal(self._bits(loop), name=f"{name}_{loop.name}_left") for loop in loops}
        self.last = {loop.name: Signal(name=f"{name}_{loop.name}_last") for loop in loops}
        # What will be left after the next step, of loops of which another one goes through a step.
        outer = {loop.within for loop in loops} if ahead else set()
        self._less = {
            each: Signal.like(left, name=f"{name}_{each}_less") for each, left in self.left.items() if each in outer
        }
        self.wraps: dict[str, Value] = {}
        inner: Value = Const(1, 1)
        for loop in reversed(loops):
            wrap = Signal(name=f"{name}_{loop.name}_wraps")
            m.d.comb += wrap.eq(inner & self.last[loop.name])
            self.wraps[loop.name] = inner = wrap

    def _bits(self, loop: Loop) -> int:
        if loop.total is not None:
            return len(loop.total)
        assert loop.within is not None
        outer = self._by_name[loop.within]
        return min(outer.step.bit_length(), self._bits(outer))

    @property
    def done(self) -> Value:
        """Whether this is the last step of all."""
        return self.wraps[self.loops[0].name]

    def start(self) -> None:
        """Put every loop at its beginning, by statements in the context of the call."""
        for loop in self.loops:
            self._restart(loop, None)

    def advance(self) -> None:
        """Take a step of the innermost loop and of those that it ends, by statements in the context of the call."""
        m = self.m
        inner: Value = Const(1, 1)
        for loop in reversed(self.loops):
            with m.If(inner):
                with m.If(self.last[loop.name]):
                    self._restart(loop, self.wraps)
                with m.Else():
                    left = self.left[loop.name]
                    if loop.name in self._less:
                        less = self._less[loop.name]
                        m.d.sync += [left.eq(less), less.eq(less - loop.step)]
                    else:
                        m.d.sync += left.eq(left - loop.step)
                    m.d.sync += self.last[loop.name].eq(no_more(left, 2 * loop.step))
            inner = self.wraps[loop.name]

    def _restart(self, loop: Loop, wraps: dict[str, Value] | None) -> None:
        m, left, last = self.m, self.left[loop.name], self.last[loop.name]
        if loop.within is None:
            assert loop.total is not None
            m.d.sync += [left.eq(loop.total), last.eq(no_more(loop.total, loop.step))]
            if loop.name in self._less:
                m.d.sync += self._less[loop.name].eq(loop.total - loop.step)
            return
        outer = self._by_name[loop.within]
        if wraps is None:
            rest = outer.total if outer.within is None else None
            assert rest is not None
            self._limit(left, last, rest, outer.step, loop.step)
            return
        # The loop outside may step at the same time: then it is what will be left of that.
        names = [each.name for each in self.loops]
        steps = wraps[names[names.index(loop.within) + 1]]
        restarts = wraps[loop.within]
        rest = self.left[loop.within]
        with m.If(restarts):
            assert outer.total is not None
            self._limit(left, last, outer.total, outer.step, loop.step)
        with m.Elif(steps):
            less = self._less.get(loop.within, (rest - outer.step)[: len(rest)])
            self._limit(left, last, less, outer.step, loop.step)
        with m.Else():
            self._limit(left, last, rest, outer.step, loop.step)

    def _limit(self, left: Signal, last: Signal, rest: Value, most: int, step: int) -> None:
        self.m.d.sync += left.eq(Mux(rest >= most, most, rest))
        self.m.d.sync += last.eq(no_more(rest, step) if step < most else Const(1, 1))


def no_more(value: Value, most: int) -> Value:
    """``value <= most`` for an unsigned value. It is a constant where it always holds: Verilator warns."""
    return Const(1, 1) if most >= (1 << len(value)) - 1 else value <= most
