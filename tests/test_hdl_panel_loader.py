"""A loader by itself: each word is read where it belongs, once, however the stream and the reader hold it up."""

from itertools import chain, product

import numpy as np
import pytest
from amaranth.sim import Simulator
from fewbit.formats import Engine, Requantization, parse
from fewbit.hdl.engine.panel_loader import LoaderLoop, PanelLoader

LONGEST = 400
"""Cycles, more than any of these runs takes."""

ENGINE = Engine(
    parse("int4"), parse("int4"), Requantization(parse("int8")), rows=2, columns=2, tile_m=2, max_k=8, outputs=1
)
HASTE = {"alike": (1, 1), "stream": (0.3, 1), "reader": (1, 0.3)}
"""How often a word is offered, and how often one is read."""


def panels(k: int, n: int) -> list[list[int]]:
    """The words of each half, all of them different."""
    words = iter(range(1, 255))
    return [[next(words) for _ in range(k)] for _ in range(n)]


def run(loader: PanelLoader, k: int, n: int, often: tuple[float, float], seed: int) -> tuple[list[list[int]], list]:
    """What is read of each half, and the cycles in which words were taken."""
    rng = np.random.default_rng(seed)
    halves = panels(k, n)
    found: list[list[int]] = []
    taken: list[int] = []
    delay = 2 if loader.late else 1

    async def stream(ctx):
        await ctx.tick()
        for word in chain.from_iterable(halves):
            while rng.random() >= often[0]:
                await ctx.tick()
            ctx.set(loader.i.payload, word)
            ctx.set(loader.i.valid, 1)
            await ctx.tick().until(loader.i.ready)
            ctx.set(loader.i.valid, 0)

    async def watch(ctx):
        cycle = 0
        async for _, reset, valid, ready in ctx.tick().sample(loader.i.valid, loader.i.ready):
            if not reset and valid and ready:
                taken.append(cycle)
            cycle += 1

    async def read(ctx):
        ctx.set(loader.k, k)
        ctx.set(loader.n, n)
        ctx.set(loader.m, 1)
        await ctx.tick()
        ctx.set(loader.start, 1)
        await ctx.tick()
        ctx.set(loader.start, 0)
        for panel in range(n):
            ctx.set(loader.which_half, panel % 2)
            while not ctx.get(loader.present) or rng.random() >= often[1]:
                await ctx.tick()
            half = []
            for offset in range(k):
                ctx.set(loader.offset, offset)
                ctx.set(loader.enable, 1)
                await ctx.tick()
                ctx.set(loader.enable, 0)
                for _ in range(delay - 1):
                    await ctx.tick()
                half.append(ctx.get(loader.word))
            found.append(half)
            ctx.set(loader.release, 1 if loader.ahead else 1 << panel % 2)
            await ctx.tick()
            ctx.set(loader.release, 0)

    simulator = Simulator(loader)
    simulator.add_clock(1e-6)
    simulator.add_testbench(stream)
    simulator.add_testbench(read)
    simulator.add_testbench(watch, background=True)
    simulator.run_until(LONGEST * 1e-6)
    return found, taken


@pytest.mark.parametrize("haste", HASTE)
@pytest.mark.parametrize(("ahead", "late", "spaced"), [(0, 0, 0), (1, 0, 0), (1, 0, 1), (1, 1, 0), (1, 1, 1)])
def test_every_word_is_read_once(ahead, late, spaced, haste):
    loops = [LoaderLoop("column", "n", 1), LoaderLoop("k", "k", 1)]
    for seed, (k, n) in enumerate(product((1, 2, 5), (1, 3))):
        loader = PanelLoader(ENGINE, 8, loops, "k", 8, ahead=bool(ahead), late=bool(late), spaced=bool(spaced))
        found, taken = run(loader, k, n, HASTE[haste], seed)
        assert found == panels(k, n)
        pace = np.diff(taken)
        assert len(taken) == k * n and (not spaced or len(pace) == 0 or pace.min() > 1)
        if haste == "alike" and k == 5:
            assert pace.min() == 1 + spaced  # within a panel, nothing else holds a word up
