"""The exact sum: the adder, its registers, and the sticky flags beside it."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Mux, Signal, Value

from .pipeline import CUTS, Pipeline
from .term import SPECIALS, Term

__all__ = ["accumulate"]


def accumulate(
    m: Module,
    pipeline: Pipeline,
    terms: Sequence[Term],
    valid: Value,
    first: Value,
    accumulator: Signal,
    flags: dict[str, Signal],
) -> None:
    """Add ``terms`` to ``accumulator`` whenever a ``valid`` has come down the pipeline, from zero where ``first``
    came with it.

    With any register before the adder, the running sum is kept apart from the finished one that ``accumulator``
    shows: it is cleared by its registers' reset in the cycle before the first product, so that no multiplexer stands
    before the adder.
    """
    cuts = [cut for cut in CUTS if pipeline.registered(cut)]
    for cut in cuts[:-1]:
        valid = pipeline.cross(cut, "valid", valid, reset=True)
        first = pipeline.cross(cut, "first", first)
    start = Signal(name="start")
    m.d.comb += start.eq(valid & first)
    for cut in cuts[-1:]:
        valid = pipeline.cross(cut, "valid", valid, reset=True)

    # Its name sorts before the addend's: yosys writes Verilog in that order, and reading it gives the carry chain the
    # first of the two past the LUT, which has to be the register.
    running = Signal.like(accumulator, name="accumulated")
    total = Signal.like(accumulator, name="total")
    m.d.comb += total.eq(_sum(m, running, terms))
    raised = {name: Cat(*(term.specials[name] for term in terms)).any() for name in flags}
    running_flags = {name: Signal(name=f"running_{name}") for name in flags}
    total_flags = _sticky(m, running_flags, raised)

    with m.If(valid):
        m.d.sync += accumulator.eq(total)
        for name, flag in flags.items():
            m.d.sync += flag.eq(total_flags[name])
    if flags:
        # Last, so that it becomes the registers' reset and takes no logic before them.
        with m.If(valid & Cat(*total_flags.values()).any()):
            m.d.sync += accumulator.eq(0)
    if not cuts:
        m.d.comb += running.eq(Mux(start, 0, accumulator))
        for name, flag in flags.items():
            m.d.comb += running_flags[name].eq(flag & ~start)
        return
    with m.If(valid):
        m.d.sync += running.eq(total)
        for name in flags:
            m.d.sync += running_flags[name].eq(total_flags[name])
    with m.If(start):
        m.d.sync += running.eq(0)
        for name in flags:
            m.d.sync += running_flags[name].eq(0)


def _sum(m: Module, running: Value, terms: Sequence[Term]) -> Value:
    """``running`` plus every term, by a balanced tree in which each adder takes one term's carry."""
    level: list[tuple[Value, Value | None]] = [(term.addend, term.carry) for term in terms]
    depth = 0
    while len(level) > 1:
        following = []
        for k in range(0, len(level) - 1, 2):
            (a, a_carry), (b, b_carry) = level[k], level[k + 1]
            pair = Signal(len(running), name=f"sum{depth}_{k // 2}")
            m.d.comb += pair.eq(a + b if a_carry is None else a + b + a_carry)
            following.append((pair, b_carry))
        level = following + level[len(level) & ~1 :]
        depth += 1
    ((addend, carry),) = level
    return running + addend if carry is None else running + addend + carry


def _sticky(m: Module, running: dict[str, Signal], raised: dict[str, Value]) -> dict[str, Value]:
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
