"""The memories of a design are known from its RTLIL, before anything is synthesized."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["RtlMemory", "rtl_memories"]

LARGE = re.compile(r"^  cell \\SB_SPRAM256KA ", re.MULTILINE)
"""The cells of large RAM that hardware makes by itself."""


class RtlMemory(NamedTuple):
    """A memory, or all cells of large RAM of a module.

    Members
    -------
    path: the instances from the top down to what it is in
    width, words: bits of a word, and the number of words
    reads: ports that read
    large: cells of large RAM; 0 if it is a memory, which the other fields describe
    rom: whether it is never written
    """

    path: tuple[str, ...]
    width: int
    words: int
    reads: int
    large: int = 0
    rom: bool = False


def rtl_memories(rtlil: str, top: str) -> list[RtlMemory]:
    """The memories of a design whose module is ``top``, each as often as there is an instance of its module."""
    modules = dict(re.findall(r"^module \\(\S+)$(.*?)^end$", rtlil, re.MULTILINE | re.DOTALL))
    cells = {
        name: [(instance, kind) for kind, instance in re.findall(r"^  cell \\(\S+) \\(\S+)$", text, re.MULTILINE)]
        for name, text in modules.items()
    }

    def walk(module: str, path: tuple[str, ...]) -> Iterator[RtlMemory]:
        text = modules[module]
        large = len(LARGE.findall(text))
        if large:
            yield RtlMemory(path, 0, 0, 0, large)
        reads, writes = (
            Counter(re.findall(rf'cell \$mem{kind}_v2 \S+\n +parameter \\MEMID "\\\\(\S+)"', text))
            for kind in ("rd", "wr")
        )
        for width, words, name in re.findall(r"^  memory width (\d+) size (\d+) \\(\S+)$", text, re.MULTILINE):
            yield RtlMemory(path, int(width), int(words), reads[name], rom=not writes[name])
        for instance, kind in cells[module]:
            if kind in modules:
                yield from walk(kind, (*path, instance))

    return list(walk(top, ()))
