"""A LUT that drives two flip-flops gets a copy, so that each of them shares a logic cell with a LUT of its own.

Otherwise the LUT and both flip-flops have a cell each. That is so of every bit of a sum that is kept twice, as it runs
and as it was finished. yosys 0.70 knows nothing of logic cells. The netlist computes the same.
"""

from collections import defaultdict
from copy import deepcopy
from itertools import count
from typing import Any

from ..families import LogicCell

__all__ = ["copy_luts"]

Bit = int | str

CONSTANTS = ("0", "1", "x")


def copy_luts(netlist: dict[str, Any], top: str, kind: LogicCell) -> int:
    """Copy LUTs in module ``top`` of a netlist in yosys's JSON form, which is changed in place.

    A LUT of a carry chain is copied with the chain up to it, where that spares more cells than it takes. The result is
    how many cells that spares.
    """
    return _Copies(netlist["modules"][top], kind).make()


class _Copies:
    def __init__(self, module: dict[str, Any], kind: LogicCell):
        self.kind = kind
        self.cells: dict[str, Any] = module["cells"]
        self.loads: defaultdict[Bit, list[tuple[str, str]]] = defaultdict(list)
        for port in module["ports"].values():
            for bit in port["bits"]:
                self.loads[bit].append(("", ""))
        for name, cell in self.cells.items():
            for pin, bits in cell["connections"].items():
                if cell["port_directions"][pin] == "input":
                    for bit in bits:
                        self.loads[bit].append((name, pin))
        wires = [*module["ports"].values(), *module["netnames"].values()]
        self.fresh = count(1 + max((bit for wire in wires for bit in wire["bits"] if isinstance(bit, int)), default=0))
        self.second = {name: found for name in self._of(kind.lut) if (found := self._second_flip_flop(name))}

    def make(self) -> int:
        kind, spared = self.kind, 0
        carries = self._of(kind.carry)
        driven = {self._bit(name, kind.carry_out): name for name in carries}
        following = {driven[bit]: name for name in carries if (bit := self._bit(name, kind.carry_in)) in driven}
        in_chains: set[str] = set()
        for name in carries:
            if self._bit(name, kind.carry_in) in driven:
                continue
            chain = [name]
            while chain[-1] in following:
                chain.append(following[chain[-1]])
            luts = self._luts_of(chain)
            in_chains.update(lut for lut in luts if lut is not None)
            spared += self._copy_chain(chain, luts)
        for lut in [lut for lut in self.second if lut not in in_chains]:
            if self._bit(lut, kind.carry_input) not in driven:
                self._copy(lut)
                spared += 1
        return spared

    def _luts_of(self, chain: list[str]) -> list[str | None]:
        """The LUT that shares a cell with each carry, and the one behind the last."""
        kind = self.kind
        found: list[str | None] = []
        for carry in chain:
            operands = [self._bit(carry, pin) for pin in kind.carry_operands]
            wanted = dict(
                zip((*kind.operands, kind.carry_input), (*operands, self._bit(carry, kind.carry_in)), strict=True)
            )
            loads = next((self.loads[bit] for bit in wanted.values() if bit not in CONSTANTS), [])
            sharing = [
                name
                for name, _ in loads
                if self._is_lut(name) and all(self._bit(name, pin) == bit for pin, bit in wanted.items())
            ]
            found.append(sharing[0] if sharing else None)
        last = self.loads[self._bit(chain[-1], kind.carry_out)]
        behind = [name for name, pin in last if pin == kind.carry_input and self._is_lut(name)]
        return [*found, behind[0] if len(last) == len(behind) == 1 else None]

    def _copy_chain(self, chain: list[str], luts: list[str | None]) -> int:
        """Copy a chain as far as it has LUTs to copy, if that spares cells, and return how many."""
        kind = self.kind
        copied = [lut in self.second for lut in luts]
        if not any(copied):
            return 0
        last = len(copied) - 1 - copied[::-1].index(True)
        carry_in = self._bit(chain[0], kind.carry_in)
        # A carry without a LUT takes a cell, and so does one that comes from elsewhere.
        spared = sum(copied) - copied[:last].count(False) - (carry_in not in CONSTANTS)
        if spared <= 0:
            return 0
        for place, lut in enumerate(luts[: last + 1]):
            # Of two carries with the same operands and input, nextpnr packs neither with a LUT.
            turned = place == 0
            if lut is not None and copied[place]:
                self._copy(lut, carry_in, turned)
            if place < last:
                carry_out = next(self.fresh)
                pins: dict[str, Bit] = {kind.carry_in: carry_in, kind.carry_out: carry_out}
                self._add(chain[place], pins | (self._turned(chain[place], kind.carry_operands) if turned else {}))
                carry_in = carry_out
        return spared

    def _copy(self, lut: str, carry_in: Bit | None = None, turned: bool = False) -> None:
        """Copy a LUT, and have the copy drive the second of its flip-flops; ``turned``, with its operands exchanged."""
        driven, kind = next(self.fresh), self.kind
        pins: dict[str, Bit] = {kind.output: driven}
        if carry_in is not None:
            pins[kind.carry_input] = carry_in
        copy = self._add(lut, pins | (self._turned(lut, kind.operands) if turned else {}))
        if turned:
            places = [kind.inputs.index(pin) for pin in kind.operands]
            copy["parameters"][kind.table] = _exchanged(copy["parameters"][kind.table], *places)
        self.cells[self.second[lut]]["connections"][kind.data] = [driven]

    def _turned(self, name: str, operands: tuple[str, str]) -> dict[str, Bit]:
        one, other = operands
        return {one: self._bit(name, other), other: self._bit(name, one)}

    def _add(self, name: str, pins: dict[str, Bit]) -> dict[str, Any]:
        """Add a copy of a cell with other nets at some pins."""
        cell = deepcopy(self.cells[name])
        cell["connections"].update({pin: [bit] for pin, bit in pins.items()})
        self.cells[f"{name}$copy"] = cell
        return cell

    def _second_flip_flop(self, lut: str) -> str:
        """The second of the two flip-flops that a LUT drives; the name is empty if that is not all that it drives."""
        loads = self.loads[self._bit(lut, self.kind.output)]
        plain = all(
            pin == self.kind.data and self.cells[name]["type"].startswith(self.kind.flip_flops) for name, pin in loads
        )
        return loads[1][0] if len(loads) == 2 and plain else ""

    def _of(self, kind: str) -> list[str]:
        return [name for name, cell in self.cells.items() if cell["type"] == kind]

    def _is_lut(self, name: str) -> bool:
        return bool(name) and self.cells[name]["type"] == self.kind.lut

    def _bit(self, name: str, pin: str) -> Bit:
        """What is at a pin; one that is open reads as 0."""
        return (*self.cells[name]["connections"].get(pin, ()), "0")[0]


def _exchanged(table: str, one: int, other: int) -> str:
    """The truth table of a LUT of which two inputs are exchanged, as binary digits, the entry of all ones first."""
    entries = table[::-1]
    places = [
        place ^ (1 << one | 1 << other) if (place >> one ^ place >> other) & 1 else place for place in range(len(table))
    ]
    return "".join(entries[place] for place in places)[::-1]
