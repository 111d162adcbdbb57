"""Bits as text: names, parts of them, constants, and these side by side."""

from collections.abc import Sequence

from .names import Names
from .netlist import Bit

__all__ = ["Operands", "constant"]


class Operands:
    """Text of operands in one module; ``read`` gathers every bit that has been asked for."""

    def __init__(self, names: Names):
        self._names = names
        self.read: set[Bit] = set()

    def text(self, bits: Sequence[Bit]) -> str:
        """The bits as an expression of exactly their width."""
        self.read.update(bits)
        parts: list[str] = []
        end = len(bits)
        while end:
            bit = bits[end - 1]
            if isinstance(bit, str):
                begin = end - 1
                while begin and isinstance(bits[begin - 1], str):
                    begin -= 1
                parts.append(constant(bits[begin:end]))
                end = begin
                continue
            same = end - 1
            while same and bits[same - 1] == bit:
                same -= 1
            begin = self._run(bits, same + 1)
            repeats = end - same
            if begin < same:  # the last of the repeated bits is the first of a run
                repeats -= 1
            if repeats > 1 or begin == same:
                part = self.slice(bits[same : same + 1])
                parts.append(part if repeats == 1 else f"{{{repeats}{{{part}}}}}")
            elif repeats:
                parts.append(self.slice(bits[same : same + 1]))
            if begin < same:
                parts.append(self.slice(bits[begin : same + 1]))
            end = begin
        if len(parts) == 1 and not parts[0].startswith("{"):
            return parts[0]
        return f"{{ {', '.join(parts)} }}"

    def _run(self, bits: Sequence[Bit], end: int) -> int:
        """Where a run of neighbours of one variable begins that ends before ``end``."""
        variable, place = self._names.place[bits[end - 1]]
        begin = end - 1
        while begin and self._names.place.get(bits[begin - 1]) == (variable, place - (end - begin)):
            begin -= 1
        return begin

    def slice(self, bits: Sequence[Bit]) -> str:
        """Neighbours of one variable."""
        variable, place = self._names.place[bits[0]]
        low = variable.low + place
        if len(bits) == len(variable.bits):
            return variable.name
        return f"{variable.name}[{low}]" if len(bits) == 1 else f"{variable.name}[{low + len(bits) - 1}:{low}]"


def constant(bits: Sequence[Bit]) -> str:
    """Constant bits, lowest first."""
    digits = "".join(map(str, reversed(bits)))
    if "x" in digits:
        return f"{len(digits)}'bx" if set(digits) == {"x"} else f"{len(digits)}'b{digits}"
    return f"{len(digits)}'h{int(digits, 2):0{-(-len(digits) // 4)}x}"
