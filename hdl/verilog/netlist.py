"""A module as yosys's JSON has it, cut down to the bits that reach an output."""

from dataclasses import dataclass
from typing import Any

from .identifiers import plain

__all__ = ["REGISTERS", "RIGHT_SHIFTS", "SHIFTS", "Bit", "Cell", "Netlist", "extend"]

Bit = int | str
"""The number of a net, or a constant: ``"0"``, ``"1"`` or ``"x"``."""

_BITWISE = {"$and", "$or", "$xor", "$xnor", "$not", "$mux", "$pos"}
"""Bit i of the result needs bit i of the operands alone."""

_MODULAR = {"$add", "$sub", "$mul", "$neg", "$shl", "$sshl"}
"""Bit i of the result needs bits 0 to i of the operands."""

SHIFTS = {"$shl", "$sshl", "$shr", "$sshr", "$shift"}
"""The second operand is how far, whatever its width."""

RIGHT_SHIFTS = {"$shr", "$sshr", "$shift"}

REGISTERS = {"$dff", "$dffe", "$sdff", "$sdffe", "$sdffce"}

_COMPARISONS = {"$eq", "$ne", "$lt", "$le", "$gt", "$ge"}
_RESULTS = ("Y", "Q", "DATA")
_DATA = {"A", "B", "D"}


@dataclass
class Cell:
    """A cell of yosys or an instance of a module; ``low`` to ``high`` are the bits of its result that are of use."""

    name: str
    type: str
    parameters: dict[str, str]
    pins: dict[str, list[Bit]]
    outputs: list[str]
    low: int = -1
    high: int = -1

    @property
    def is_instance(self) -> bool:
        return not self.type.startswith("$")

    def number(self, parameter: str) -> int:
        """The parameter as an integer; 0 where it is absent."""
        return int(self.parameters.get(parameter, "0"), 2)

    @property
    def result(self) -> list[Bit]:
        return self.pins[self.outputs[0]]

    @property
    def is_register(self) -> bool:
        """Whether the result changes at a clock."""
        return self.type in REGISTERS or (self.type == "$memrd_v2" and bool(self.number("CLK_ENABLE")))

    @property
    def is_signed(self) -> bool:
        """Whether the operands are two's complement."""
        return bool(self.number("A_SIGNED")) and bool(self.number("B_SIGNED") or "B" not in self.pins)


class Netlist:
    """Ports, cells and named wires of one module.

    ``cells`` holds only what reaches an output, an instance or a register that is to be kept. Operands have the width
    of the result where both are of one width in Verilog, comparisons have operands of one width.

    Raises KeyError or ValueError where the module has what fewbit's never have.
    """

    def __init__(self, name: str, module: dict[str, Any]):
        self.name = name
        self.ports = {plain(name): (port["direction"], port["bits"]) for name, port in module["ports"].items()}
        self.wires: dict[str, list[Bit]] = {}
        self.signed: set[str] = set()
        self.kept: set[str] = set()
        self.start: dict[Bit, str] = {}
        for wire, said in module["netnames"].items():
            self._add_wire(wire, said)
        self.memories = {name: (memory["width"], memory["size"]) for name, memory in module.get("memories", {}).items()}
        cells = [_cell(name, said) for name, said in module["cells"].items()]
        self.contents = {
            cell.parameters["MEMID"][1:]: cell.pins["DATA"] for cell in cells if cell.type == "$meminit_v2"
        }
        cells = [cell for cell in cells if cell.type != "$meminit_v2"]
        self.driver = {bit: (cell, k) for cell in cells for pin in cell.outputs for k, bit in enumerate(cell.pins[pin])}
        self._writers: dict[str, list[Cell]] = {}
        for cell in cells:
            if cell.type == "$memwr_v2":
                self._writers.setdefault(cell.parameters["MEMID"], []).append(cell)
        self._live: set[Bit] = set()
        self._mark(cells)
        self.cells = [cell for cell in cells if cell.high >= 0 or cell.is_instance]
        for cell in self.cells:
            _fit(cell)
        used = {cell.parameters["MEMID"][1:] for cell in self.cells if "MEMID" in cell.parameters}
        self.memories = {name: shape for name, shape in self.memories.items() if name in used}
        self.contents = {name: words for name, words in self.contents.items() if name in used}

    def is_live(self, bit: Bit) -> bool:
        """Whether the bit is that of a net which reaches something."""
        return bit in self._live

    def _add_wire(self, wire: str, said: dict[str, Any]) -> None:
        wire = plain(wire) if plain(wire) in self.ports else wire
        if not said["hide_name"]:
            self.wires[wire] = said["bits"]
            if said.get("signed"):
                self.signed.add(wire)
            if int(said["attributes"].get("keep", "0"), 2):
                self.kept.add(wire)
        values = said["attributes"].get("init", "")
        self.start |= {bit: value for bit, value in zip(said["bits"], reversed(values), strict=False) if value in "01"}

    def _mark(self, cells: list[Cell]) -> None:
        """Go from what is seen outside back to all that it depends on, bit by bit."""
        waiting: list[Bit] = []

        def need(bits: list[Bit]) -> None:
            fresh = [bit for bit in bits if bit not in self._live and isinstance(bit, int)]
            self._live.update(fresh)
            waiting.extend(fresh)

        for direction, bits in self.ports.values():
            if direction == "output":
                need(bits)
        for wire in self.kept:
            need(self.wires[wire])
        for cell in cells:
            if cell.is_instance:
                for pin, bits in cell.pins.items():
                    if pin not in cell.outputs:
                        need(bits)
        while waiting:
            bit = waiting.pop()
            if bit not in self.driver:
                continue
            cell, place = self.driver[bit]
            if cell.is_instance or (cell.high >= 0 and cell.low <= place <= cell.high):
                continue
            marked = [k for k, bit in enumerate(cell.result) if bit in self._live]
            cell.low, cell.high = marked[0], marked[-1]
            if cell.type not in _BITWISE | REGISTERS:
                cell.low = 0
            if cell.type == "$memrd_v2":
                cell.high = len(cell.result) - 1
                for writer in self._writers.get(cell.parameters["MEMID"], []):
                    writer.high = 0
                    for bits in writer.pins.values():
                        need(bits)
            need(cell.result[cell.low : cell.high + 1])
            for pin, bits in cell.pins.items():
                if pin not in cell.outputs:
                    need(_needed(cell, pin, bits))


