"""A netlist of nextpnr-ice40 is written as Verilog to simulate.

Logic cells do what Lattice's iCE40 data sheets describe. RAMs and DSPs are instances of SB_RAM40_4K, SB_SPRAM256KA and
SB_MAC16, for which yosys has models (``ice40/cells_sim.v``). Inputs without a net read 0, as they do in an iCE40,
except that enables read 1. A PLL passes its input on, and is locked: whoever simulates it gives it the clock that the
PLL would make.
"""

from ...synth.tools import ToolError
from .routed_netlist import Cell, RoutedNetlist

__all__ = ["Ice40Netlist"]

_HIGH, _INPUT, _OUTPUT = "1'b1", 0b000001, 0b011001

_RAM = {"RADDR_": 11, "WADDR_": 11, "MASK_": 16, "WDATA_": 16}

_LARGE_RAM = {"ADDRESS_": 14, "DATAIN_": 16, "MASKWREN_": 4}

_DSP = {"A_": 16, "B_": 16, "C_": 16, "D_": 16}

_DSP_BITS = (
    *("AHOLD", "BHOLD", "CHOLD", "DHOLD", "IRSTTOP", "IRSTBOT", "ORSTTOP", "ORSTBOT", "OLOADTOP", "OLOADBOT"),
    *("ADDSUBTOP", "ADDSUBBOT", "OHOLDTOP", "OHOLDBOT", "CI", "ACCUMCI", "SIGNEXTIN", "CLK"),
)


