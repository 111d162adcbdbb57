"""Drives a design's streams in Amaranth's simulator: payloads go in and come out, and either side stalls at random.

The contract of a stream is checked in every cycle: ``valid`` stays, and the payload as it is, until the transfer.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from amaranth.hdl import Elaboratable, Value
from amaranth.lib import stream
from amaranth.sim import Simulator

__all__ = ["Feed", "Take", "drive", "simulate"]


class Feed:
    """Offers payloads on an input; what is offered stays until it is taken.

    Parameters
    ----------
    payloads: all of them, or a function of the simulation's context that gives the next one, or None for not now
    rate: share of the cycles in which an idle stream offers the next one
    chance: what decides it, needed for a rate below 1
    taken: what to call, with the cycle, when one has been taken

    Members
    -------
    cycles: the cycles in which payloads were taken
    paused: whether nothing is offered in this cycle, whatever waits
    """

    def __init__(
        self,
        stream: stream.Interface,
        payloads: Iterable[Any] | Callable[[Any], Any],
        rate: float = 1.0,
        chance: random.Random | None = None,
        taken: Callable[[int], None] | None = None,
    ):
        waiting = iter(()) if callable(payloads) else iter(payloads)
        self.stream = stream
        self.next = payloads if callable(payloads) else lambda ctx: next(waiting, None)
        self.rate = rate
        self.chance = chance
        self.taken = taken
        self.offered: Any = None
        self.paused = False
        self.cycles: list[int] = []

    def offer(self, ctx) -> None:
        if self.offered is None and not self.paused and _now(self.rate, self.chance):
            self.offered = self.next(ctx)
            if self.offered is not None:
                ctx.set(self.stream.payload, self.offered)
        ctx.set(self.stream.valid, self.offered is not None and not self.paused)

    def look(self, ctx, cycle: int) -> None:
        if self.offered is not None and not self.paused and ctx.get(self.stream.ready):
            self.cycles.append(cycle)
            self.offered = None
            if self.taken is not None:
                self.taken(cycle)


class Take:
    """Takes payloads from an output.

    Parameters
    ----------
    rate: share of the cycles in which it is ready
    chance: what decides it, needed for a rate below 1

    Members
    -------
    seen: payloads that were taken, as integers
    cycles: the cycles in which they were
    first: the first cycle in which there was one, taken or not
    paused: whether it is not ready in this cycle, and expects nothing to last
    """

    def __init__(self, stream: stream.Interface, rate: float = 1.0, chance: random.Random | None = None):
        self.stream = stream
        self.bits = Value.cast(stream.payload)
        self.rate = rate
        self.chance = chance
        self.seen: list[int] = []
        self.cycles: list[int] = []
        self.first: int | None = None
        self.paused = False
        self.ready = False
        self._waiting: int | None = None

    def offer(self, ctx) -> None:
        self.ready = not self.paused and _now(self.rate, self.chance)
        ctx.set(self.stream.ready, self.ready)

    def look(self, ctx, cycle: int) -> None:
        payload = ctx.get(self.bits) if ctx.get(self.stream.valid) else None
        assert self._waiting is None or payload == self._waiting, "a payload that waits must not change"
        if payload is not None and self.first is None:
            self.first = cycle
        if payload is not None and self.ready:
            self.seen.append(payload)
            self.cycles.append(cycle)
        self._waiting = None if self.ready or self.paused else payload

    def fields(self) -> list[dict[str, int]]:
        """What was seen, by the names of the payload's fields."""
        shape = self.stream.payload.shape()
        return [{name: _integer(shape.from_bits(bits)[name]) for name, _ in shape} for bits in self.seen]


def _now(rate: float, chance: random.Random | None) -> bool:
    return rate >= 1 or chance.random() < rate


def _integer(value: Any) -> int:
    return value.as_bits() if hasattr(value, "as_bits") else int(value)


async def drive(
    ctx,
    sides: Sequence[Any],
    *,
    until: Callable[[int], bool],
    most: int,
) -> int:
    """Let cycles pass until there is nothing more to wait for; give back how many.

    Parameters
    ----------
    sides: each a ``Feed``, a ``Take``, or another with the same ``offer``, which sets, and ``look``, which reads
    until: says whether that is so, before every cycle and by its number
    most: cycles after which it must be
    """
    cycle = 0
    while not until(cycle):
        assert cycle < most, f"no more than {most} cycles must be needed"
        for side in sides:
            side.offer(ctx)
        for side in sides:
            side.look(ctx, cycle)
        await ctx.tick()
        cycle += 1
    return cycle


def simulate(design: Elaboratable, *testbenches: Callable[[Any], Any]) -> None:
    """Run a design until the first testbench ends; the others go on beside it as long as it does."""
    simulator = Simulator(design)
    simulator.add_clock(1e-6)
    for place, testbench in enumerate(testbenches):
        simulator.add_testbench(testbench, background=place > 0)
    simulator.run()
