"""What nextpnr-ecp5 placed and routed, as Verilog that simulates: cells as Project Trellis and Lattice describe them.

Inputs without a net read 1, as unrouted ones do in an ECP5, unless a multiplexer of the cell makes them otherwise; but
resets of flip-flops without a net are idle. A PLL passes its input on, and is locked: whoever simulates gives it the
clock that it would make.
"""

from collections.abc import Mapping
from typing import Any

from ..synth.tools import ToolError

__all__ = ["Ecp5Netlist"]

Cell = Mapping[str, Any]

_RAMW = {
    **{f"WADO{i}": f"{port}0" for i, port in enumerate("DBCA")},
    **{f"WDO{i}": f"{port}1" for i, port in enumerate("CADB")},
}
"""Outputs of the slice that writes LUT RAM, and the inputs that they are."""

_WORD, _WORDS = 18, 1024


class Ecp5Netlist:
    """A module out of what nextpnr's ``--write`` wrote.

    Parameters
    ----------
    netlist: of the JSON file
    top: name of the module

    Raises ToolError in ``verilog`` where a cell is used in a way that has no model here: DSPs, wide block RAM.
    """

    def __init__(self, netlist: Mapping[str, Any], top: str = "top"):
        self._module = netlist["modules"][top]
        self._lines: list[str] = []

    def parameters(self, kind: str) -> dict[str, int]:
        """The binary parameters of the only cell of that kind; nothing where there is none."""
        cells = [cell for cell in self._module["cells"].values() if cell["type"] == kind]
        found = cells[0]["parameters"] if cells else {}
        return {name: int(value, 2) for name, value in found.items() if value and not value.strip("01")}

    def verilog(self, name: str) -> str:
        """As a module of that name, with the ports of the FPGA."""
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

    def _in(self, cell: Cell, port: str, idle: str = "1'b1") -> str:
        net = cell["connections"].get(port) or []
        value = idle if not net else f"n{net[0]}" if isinstance(net[0], int) else f"1'b{net[0]}"
        how = cell["parameters"].get(f"{port}MUX", "").strip()
        if how in ("0", "1"):
            return f"1'b{how}"
        return f"~{value}" if how == "INV" else value

    def _out(self, cell: Cell, port: str, value: str) -> None:
        net = cell["connections"].get(port)
        if net:
            self._lines.append(f"assign n{net[0]} = {value};")

    def _used(self, cell: Cell, *ports: str) -> list[str]:
        return [port for port in ports if cell["connections"].get(port)]

    def _trellis_comb(self, cell: Cell, index: int) -> None:
        parameters = cell["parameters"]
        mode = parameters.get("MODE", "LOGIC")
        if mode == "RAMW_BLOCK":
            return
        if self._used(cell, "OFX"):
            raise ToolError("a netlist must have no multiplexers behind LUTs to be simulated")
        a, b, c, d = (self._in(cell, port) for port in "ABCD")
        init = f"16'h{int(parameters['INITVAL'], 2):04x}"
        if mode == "DPRAM":
            self._lines.append(f"reg [15:0] r{index} = {init};")
            address = ", ".join(self._in(cell, f"WAD{i}") for i in (3, 2, 1, 0))
            write = f"if ({self._in(cell, 'WRE')}) r{index}[{{{address}}}] <= {self._in(cell, 'WD')};"
            self._lines.append(f"always @(posedge {self._in(cell, 'WCK')}) {write}")
            self._out(cell, "F", f"r{index}[{{{a}, {c}, {b}, {d}}}]")
            return
        self._lines.append(f"wire l{index} = {init} >> {{{d}, {c}, {b}, {a}}};")
        if mode == "LOGIC":
            self._out(cell, "F", f"l{index}")
            return
        carry, inject = self._in(cell, "FCI"), parameters["CCU2_INJECT1"] == "YES"
        generated = "1'b0" if inject else f"s{index}"
        self._lines.append(f"wire s{index} = {init} >> {{2'b0, {b}, {a}}};")
        self._out(cell, "F", f"l{index}" if inject else f"l{index} ^ {carry}")
        self._out(cell, "FCO", f"l{index} ? {carry} : {generated}")

    def _trellis_ramw(self, cell: Cell, index: int) -> None:
        for output, source in _RAMW.items():
            self._out(cell, output, self._in(cell, source))

    def _trellis_ff(self, cell: Cell, index: int) -> None:
        parameters = cell["parameters"]
        set_to = f"1'b{int(parameters['REGSET'] == 'SET')}"
        if parameters.get("LSRMODE", "LSR") != "LSR":
            raise ToolError("a netlist must have flip-flops that are set and reset to constants to be simulated")
        data = self._in(cell, "DI" if parameters["SD"].strip() == "1" else "M")
        clock, reset = self._in(cell, "CLK"), self._in(cell, "LSR", "1'b0")
        edges = f"posedge {clock}".replace("posedge ~", "negedge ")
        if parameters.get("SRMODE") == "ASYNC":
            edges += f" or posedge {reset}"
        self._lines.append(f"reg q{index} = {set_to};")
        update = f"if ({reset}) q{index} <= {set_to}; else if ({self._in(cell, 'CE')}) q{index} <= {data};"
        self._lines.append(f"always @({edges}) {update}")
        self._out(cell, "Q", f"q{index}")

    def _trellis_io(self, cell: Cell, index: int) -> None:
        if cell["parameters"]["DIR"] == "INPUT":
            self._out(cell, "O", self._in(cell, "B"))
        else:
            self._out(cell, "B", self._in(cell, "I"))

    def _dcca(self, cell: Cell, index: int) -> None:
        self._out(cell, "CLKO", self._in(cell, "CLKI"))

    def _ehxplll(self, cell: Cell, index: int) -> None:
        for port in ("CLKOP", "CLKOS"):
            self._out(cell, port, self._in(cell, "CLKI"))
        self._out(cell, "LOCK", "1'b1")

    def _dp16kd(self, cell: Cell, index: int) -> None:
        parameters = cell["parameters"]
        if self._used(cell, "RSTA", "RSTB", *(f"CS{side}{i}" for side in "AB" for i in range(3))):
            raise ToolError("a netlist must have block RAM without reset and chip select to be simulated")
        self._lines += [f"reg [{_WORD - 1}:0] m{index} [0:{_WORDS - 1}];", f"initial begin : i{index}", "integer i;"]
        self._lines.append(f"for (i = 0; i < {_WORDS}; i = i + 1) m{index}[i] = 0;")
        for block in range(64):
            content = int(parameters.get(f"INITVAL_{block:02X}", "0"), 2)
            for word in range(16):
                value = content >> 20 * word & (1 << _WORD) - 1
                if value:
                    self._lines.append(f"m{index}[{16 * block + word}] = {_WORD}'h{value:x};")
        self._lines.append("end")
        for side in "AB":
            self._dp16kd_port(cell, index, side)

    def _dp16kd_port(self, cell: Cell, index: int, side: str) -> None:
        parameters, name = cell["parameters"], f"{index}{side.lower()}"
        width, mode = int(parameters[f"DATA_WIDTH_{side}"], 2), parameters[f"WRITEMODE_{side}"]
        if not self._used(cell, f"CLK{side}"):
            return
        if width not in (1, 2, 4, 9, 18) or parameters[f"REGMODE_{side}"] != "NOREG":
            raise ToolError(f"a netlist must have block RAM of up to 18 bits to be simulated, not {width}")
        address = [self._in(cell, f"AD{side}{i}") for i in range(14)]
        row, half = f"{{{', '.join(address[:3:-1])}}}", "0" if width == 18 else f"9 * {address[3]}"
        places = {1: 3, 2: 2, 4: 1}.get(width, 0)
        inside = f" + {width} * {{{', '.join(address[2 : 2 - places : -1])}}}" if places else ""
        data = f"{{{', '.join(self._in(cell, f'DI{side}{i}') for i in reversed(range(width)))}}}"
        self._lines += [
            f"wire [9:0] a{name} = {row};",
            f"wire [4:0] b{name} = {half}{inside};",
            f"wire [{width - 1}:0] d{name} = {data};",
            f"reg [{width - 1}:0] o{name} = 0;",
            f"always @(posedge {self._in(cell, f'CLK{side}')}) if ({self._in(cell, f'CE{side}')}) begin",
        ]
        write = self._in(cell, f"WE{side}")
        if width == 18:
            for i in range(2):
                part = f"[{9 * i + 8}:{9 * i}]"
                self._lines.append(f"if ({write} & {address[i]}) m{index}[a{name}]{part} <= d{name}{part};")
        else:
            self._lines.append(f"if ({write}) m{index}[a{name}][b{name} +: {width}] <= d{name};")
        read = f"m{index}[a{name}][b{name} +: {width}]"
        if mode == "WRITETHROUGH":
            read = f"{write} ? d{name} : {read}"
        condition = f"if (!{write}) " if mode == "NORMAL" else ""
        self._lines.append(f"{condition}o{name} <= {read};\nend")
        for i in range(width):
            self._out(cell, f"DO{side}{i}", f"o{name}[{i}]")
