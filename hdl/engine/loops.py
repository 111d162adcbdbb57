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


@dataclass(frozen=True)
class _Begun:
    """What a loop holds in its first step: what is left of it, and whether that step is the last one."""

    left: Value
    last: Value


class LoopNest:
    """Loops that stand one in another, the outermost first.

    Parameters
    ----------
    ahead: whether registers hold what loops will begin with, so that a step neither subtracts nor compares before it
        chooses. What the loops count down has to be steady from the cycle before ``start`` on

    Members
    -------
    left: by name, what is left of each loop, this step included; steady between advances
    last: by name, whether this is the loop's last step; a register
    wraps: by name, whether this is the last step of that loop and of all loops inside it
    """

    def __init__(self, m: Module, name: str, loops: list[Loop], ahead: bool = False):
        self.m = m
        self.loops = loops
        self._name = name
        self._ahead = ahead
        self._by_name = {loop.name: loop for loop in loops}
        self.left = {loop.name: Signal(self._bits(loop), name=f"{name}_{loop.name}_left") for loop in loops}
        self.last = {loop.name: Signal(name=f"{name}_{loop.name}_last") for loop in loops}
        self.wraps: dict[str, Signal] = {}
        inner: Value = Const(1, 1)
        for loop in reversed(loops):
            wrap = Signal(name=f"{name}_{loop.name}_wraps")
            m.d.comb += wrap.eq(inner & self.last[loop.name])
            self.wraps[loop.name] = inner = wrap
        # By the name of a loop that goes through one step of another: what it begins with in the step of the other that
        # is at hand, and in the one after that. Loops without ``ahead`` find that when they need it.
        self._present: dict[str, _Begun] = {}
        self._following: dict[str, _Begun] = {}
        # The same of the first two steps of that other; and of a loop of its own, what it begins with.
        self._first: dict[str, _Begun] = {}
        self._second: dict[str, _Begun] = {}
        for loop in loops if ahead else []:
            if loop.within is None:
                assert loop.total is not None
                self._first[loop.name] = self._steady(f"{loop.name}_begins", self._whole(loop))
            else:
                bits, total = len(self.left[loop.name]), self._outer_total(loop)
                self._present[loop.name] = self._held(f"{loop.name}_present", bits)
                self._following[loop.name] = self._held(f"{loop.name}_following", bits)
                self._first[loop.name] = self._steady(f"{loop.name}_first", self._part(loop, total))
                self._second[loop.name] = self._steady(f"{loop.name}_second", self._part_but(loop, total, 1))

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
            if self._ahead:
                self._begin(loop, self._first[loop.name])
                if loop.within is not None:
                    self._take(self._present[loop.name], self._first[loop.name])
                    self._take(self._following[loop.name], self._second[loop.name])
            elif loop.within is None:
                self._begin(loop, self._whole(loop))
            else:
                self._begin(loop, self._part(loop, self._outer_total(loop)))

    def advance(self) -> None:
        """Take a step of the innermost loop and of those that it ends, by statements in the context of the call."""
        m = self.m
        inner: Value = Const(1, 1)
        for loop in reversed(self.loops):
            with m.If(inner):
                with m.If(self.last[loop.name]):
                    self._restart(loop)
                with m.Else():
                    left = self.left[loop.name]
                    self._look_ahead(loop)
                    m.d.sync += left.eq(left - loop.step)
                    m.d.sync += self.last[loop.name].eq(no_more(left, 2 * loop.step))
            inner = self.wraps[loop.name]

    def _restart(self, loop: Loop) -> None:
        m = self.m
        if loop.within is None:
            self._begin(loop, self._first[loop.name] if self._ahead else self._whole(loop))
            for each in self.loops if self._ahead else []:
                if each.within == loop.name:
                    self._take(self._present[each.name], self._first[each.name])
                    self._take(self._following[each.name], self._second[each.name])
            return
        outer = self._by_name[loop.within]
        # The loop outside may step at the same time: then it is what will be left of that.
        names = [each.name for each in self.loops]
        steps = self.wraps[names[names.index(loop.within) + 1]]
        restarts = self.wraps[loop.within]
        rest = self.left[loop.within]
        if self._ahead:
            first, following, present = self._first[loop.name], self._following[loop.name], self._present[loop.name]
        else:
            first = self._part(loop, self._outer_total(loop))
            following = self._part(loop, (rest - outer.step)[: len(rest)])
            present = self._part(loop, rest)
        with m.If(restarts):
            self._begin(loop, first)
        with m.Elif(steps):
            self._begin(loop, following)
        with m.Else():
            self._begin(loop, present)

    def _look_ahead(self, outer: Loop) -> None:
        """Note what loops begin with that go through a step of ``outer``, which takes one now."""
        for loop in self.loops if self._ahead else []:
            if loop.within == outer.name:
                left = self.left[outer.name]
                self._take(self._present[loop.name], self._following[loop.name])
                self._take(self._following[loop.name], self._part_but(loop, left, 2))

    def _outer_total(self, loop: Loop) -> Value:
        """The size that a loop goes through by steps of another."""
        assert loop.within is not None
        outer = self._by_name[loop.within]
        assert outer.total is not None and outer.within is None
        return outer.total

    def _begin(self, loop: Loop, begun: _Begun) -> None:
        self.m.d.sync += [self.left[loop.name].eq(begun.left), self.last[loop.name].eq(begun.last)]

    def _whole(self, loop: Loop) -> _Begun:
        """What a loop of its own begins with."""
        assert loop.total is not None
        return _Begun(loop.total, no_more(loop.total, loop.step))

    def _part(self, loop: Loop, rest: Value) -> _Begun:
        """What a loop begins with that goes through a step of another, of which ``rest`` is left."""
        assert loop.within is not None
        most = self._by_name[loop.within].step
        last = no_more(rest, loop.step) if loop.step < most else Const(1, 1)
        return _Begun(Mux(rest >= most, most, rest), last)

    def _part_but(self, loop: Loop, rest: Value, steps: int) -> _Begun:
        """The same where ``rest`` is to be less by some steps of the other loop. It compares while it subtracts."""
        assert loop.within is not None
        most = self._by_name[loop.within].step
        gone = steps * most
        bits = len(self.left[loop.name])
        last = no_more(rest, gone + loop.step) if loop.step < most else Const(1, 1)
        enough = Const(0, 1) if gone + most >= 1 << len(rest) else rest >= gone + most
        return _Begun(Mux(enough, most, (rest - gone)[:bits]), last)

    def _held(self, name: str, bits: int) -> _Begun:
        return _Begun(Signal(bits, name=f"{self._name}_{name}"), Signal(name=f"{self._name}_{name}_last"))

    def _take(self, held: _Begun, begun: _Begun) -> None:
        self.m.d.sync += [held.left.eq(begun.left), held.last.eq(begun.last)]

    def _steady(self, name: str, begun: _Begun) -> _Begun:
        """What is the same all through a product, in registers."""
        held = self._held(name, len(begun.left))
        self._take(held, begun)
        return held


def no_more(value: Value, most: int) -> Value:
    """``value <= most`` for an unsigned value. It is a constant where it always holds: Verilator warns.

    A power of two is compared with bit by bit, which takes no carry chain.
    """
    if most >= (1 << len(value)) - 1:
        return Const(1, 1)
    top = most.bit_length() - 1
    if most < 1 or most != 1 << top:
        return value <= most
    above = value[top + 1 :].any() if top + 1 < len(value) else Const(0, 1)
    return ~(above | (value[top] & value[:top].any())) if top else ~above
