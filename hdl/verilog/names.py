"""The variables of a module: which bits each holds, and what it is called."""

from collections.abc import Iterable
from dataclasses import dataclass

from .identifiers import plain
from .netlist import Bit, Cell, Netlist

__all__ = ["Names", "Variable"]


@dataclass(frozen=True)
class Variable:
    """Bits ``low`` and up of a name, lowest first."""

    name: str
    bits: tuple[Bit, ...]
    low: int
    is_signed: bool
    is_register: bool
    is_kept: bool = False

    @property
    def range(self) -> str:
        """The declaration's ``[high:low] ``, with the space; nothing for a single bit."""
        return f"[{self.low + len(self.bits) - 1}:{self.low}] " if self.is_vector else ""

    @property
    def is_vector(self) -> bool:
        return len(self.bits) > 1


class Names:
    """Names for all that drives something, and the place of every bit in one of them.

    What drives a named signal has its name; a driver of some bits of one has their places behind it, so that no
    variable is driven in pieces, which simulators take for loops. What has no name in the source gets that of the
    signal that it goes into, ``_t`` and a number behind it.
    """

    def __init__(self, netlist: Netlist):
        self.netlist = netlist
        self._taken = {plain(name) for name in (*netlist.ports, *netlist.memories, *_instances(netlist))}
        self._wires = _by_bit(netlist)
        self.place: dict[Bit, tuple[Variable, int]] = {}
        self.variables: list[Variable] = []
        self.anonymous: set[str] = set()
        for name, (direction, bits) in netlist.ports.items():
            if direction == "input":
                self._add(Variable(name, tuple(bits), 0, name in netlist.signed, False))
        self.ports: dict[str, Variable] = {}
        unnamed: list[Cell] = []
        for cell in netlist.cells:
            if cell.is_instance:
                for pin in cell.outputs:
                    self._name(cell, cell.pins[pin], f"{cell.name}_{pin}")
            elif cell.type != "$memwr_v2" and not self._name(cell, cell.result):
                unnamed.append(cell)
        self._name_by_use(unnamed)

    def unique(self, name: str) -> str:
        """The name, with a number behind it where it is taken."""
        name = plain(name)
        new, number = name, 0
        while new in self._taken:
            number += 1
            new = f"{name}_{number}"
        self._taken.add(new)
        return new

    def _add(self, variable: Variable) -> None:
        self.variables.append(variable)
        for k, bit in enumerate(variable.bits):
            self.place[bit] = variable, k

    def _name(self, cell: Cell, bits: list[Bit], otherwise: str = "") -> bool:
        """Whether there is a name for that result, from the source or the other one."""
        found = self._found(bits, bool(otherwise))
        is_register = cell.is_register
        if found is None and not otherwise:
            return False
        if found is None:
            prefix = "" if any(self.netlist.is_live(bit) for bit in bits) else "unused_"
            self._add(Variable(self.unique(prefix + otherwise), tuple(bits), 0, False, False))
            return True
        wire, low, is_whole = found
        port = self.netlist.ports.get(wire)
        if port and is_whole and len(bits) == len(port[1]):
            variable = Variable(wire, tuple(bits), 0, wire in self.netlist.signed, is_register)
            self.ports[wire] = variable
        else:
            ends = [low] if len(bits) == 1 else [low + len(bits) - 1, low]
            name = wire if is_whole and not port else "_".join([wire, *map(str, ends)])
            is_signed = is_whole and wire in self.netlist.signed and low + len(bits) == len(self.netlist.wires[wire])
            kept = wire in self.netlist.kept
            low = low if is_whole and not port and len(bits) > 1 else 0
            variable = Variable(self.unique(name), tuple(bits), low, is_signed, is_register, kept)
        self._add(variable)
        return True

    def _found(self, bits: list[Bit], is_instance: bool) -> tuple[str, int, bool] | None:
        """The best wire that holds the bits side by side: its name, where, and whether all else of it is idle."""
        best, least = None, (True, True, True, 0, 0, "")
        for wire, low in self._wires.get(bits[0], ()):
            held = self.netlist.wires[wire]
            if held[low : low + len(bits)] != bits:
                continue
            others = held[:low] + held[low + len(bits) :]
            is_whole = not any(self.netlist.is_live(bit) for bit in others)
            rank = (
                wire not in self.netlist.ports or bool(others),
                not is_whole,
                "$" in wire,
                len(others),
                len(wire),
                wire,
            )
            if is_instance and (not is_whole or "$" in wire):
                continue
            if best is None or rank < least:
                best, least = (wire, low, is_whole), rank
        return best

    def _name_by_use(self, unnamed: list[Cell]) -> None:
        """Name the rest for what each goes into, from the named ones back."""
        left = {id(cell) for cell in unnamed}
        outputs = [name for name, (direction, _) in self.netlist.ports.items() if direction == "output"]
        waiting = [(name, self.netlist.ports[name][1]) for name in outputs]
        for cell in self.netlist.cells:
            if id(cell) in left:
                continue
            if cell.is_instance:
                waiting += [(f"{cell.name}_{pin}", bits) for pin, bits in cell.pins.items()]
            elif cell.type == "$memwr_v2":
                waiting += [(f"{cell.parameters['MEMID'][1:]}_{pin.lower()}", bits) for pin, bits in cell.pins.items()]
            else:
                name = self.place[cell.result[0]][0].name
                waiting += [(name, bits) for bits in cell.pins.values()]
        numbers: dict[str, int] = {}
        for name, bits in waiting:  # grows while it is gone through: what goes into what has just been named
            for bit in bits:
                if bit not in self.netlist.driver or id(self.netlist.driver[bit][0]) not in left:
                    continue
                cell, _ = self.netlist.driver[bit]
                left.remove(id(cell))
                numbers[name] = numbers.get(name, 0) + 1
                own = self.unique(f"{name}_t{numbers[name]}")
                self._add(Variable(own, tuple(cell.result), 0, False, cell.is_register))
                self.anonymous.add(own)
                waiting += [(name, operand) for pin, operand in cell.pins.items() if pin not in cell.outputs]


def _instances(netlist: Netlist) -> Iterable[str]:
    return (cell.name for cell in netlist.cells if cell.is_instance)


def _by_bit(netlist: Netlist) -> dict[Bit, list[tuple[str, int]]]:
    found: dict[Bit, list[tuple[str, int]]] = {}
    for wire, bits in netlist.wires.items():
        for k, bit in enumerate(bits):
            if isinstance(bit, int):
                found.setdefault(bit, []).append((wire, k))
    return found
