"""The exact sum: the adder, its registers, and the sticky flags beside it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value

from ...formats import SPECIALS
from .ccu2c import Ccu2c
from .pipeline import CUTS, Pipeline

__all__ = [
    *("ShiftedSum", "SumControl", "accumulate", "accumulate_and_keep", "accumulate_to_shift"),
    *("saturated", "sticky_flags", "sum_control"),
]


@dataclass(frozen=True)
class SumControl:
    """When a sum starts, grows and is complete; one control serves any number of sums that go in step.

    Members
    -------
    add: the terms of this cycle count
    start: a sum starts anew, with the terms of the next cycle where ``early``, else with those of this one
    done: the sum is complete with this cycle's terms
    """

    add: Value
    start: Value
    done: Value
    early: bool


def sum_control(m: Module, pipeline: Pipeline, valid: Value, first: Value, last: Value | None = None) -> SumControl:
    """The control of sums whose terms cross the cuts of ``pipeline``; without ``last`` every cycle's sum is shown."""
    cuts = [cut for cut in CUTS if pipeline.registered(cut)]
    for cut in cuts[:-1]:
        valid = pipeline.cross(cut, "valid", valid, reset=True)
        first = pipeline.cross(cut, "first", first)
        last = pipeline.cross(cut, "last", last)
    start = Signal(name="start")
    m.d.comb += start.eq(valid & first)
    for cut in cuts[-1:]:
        valid = pipeline.cross(cut, "valid", valid, reset=True)
        last = pipeline.cross(cut, "last", last)
    return SumControl(valid, start, valid if last is None else valid & last, bool(cuts))


def accumulate(
    m: Module,
    control: SumControl,
    addend: Value | None,
    carry: Value | None,
    specials: Sequence[Mapping[str, Value]],
    accumulator: Signal,
    flags: dict[str, Signal],
    *,
    plus: Callable[[Signal], Value] | None = None,
    settle: Callable[[Module, Value, Shape], Value] | None = None,
) -> None:
    """Add ``addend + carry`` to a sum by ``control``; ``accumulator`` and ``flags`` show it when it is done.

    Where the control comes early, the running sum is kept apart from the finished one that ``accumulator``
    shows: it is cleared by its registers' reset in the cycle before the first product, so that no multiplexer stands
    before the adder.

    Parameters
    ----------
    specials: for every product of this cycle, its flags by name
    plus: the sum of the running one and this cycle's products, in the place of ``addend`` and ``carry``
    settle: what the sum, which is given exactly, becomes in the accumulator's shape by a rule, as ``saturated`` does
    """
    # Its name sorts before the addend's: yosys writes Verilog in that order, and reading it gives the carry chain the
    # first of the two past the LUT, which has to be the register.
    running = Signal.like(accumulator, name="accumulated")
    total = Signal.like(accumulator, name="total")
    if plus is not None:
        exact = plus(running)
    else:
        assert addend is not None
        exact = running + addend if carry is None else running + addend + carry
    m.d.comb += total.eq(exact if settle is None else settle(m, exact, total.shape()))
    raised = {name: Cat(*(special[name] for special in specials)).any() for name in flags}
    running_flags = {name: Signal(name=f"running_{name}") for name in flags}
    total_flags = sticky_flags(m, running_flags, raised)

    with m.If(control.done):
        m.d.sync += accumulator.eq(total)
        for name, flag in flags.items():
            m.d.sync += flag.eq(total_flags[name])
    if flags:
        # Last, so that it becomes the registers' reset and takes no logic before them.
        with m.If(control.done & Cat(*total_flags.values()).any()):
            m.d.sync += accumulator.eq(0)
    if not control.early:
        m.d.comb += running.eq(Mux(control.start, 0, accumulator))
        for name, flag in flags.items():
            m.d.comb += running_flags[name].eq(flag & ~control.start)
        return
    with m.If(control.add):
        m.d.sync += running.eq(total)
        for name in flags:
            m.d.sync += running_flags[name].eq(total_flags[name])
    with m.If(control.start):
        m.d.sync += running.eq(0)
        for name in flags:
            m.d.sync += running_flags[name].eq(0)


def saturated(m: Module, value: Value, shape: Shape) -> Value:
    """The value, or the end of the range of ``shape`` that it is beyond."""
    wide = Signal(value.shape(), name="total_exact")
    m.d.comb += wide.eq(value)
    above = wide[shape.width - shape.signed :]
    negative = wide[-1] if value.shape().signed else Const(0, 1)
    fits = ~above.any() | (above.all() if shape.signed else Const(0, 1))
    end = Cat((~negative).replicate(shape.width - shape.signed), negative.replicate(int(shape.signed)))
    return Mux(fits, wide[: shape.width], end)


