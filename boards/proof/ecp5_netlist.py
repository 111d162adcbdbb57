"""A netlist of nextpnr-ecp5 is written as Verilog to simulate. Cells do what Project Trellis and Lattice describe.

Inputs without a net read 1, as they do in an ECP5, unless a multiplexer of the cell gives them another value. Resets of
flip-flops without a net are idle. A PLL passes its input on, and is locked: whoever simulates it gives it the clock
that the PLL would make.
"""

from ...synth.tools import ToolError
from .routed_netlist import Cell, RoutedNetlist

__all__ = ["Ecp5Netlist"]

_RAMW = {
    **{f"WADO{i}": f"{port}0" for i, port in enumerate("DBCA")},
    **{f"WDO{i}": f"{port}1" for i, port in enumerate("CADB")},
}
"""Outputs of the slice that writes LUT RAM, and the inputs that they repeat."""

_WORD, _WORDS = 18, 1024

_MULTIPLIER = {
    "SOURCEB_MODE": "B_SHIFT",
    "MULT_BYPASS": "DISABLED",
    **{f"REG_{stage}_CLK": "NONE" for stage in ("INPUTA", "INPUTB", "INPUTC", "PIPELINE", "OUTPUT")},
}
"""The settings of a DSP that only multiplies, with their defaults."""

_CHAINS = [f"{port}{i}" for port in ("SRIA", "SRIB", "SROA", "SROB", "ROA", "ROB", "ROC") for i in range(18)]
"""Ports of a DSP that lead to its neighbours."""


class Ecp5Netlist(RoutedNetlist):
    """A netlist for an ECP5.

    It has no model of multiplexers behind LUTs, or of DSPs with registers.
    """

    IDLE = "1'b1"

    def _in(self, cell: Cell, port: str, idle: str | None = None) -> str:
        value = super()._in(cell, port, idle)
        how = cell["parameters"].get(f"{port}MUX", "").strip()
        if how in ("0", "1"):
            return f"1'b{how}"
        return f"~{value}" if how == "INV" else value

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

    def _mult18x18d(self, cell: Cell, index: int) -> None:
        set_to = {name: cell["parameters"].get(name, plain).strip() for name, plain in _MULTIPLIER.items()}
        if set_to != _MULTIPLIER or self._used(cell, *_CHAINS):
            raise ToolError("a netlist must have DSPs that only multiply, without registers, to be simulated")
        for side in "AB":
            name = f"{side.lower()}{index}"
            # the other source is the chain of a neighbour, where nothing is connected
            taken = f"{self._word(cell, side, _WORD)} & {{{_WORD}{{~{self._in(cell, f'SOURCE{side}')}}}}}"
            self._lines.append(f"wire [{_WORD - 1}:0] u{name} = {taken};")
            sign = f"{self._in(cell, f'SIGNED{side}')} & u{name}[{_WORD - 1}]"
            self._lines.append(f"wire signed [{_WORD}:0] {name} = {{{sign}, u{name}}};")
        self._lines.append(f"wire signed [{2 * _WORD - 1}:0] p{index} = a{index} * b{index};")
        self._out_word(cell, "P", 2 * _WORD, f"p{index}")

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
            if int(parameters[f"DATA_WIDTH_{side}"], 2) == 2 * _WORD:
                self._dp16kd_wide(cell, index, side)
            else:
                self._dp16kd_port(cell, index, side)

    def _dp16kd_wide(self, cell: Cell, index: int, side: str) -> None:
        """Write a RAM of 36-bit words: port A writes by the data inputs of both ports, B reads by the outputs of
        both."""
        writes = {"A": ("1'b1",), "B": ("1'b0", "~1'b1")}[side]
        if self._in(cell, f"WE{side}") not in writes:
            raise ToolError("a netlist must have block RAM of 36 bits that port A writes and B reads to be simulated")
        row = f"{{{', '.join(self._in(cell, f'AD{side}{i}') for i in reversed(range(5, 14)))}}}"
        clocked = f"always @(posedge {self._in(cell, f'CLK{side}')}) if ({self._in(cell, f'CE{side}')}) begin"
        if side == "A":
            data = [f"{self._in(cell, f'DI{port}{i}')}" for port in "BA" for i in reversed(range(_WORD))]
            self._lines += [f"wire [{2 * _WORD - 1}:0] d{index} = {{{', '.join(data)}}};", clocked]
            for i in range(4):
                part = f"m{index}[{{{row}, 1'b{i // 2}}}][{9 * (i % 2)} +: 9]"
                self._lines.append(f"if ({self._in(cell, f'ADA{i}')}) {part} <= d{index}[{9 * i} +: 9];")
            self._lines.append("end")
            return
        read = f"{{m{index}[{{{row}, 1'b1}}], m{index}[{{{row}, 1'b0}}]}}"
        self._lines += [f"reg [{2 * _WORD - 1}:0] o{index} = 0;", clocked, f"o{index} <= {read};\nend"]
        word = self._dp16kd_word(cell, side, f"{index}", 2 * _WORD)
        for i in range(2 * _WORD):
            self._out(cell, f"DO{'AB'[i // _WORD]}{i % _WORD}", f"{word}[{i}]")

    def _dp16kd_word(self, cell: Cell, side: str, name: str, width: int) -> str:
        """The name of the word that a port gives: what it read, or the register behind that."""
        if cell["parameters"][f"REGMODE_{side}"] == "NOREG":
            return f"o{name}"
        if self._in(cell, f"OCE{side}") != self.IDLE:
            raise ToolError("a netlist must have block RAM whose registers have no enable to be simulated")
        self._lines.append(f"reg [{width - 1}:0] p{name} = 0;")
        self._lines.append(f"always @(posedge {self._in(cell, f'CLK{side}')}) p{name} <= o{name};")
        return f"p{name}"

    def _dp16kd_port(self, cell: Cell, index: int, side: str) -> None:
        parameters, name = cell["parameters"], f"{index}{side.lower()}"
        width, mode = int(parameters[f"DATA_WIDTH_{side}"], 2), parameters.get(f"WRITEMODE_{side}", "NORMAL")
        if not self._used(cell, f"CLK{side}"):
            return
        if width not in (1, 2, 4, 9, 18):
            raise ToolError(f"a netlist must have block RAM of up to 36 bits to be simulated, not {width}")
        address = [self._in(cell, f"AD{side}{i}") for i in range(14)]
        row, half = f"{{{', '.join(address[:3:-1])}}}", "0" if width == 18 else f"9 * {address[3]}"
        places = {1: 3, 2: 2, 4: 1}.get(width, 0)
        inside = f" + {width} * {{{', '.join(reversed(address[3 - places : 3]))}}}" if places else ""
        self._lines += [
            f"wire [9:0] a{name} = {row};",
            f"wire [4:0] b{name} = {half}{inside};",
            f"wire [{width - 1}:0] d{name} = {self._word(cell, f'DI{side}', width)};",
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
        self._out_word(cell, f"DO{side}", width, self._dp16kd_word(cell, side, name, width))
