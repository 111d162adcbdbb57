"""A netlist that nextpnr placed and routed is written as Verilog to simulate. This file is what all families share.

A family's cells are methods of its class: ``_kind(cell, index)`` writes what a cell of type ``KIND`` does. PLLs pass
their input on, and are locked: whoever simulates gives them the clock that they would make.
"""

from collections.abc import Mapping
from typing import Any

from ...synth.tools import ToolError

__all__ = ["Cell", "RoutedNetlist"]

Cell = Mapping[str, Any]


class RoutedNetlist:
    """A module of the JSON that nextpnr writes by ``--write``.

    Parameters
    ----------
    netlist: the content of the JSON file
    top: the name of the module

    Attributes
    ----------
    IDLE: what most inputs read if no net is connected to them

    ``verilog`` raises ToolError if a cell is used in a way that has no model.
    """

    IDLE = "1'b0"

    def __init__(self, netlist: Mapping[str, Any], top: str = "top"):
        self._module = netlist["modules"][top]
        self._lines: list[str] = []

    @property
    def size(self) -> int:
        """Number of cells."""
        return len(self._module["cells"])

    def cells(self, kind: str) -> list[Cell]:
        """The cells of that type."""
        return [cell for cell in self._module["cells"].values() if cell["type"] == kind]

    def parameters(self, kind: str) -> dict[str, int]:
        """The binary parameters of the only cell of that kind; empty if there is none."""
        cells = self.cells(kind)
        found = cells[0]["parameters"] if cells else {}
        return {name: int(value, 2) for name, value in found.items() if value and not value.strip("01")}

    def verilog(self, name: str) -> str:
        """The Verilog of a module of that name, with the ports of the FPGA."""
        ports = self._module["ports"]
        declared = ", ".join(f"{port['direction']} {each}" for each, port in ports.items())
        self._lines = [f"module {name} ({declared});"]
        bits = {bit for cell in self._module["cells"].values() for net in cell["connections"].values() for bit in net}
        self._lines += [f"wire n{bit};" for bit in sorted(bit for bit in bits if isinstance(bit, int))]
        for index, cell in enumerate(self._module["cells"].values()):
            make = getattr(self, f"_{cell['type'].lower()}", None)
            if make is None:
                raise ToolError(f"a netlist must have cells that can be simulated, not {cell['type']}")
            make(cell, index)
        for each, port in ports.items():
            (bit,) = port["bits"]
            self._lines.append(
                f"assign n{bit} = {each};" if port["direction"] == "input" else f"assign {each} = n{bit};"
            )
        return "\n".join([*self._lines, "endmodule\n"])

    def _in(self, cell: Cell, port: str, idle: str | None = None) -> str:
        """What an input reads. If no net is connected to it, that is ``idle``, or ``IDLE`` without it."""
        net = cell["connections"].get(port) or []
        if not net:
            return self.IDLE if idle is None else idle
        return f"n{net[0]}" if isinstance(net[0], int) else f"1'b{net[0]}"

    def _word(self, cell: Cell, port: str, width: int) -> str:
        """The inputs ``port`` 0 to ``width`` - 1 as one word."""
        return f"{{{', '.join(self._in(cell, f'{port}{i}') for i in reversed(range(width)))}}}"

    def _out_word(self, cell: Cell, port: str, width: int, value: str) -> None:
        """Connect the outputs ``port`` 0 to ``width`` - 1 to the lowest bits of a wire."""
        for i in range(width):
            self._out(cell, f"{port}{i}", f"{value}[{i}]")

    def _out(self, cell: Cell, port: str, value: str) -> None:
        net = cell["connections"].get(port)
        if net:
            self._lines.append(f"assign n{net[0]} = {value};")

    def _used(self, cell: Cell, *ports: str) -> list[str]:
        return [port for port in ports if cell["connections"].get(port)]
