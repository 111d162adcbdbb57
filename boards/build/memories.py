"""Which memories a design has, and how much of a device's RAM each takes, is known before anything is synthesized."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from ...families import Target

__all__ = ["DesignMemory", "RamShare", "memories_of", "shares"]

LARGE = re.compile(r"^  cell \\SB_SPRAM256KA ", re.MULTILINE)
"""The cells of large RAM that hardware makes by itself."""

NETWORK = {
    "activations": "activations",
    "between": "what lies between layers",
    "weights": "weights",
}
"""The parts of a network by the names of their modules, in the words of messages."""


class DesignMemory(NamedTuple):
    """A memory of a design.

    Parameters
    ----------
    part: what it belongs to, in words
    width, words: bits of a word, and the number of words
    reads: ports that read
    large: cells of large RAM; 0 if it is block RAM or less, which the other fields describe
    """

    part: str
    width: int
    words: int
    reads: int
    large: int = 0


class RamShare(NamedTuple):
    """What a part of a design takes of a device: block RAMs, large RAMs, and bits that it keeps there."""

    brams: int
    large_rams: int
    bits: int


def memories_of(rtlil: str) -> list[DesignMemory]:
    """The memories of a design whose module is ``top``."""
    modules = dict(re.findall(r"^module \\(\S+)$(.*?)^end$", rtlil, re.MULTILINE | re.DOTALL))
    cells = {
        name: [(instance, kind) for kind, instance in re.findall(r"^  cell \\(\S+) \\(\S+)$", text, re.MULTILINE)]
        for name, text in modules.items()
    }

    def walk(module: str, path: tuple[str, ...]) -> Iterator[DesignMemory]:
        text, part = modules[module], _part(path)
        large = len(LARGE.findall(text))
        if large:
            yield DesignMemory(part, 0, 0, 0, large)
        reads = Counter(re.findall(r'cell \$memrd_v2 \S+\n +parameter \\MEMID "\\\\(\S+)"', text))
        for width, words, name in re.findall(r"^  memory width (\d+) size (\d+) \\(\S+)$", text, re.MULTILINE):
            yield DesignMemory(part, int(width), int(words), reads[name])
        for instance, kind in cells[module]:
            if kind in modules:
                yield from walk(kind, (*path, instance))

    return list(walk("top", ()))


def _part(path: tuple[str, ...]) -> str:
    """What a module belongs to, by the names of the instances from the top down to it."""
    if "network" not in path:
        return "the link"
    inside = path[path.index("network") + 1 :]
    return NETWORK.get(inside[0].partition("$")[0], "the rest") if inside else "the rest"


def shares(memories: list[DesignMemory], target: Target) -> dict[str, RamShare]:
    """What each part takes of a device, the largest first. The family must say how large its block RAM is."""
    ram, large = target.family.ram, target.family.large_ram
    assert ram is not None
    found: dict[str, RamShare] = {}
    for memory in memories:
        brams = ram.blocks(memory.width, memory.words, memory.reads) if not memory.large else 0
        bits = memory.large * large.bits if large is not None else 0
        before = found.get(memory.part, RamShare(0, 0, 0))
        found[memory.part] = RamShare(
            before.brams + brams, before.large_rams + memory.large, before.bits + bits + memory.width * memory.words
        )
    return dict(sorted(found.items(), key=lambda pair: (-pair[1].large_rams, -pair[1].brams)))