@dataclass(frozen=True)
class ShiftedSum:
    """A finished sum, which is ``accumulator + carry``, and its flags, in registers that are part of a shift register.

    Members
    -------
    accumulator, carry, flags: the registers
    shift: when they take what follows them
    following: what that is, in the order of the registers
    """

    accumulator: Signal
    carry: Signal
    flags: dict[str, Signal]
    shift: Value
    following: Value

    @property
    def registers(self) -> Value:
        return Cat(self.accumulator, *self.flags.values(), self.carry)


def accumulate_to_shift(
    m: Module,
    control: SumControl,
    addend: Value,
    carry: Value | None,
    specials: Sequence[Mapping[str, Value]],
    finished: ShiftedSum,
) -> None:
    """Add ``addend + carry`` to a sum by ``control``, of which ``done`` comes a cycle late.

    This is for logic cells of a LUT of four inputs, a carry and a flip-flop behind the LUT: a cell a bit adds, and
    another one holds the finished sum and shifts. The sum starts with the first addend through the LUT of the adder,
    and so without its carry, which every product therefore leaves to the next one, and the last to whom the sum is for.

    Parameters
    ----------
    control: ``start`` comes with the first terms, and ``done`` in the cycle after the last ones
    """
    running = Signal.like(finished.accumulator, name="accumulated")
    late = Signal(name="late_carry")
    total = Signal.like(running, name="total")
    m.d.comb += total.eq(running + addend if carry is None else running + addend + late)
    with m.If(control.add):
        m.d.sync += running.eq(Mux(control.start, addend, total))
        if carry is not None:
            m.d.sync += late.eq(carry)
        flags = _add_flags(m, control, specials, finished.flags)
    with m.If(finished.shift):
        m.d.sync += finished.registers.eq(finished.following)
    _show(m, control, [(running, finished.accumulator), (late, finished.carry)], flags)


def accumulate_and_keep(
    m: Module,
    control: SumControl,
    addend: Value,
    carry: Value | None,
    specials: Sequence[Mapping[str, Value]],
    accumulator: Signal,
    flags: dict[str, Signal],
) -> None:
    """Add ``addend + carry`` to a sum by ``control``, of which ``done`` comes a cycle late.

    This is for ECP5, whose carry cells have the inputs to start a sum with, and one register each. That has the running
    sum, from which the finished one is taken: no wire leads from an adder to a register that is elsewhere.

    Parameters
    ----------
    control: ``start`` comes with the first terms, and ``done`` in the cycle after the last ones
    """
    running = Signal.like(accumulator, name="accumulated")
    word = Signal.like(running, name="word")
    m.d.comb += word.eq(addend)
    total = Ccu2c.add(m, "accumulate", "start", running, word, control.start, carry=carry)
    with m.If(control.add):
        m.d.sync += running.eq(total)
        pairs = _add_flags(m, control, specials, flags)
    _show(m, control, [(running, accumulator)], pairs)


def _add_flags(
    m: Module, control: SumControl, specials: Sequence[Mapping[str, Value]], flags: Mapping[str, Signal]
) -> list[tuple[Signal, Signal]]:
    """Make registers of a running sum's flags, which begin with ``start``; each beside that of ``flags``."""
    raised = {name: Cat(*(special[name] for special in specials)).any() for name in flags}
    running = {name: Signal(name=f"running_{name}") for name in flags}
    before: dict[str, Value] = {name: flag & ~control.start for name, flag in running.items()}
    for name, flag in sticky_flags(m, before, raised).items():
        m.d.sync += running[name].eq(flag)
    return [(running[name], shown) for name, shown in flags.items()]


def _show(
    m: Module, control: SumControl, sums: Sequence[tuple[Signal, Signal]], flags: Sequence[tuple[Signal, Signal]]
) -> None:
    """When a sum is done, show what registers of the running one hold, and 0 in its place beside a flag."""
    with m.If(control.done):
        m.d.sync += [shown.eq(running) for running, shown in (*sums, *flags)]
    if flags:
        # Last, so that it becomes the registers' reset and takes no logic before them.
        with m.If(control.done & Cat(*(running for running, _ in flags)).any()):
            m.d.sync += [shown.eq(0) for _, shown in sums]


def sticky_flags(m: Module, running: Mapping[str, Value], raised: dict[str, Value]) -> dict[str, Value]:
    """The flags of the sum: NaN once any product is NaN or infinities of both signs meet, and then no infinity."""
    if not running:
        return {}
    seen = {name: running[name] | raised[name] for name in running}
    nan = Signal(name="total_nan")
    if len(seen) == 1:
        m.d.comb += nan.eq(seen["nan"])
        return {"nan": nan}
    m.d.comb += nan.eq(seen["nan"] | (seen["positive_infinity"] & seen["negative_infinity"]))
    return {name: nan if name == "nan" else seen[name] & ~nan for name in SPECIALS}
