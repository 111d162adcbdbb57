"""Which memories a design has, and how much of a device's RAM each takes, is known before anything is synthesized."""

from typing import NamedTuple

from ...families import FAMILIES, Target
from ...formats.network import Product
from ...hdl import NetworkDesign
from ...synth.rtl_memories import rtl_memories

__all__ = ["DesignMemory", "RamShare", "memories_of", "planned_memories", "shares"]

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
    rom: whether it is never written
    """

    part: str
    width: int
    words: int
    reads: int
    large: int = 0
    rom: bool = False


class RamShare(NamedTuple):
    """What a part of a design takes of a device: block RAMs, large RAMs, and bits that it keeps there."""

    brams: int
    large_rams: int
    bits: int


def memories_of(rtlil: str) -> list[DesignMemory]:
    """The memories of a design whose module is ``top``."""
    return [DesignMemory(_part(found.path), *found[1:]) for found in rtl_memories(rtlil, "top")]


LINK = ((8, 512, False), (8, 512, True))
"""The link's memories besides its buffer: bits of a word, words, and whether they are never written."""


def planned_memories(design: NetworkDesign, buffer_bytes: int) -> list[DesignMemory]:
    """The memories that a network will have on a board, as ``memories_of`` finds them in what is elaborated.

    Nothing is elaborated. ``buffer_bytes``: of the link's buffer
    """
    link = ((8, buffer_bytes, False), *LINK)
    found = [DesignMemory("the link", width, words, 1, rom=rom) for width, words, rom in link]
    for name, size in design.hardware.memories.items():
        part = NETWORK.get("weights" if name == "panel" else name, "the rest")
        words = 1 << (size.words - 1).bit_length() if name in ("parameters", "panel") else size.words
        if size.large:
            large = FAMILIES[design.family or ""].large_ram
            assert large is not None
            found.append(DesignMemory(part, 0, 0, 0, large.blocks(size.bits, size.words)))
        elif name == "panel":
            pieces = -(-size.bits // design.piece)
            found += [DesignMemory(part, min(design.piece, size.bits), words, 1)] * pieces
        else:
            written = name in ("activations", "between") or (name == "weights" and design.loads)
            found += [DesignMemory(part, size.bits, words, 1, rom=not written)] * size.copies
    return found + [DesignMemory("the rest", width, words, 1, rom=True) for width, words in _distances(design)]


def _distances(design: NetworkDesign) -> list[tuple[int, int]]:
    """Bits and words of the memories of addresses' distances, about: of taps, and of each tensor's words."""
    program, sizes = design.program, design.hardware.memories
    records = program.records
    record_bits = max(1, (len(records) - 1).bit_length())
    products = [record for record in records if isinstance(record, Product)]
    weights = max((record.terms for record in products), default=1) if design.loads else program.weight_words
    sides = [side for record in records for side in (record.source.height, record.source.width)]
    bits = {name: max(1, (sizes[name].words - 1).bit_length()) for name in ("activations", "between")}
    taps = max(bits.values()) + max(1, (weights - 1).bit_length()) + 2 * (max(sides).bit_length() + 1)
    tensors = {
        "activations": [any(record.activation is not None for record in records)],
        "between": [
            any(record.between is not None for record in records),
            any(record.residual is not None for record in records),
        ],
    }
    walks = [(bits[name], 8 << record_bits) for name, used in tensors.items() for each in used if each]
    return [(taps, 16 << record_bits), *walks]


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
        brams = ram.blocks(memory.width, memory.words, memory.reads, memory.rom) if not memory.large else 0
        bits = memory.large * large.bits if large is not None else 0
        before = found.get(memory.part, RamShare(0, 0, 0))
        found[memory.part] = RamShare(
            before.brams + brams, before.large_rams + memory.large, before.bits + bits + memory.width * memory.words
        )
    return dict(sorted(found.items(), key=lambda pair: (-pair[1].large_rams, -pair[1].brams)))
