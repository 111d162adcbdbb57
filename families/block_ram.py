"""Memories in blocks: how many a memory takes, and the registers that they have."""

from dataclasses import dataclass, field

__all__ = ["BlockRam", "RamPort", "RamRegisters"]


@dataclass(frozen=True)
class BlockRam:
    """A family's block RAM, and when yosys takes it for a memory that is written at one port and read at the other, or
    read alone.

    Parameters
    ----------
    bits: of one block
    shapes: bits of a word and words of a block, every way in which it can be used
    least_bits, least_words: a memory of fewer is made of LUTs or flip-flops
    rom_bits: one that is never written is made of LUTs unless it has more bits for each block that it would take
    """

    bits: int
    shapes: tuple[tuple[int, int], ...]
    least_bits: int = 0
    least_words: int = 0
    rom_bits: int = field(default=0, repr=False)  # no synthesis depends on it, whose cache goes by the repr

    def blocks(self, width: int, words: int, reads: int = 1, rom: bool = False) -> int:
        """How many blocks hold ``words`` words of ``width`` bits: all of it once for every port that reads.

        ``rom``: whether it is never written
        """
        count = min(-(-width // bits) * -(-words // depth) for bits, depth in self.shapes)
        if rom:
            return reads * count if width * words > self.rom_bits * count else 0
        if width * words < self.least_bits or words < self.least_words:
            return 0
        return reads * count


@dataclass(frozen=True)
class RamPort:
    """A port of a block RAM.

    Parameters
    ----------
    outputs: the beginning of its outputs' names
    clock, reset: its pins of these names
    polarity: the parameter that is ``clock`` where the port is clocked by rising edges
    parameter: the parameter that says whether its outputs are registered
    """

    outputs: str
    clock: str
    reset: str
    polarity: str
    parameter: str


@dataclass(frozen=True)
class RamRegisters:
    """The registers behind the outputs of a family's block RAM, which yosys leaves alone.

    Parameters
    ----------
    ram: the cell
    ports: its ports that have such registers
    registered: what a port's parameter is where its registers are used
    flip_flop, data, clock, output: the cell that they take the place of, and its pins
    plain: parameters of such a cell that has neither enable nor reset, beside constants at its other pins
    """

    ram: str
    ports: tuple[RamPort, ...]
    registered: str
    flip_flop: str
    data: str
    clock: str
    output: str
    plain: tuple[tuple[str, str], ...] = ()