class Ice40Netlist(RoutedNetlist):
    """A netlist for an iCE40. It has no model of pins with registers, of RAM at falling edges, or of PLLs of two
    outputs."""

    def _icestorm_lc(self, cell: Cell, index: int) -> None:
        flags = {name: value == "1" for name, value in cell["parameters"].items()}
        i0, i1, i2, i3 = (self._in(cell, f"I{i}") for i in range(4))
        init = f"16'h{int(cell['parameters']['LUT_INIT'], 2):04x}"
        self._lines.append(f"wire l{index} = {init} >> {{{i3}, {i2}, {i1}, {i0}}};")
        carry = f"1'b{int(flags['CIN_SET'])}" if flags["CIN_CONST"] else self._in(cell, "CIN")
        self._out(cell, "COUT", f"{i1} & {i2} | ({i1} | {i2}) & {carry}")
        self._out(cell, "LO", f"l{index}")
        if not flags["DFF_ENABLE"]:
            self._out(cell, "O", f"l{index}")
            return
        set_to, reset = f"1'b{int(flags['SET_NORESET'])}", self._in(cell, "SR")
        edges = f"{'neg' if flags['NEG_CLK'] else 'pos'}edge {self._in(cell, 'CLK')}"
        enabled = f"if ({self._in(cell, 'CEN', _HIGH)})"
        self._lines.append(f"reg q{index} = 1'b0;")
        if flags["ASYNC_SR"]:
            update = f"if ({reset}) q{index} <= {set_to}; else {enabled} q{index} <= l{index};"
            self._lines.append(f"always @({edges} or posedge {reset}) {update}")
        else:
            self._lines.append(f"always @({edges}) {enabled} q{index} <= {reset} ? {set_to} : l{index};")
        self._out(cell, "O", f"q{index}")

    def _icestorm_ram(self, cell: Cell, index: int) -> None:
        # an x stands for contents that do not matter; they are 0 in the file
        parameters = {name: int(value.replace("x", "0"), 2) for name, value in cell["parameters"].items()}
        if parameters.pop("NEG_CLK_R") + parameters.pop("NEG_CLK_W"):
            raise ToolError("a netlist must have block RAM at rising edges to be simulated")
        given = ", ".join(
            f".{name}({256 if name.startswith('INIT') else 2}'h{value:x})" for name, value in parameters.items()
        )
        ports = {name.rstrip("_"): self._word(cell, name, width) for name, width in _RAM.items()}
        ports |= {name: self._in(cell, name) for name in ("RCLK", "WCLK", "RE", "WE")}
        ports |= {name: self._in(cell, name, _HIGH) for name in ("RCLKE", "WCLKE")}
        self._instance(cell, f"SB_RAM40_4K #({given}) c{index}", ports, "RDATA", 16, f"r{index}")

    def _icestorm_spram(self, cell: Cell, index: int) -> None:
        ports = {name.rstrip("_"): self._word(cell, name, width) for name, width in _LARGE_RAM.items()}
        ports |= {name: self._in(cell, name) for name in ("WREN", "CHIPSELECT", "CLOCK", "STANDBY", "SLEEP")}
        ports["POWEROFF"] = self._in(cell, "POWEROFF", _HIGH)
        self._instance(cell, f"SB_SPRAM256KA c{index}", ports, "DATAOUT", 16, f"s{index}")

    def _icestorm_dsp(self, cell: Cell, index: int) -> None:
        given = ", ".join(f".{name}({int(value, 2)})" for name, value in cell["parameters"].items())
        ports = {name.rstrip("_"): self._word(cell, name, width) for name, width in _DSP.items()}
        ports |= {name: self._in(cell, name) for name in _DSP_BITS}
        ports["CE"] = self._in(cell, "CE", _HIGH)
        for name in self._used(cell, "CO", "ACCUMCO", "SIGNEXTOUT"):
            ports[name] = f"n{cell['connections'][name][0]}"
        self._instance(cell, f"SB_MAC16 #({given}) c{index}", ports, "O", 32, f"p{index}")

    def _instance(self, cell: Cell, what: str, ports: dict[str, str], output: str, width: int, wire: str) -> None:
        self._lines.append(f"wire [{width - 1}:0] {wire};")
        connected = ", ".join(f".{name}({value})" for name, value in (ports | {output: wire}).items())
        self._lines.append(f"{what} ({connected});")
        self._out_word(cell, f"{output}_", width, wire)

    def _sb_io(self, cell: Cell, index: int) -> None:
        kind = int(cell["parameters"]["PIN_TYPE"], 2)
        if kind not in (_INPUT, _OUTPUT):
            raise ToolError(f"a netlist must have pins without registers and tristates to be simulated, not {kind:06b}")
        if kind == _INPUT:
            self._out(cell, "D_IN_0", self._in(cell, "PACKAGE_PIN"))
        else:
            self._out(cell, "PACKAGE_PIN", self._in(cell, "D_OUT_0"))

    def _sb_gb(self, cell: Cell, index: int) -> None:
        value = self._in(cell, "USER_SIGNAL_TO_GLOBAL_BUFFER", "")
        self._out(cell, "GLOBAL_BUFFER_OUTPUT", value or self._pll_clock())

    def _icestorm_pll(self, cell: Cell, index: int) -> None:
        for port in ("PLLOUT_A", "PLLOUT_A_GLOBAL"):
            self._out(cell, port, self._pll_clock())
        if self._used(cell, "PLLOUT_B", "PLLOUT_B_GLOBAL"):
            raise ToolError("a netlist must have PLLs of one output to be simulated")
        self._out(cell, "LOCK", "1'b1")

    def _pll_clock(self) -> str:
        """Connect the PLL: a global buffer without an input belongs to it, and without an input it has a pin for
        itself."""
        plls = self.cells("ICESTORM_PLL")
        pins = [cell for cell in self.cells("SB_IO") if "D_IN_0" not in cell["connections"]]
        inputs = [self._in(pll, "REFERENCECLK", "") for pll in plls]
        found = [name for name in inputs if name] or [self._in(pin, "PACKAGE_PIN") for pin in pins]
        if len(plls) != 1 or len(found) != 1:
            raise ToolError("a netlist must have one PLL with one input to be simulated")
        return found[0]