def extend(bits: list[Bit], width: int, is_signed: bool) -> list[Bit]:
    """The lowest ``width`` bits of the number."""
    return bits[:width] + [bits[-1] if is_signed else "0"] * (width - len(bits))


def _cell(name: str, said: dict[str, Any]) -> Cell:
    outputs = [pin for pin, direction in said["port_directions"].items() if direction == "output"]
    pins = said["connections"]
    if not said["type"].startswith("$"):
        outputs, pins = [plain(pin) for pin in outputs], {plain(pin): bits for pin, bits in pins.items()}
    cell = Cell(name, said["type"], said["parameters"], pins, outputs)
    if not cell.is_instance and cell.type not in ("$memwr_v2", "$meminit_v2") and outputs[0] not in _RESULTS:
        raise ValueError(f"cell must have a result, not {cell.type}")
    return cell


def _needed(cell: Cell, pin: str, bits: list[Bit]) -> list[Bit]:
    """The bits of that operand that bits ``low`` to ``high`` of the result depend on."""
    if pin in _DATA and cell.type in _BITWISE | REGISTERS:
        return extend(bits, cell.high + 1, cell.is_signed)[cell.low :]
    if pin in _DATA and cell.type in _MODULAR and not (cell.type in SHIFTS and pin == "B"):
        return bits[: cell.high + 1]
    return bits


def _fit(cell: Cell) -> None:
    """Give operands and result the widths that they have in Verilog."""
    if cell.is_instance or cell.type == "$memwr_v2":
        return
    signed = bool(cell.number("A_SIGNED")) if cell.type in SHIFTS else cell.is_signed
    width = cell.high + 1
    for pin in _DATA & cell.pins.keys():
        bits = cell.pins[pin]
        if cell.type in _BITWISE | REGISTERS:
            cell.pins[pin] = extend(bits, width, signed)[cell.low :]
        elif cell.type in _MODULAR and not (cell.type in SHIFTS and pin == "B"):
            cell.pins[pin] = extend(bits, width, signed)
        elif cell.type in RIGHT_SHIFTS and pin == "A":
            # What comes down are copies of the sign where the whole result is wider than the operand.
            cell.pins[pin] = extend(bits, max(len(cell.result) if signed else width, len(bits)), signed)
    if cell.type == "$pmux":
        words, selects = cell.pins.pop("B"), cell.pins.pop("S")
        size = len(cell.pins["A"])
        cell.pins["A"] = cell.pins["A"][:width]
        for k, select in enumerate(selects):
            cell.pins[f"S{k}"], cell.pins[f"B{k}"] = [select], words[k * size : k * size + width]
    if cell.type in _COMPARISONS:
        widest = max(len(cell.pins["A"]), len(cell.pins["B"]))
        for pin in ("A", "B"):
            cell.pins[pin] = extend(cell.pins[pin], widest, signed)
    result = cell.outputs[0]
    cell.pins[result] = cell.pins[result][cell.low : width]
    if "SRST_VALUE" in cell.parameters and cell.type in REGISTERS:
        value = cell.parameters["SRST_VALUE"][::-1][cell.low : width]
        cell.parameters = {**cell.parameters, "SRST_VALUE": value[::-1]}
