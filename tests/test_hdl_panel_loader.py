"""A loader by itself: each word is read where it belongs, once, however the stream and the reader hold it up."""

import random
from itertools import chain, pairwise, product

import pytest
from fewbit.formats import Engine, Requantization, parse
from fewbit.hdl.engine.panel_loader import LoaderLoop, PanelLoader
from stream_driver import Feed, drive, simulate

ENGINE = Engine(
    parse("int4"), parse("int4"), Requantization(parse("int8")), rows=2, columns=2, tile_m=2, max_k=8, outputs=1
)
LOOPS = [LoaderLoop("column", "n", 1), LoaderLoop("k", "k", 1)]
LONGEST = 400
"""Cycles, more than any of these runs takes."""

RATES = [(1.0, 1.0), (0.3, 1.0), (1.0, 0.3)]
"""How often a word is offered, and how often a half that is complete is read."""

KINDS = [
    {},
    {"ahead": True},
    {"ahead": True, "spaced": True},
    {"ahead": True, "late": True},
    {"ahead": True, "late": True, "spaced": True},
]


def panels(k: int, n: int) -> list[list[int]]:
    """The words of each half, all of them different."""
    words = iter(range(1, 255))
    return [[next(words) for _ in range(k)] for _ in range(n)]


def run(loader: PanelLoader, k: int, n: int, offered: float, read: float, seed: int) -> tuple[list, list[int]]:
    """What is read of each half, and the cycles in which words were taken."""
    chance = random.Random(seed)
    source = Feed(loader.i, chain.from_iterable(panels(k, n)), offered, chance)
    found: list[list[int]] = []

    async def reader(ctx):
        for name, size in (("m", 1), ("k", k), ("n", n)):
            ctx.set(getattr(loader, name), size)
        await ctx.tick()
        ctx.set(loader.start, 1)
        await ctx.tick()
        ctx.set(loader.start, 0)
        for panel in range(n):
            ctx.set(loader.which_half, panel % 2)
            while not ctx.get(loader.present) or chance.random() >= read:
                await ctx.tick()
            half = []
            for offset in range(k):
                ctx.set(loader.offset, offset)
                ctx.set(loader.enable, 1)
                await ctx.tick()
                ctx.set(loader.enable, 0)
                if loader.late:
                    await ctx.tick()
                half.append(ctx.get(loader.word))
            found.append(half)
            ctx.set(loader.release, 1 if loader.ahead else 1 << panel % 2)
            await ctx.tick()
            ctx.set(loader.release, 0)

    async def stream(ctx):
        await drive(ctx, [source], until=lambda cycle: False, most=LONGEST)

    simulate(loader, reader, stream)
    return found, source.cycles


@pytest.mark.parametrize(("offered", "read"), RATES)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(kind) or "plain")
def test_every_word_is_read_once(kind, offered, read):
    for seed, (k, n) in enumerate(product((1, 2, 5), (1, 3))):
        loader = PanelLoader(ENGINE, 8, LOOPS, "k", 8, **kind)
        found, taken = run(loader, k, n, offered, read, seed)
        assert found == panels(k, n) and len(taken) == k * n
        pace = [after - before for before, after in pairwise(taken)]
        assert not loader.spaced or all(cycles > 1 for cycles in pace)
        if offered == read == 1 and k == 5:
            assert min(pace) == 1 + loader.spaced  # within a panel, nothing else holds a word up
