"""Modules as text: every width written out, no part of a variable driven apart, what is not used said to be so."""

from collections.abc import Mapping, Sequence
from typing import Any

from .family_cells import COMPUTED, computed
from .identifiers import plain
from .names import Names, Variable
from .netlist import REGISTERS, RIGHT_SHIFTS, Bit, Cell, Netlist, extend
from .operands import Operands, constant
from .operators import INLINED, INLINING, expression

__all__ = ["write_modules"]

_STATEMENTS = REGISTERS | {"$memrd_v2", "$memwr_v2"}

_LONGEST = 60
"""No expression is written into another that would make it longer."""


def write_modules(
    design: dict[str, Any], top: str, ports: Sequence[str], attributes: Mapping[str, Mapping[str, str]]
) -> str:
    """Verilog-2005 of a design in yosys's JSON, its top module first.

    ``ports`` are those of the top in their order. Of the modules inside, and of a top without an order, inputs come
    before outputs. Clock and reset always come first. ``attributes`` are those of the top's ports, by port and name.
    Cells of a family are known by their ports alone, and stay names.
    """
    own = [item for item in design["modules"].items() if not item[1].get("attributes", {}).get("blackbox")]
    modules = sorted(own, key=lambda item: item[0] != top)
    return "\n".join(
        _Module(Netlist(name, module), *((ports, attributes) if name == top else ((), {}))).text()
        for name, module in modules
    )


class _Module:
    """The text of one module, made once."""

    def __init__(self, netlist: Netlist, order: Sequence[str], attributes: Mapping[str, Mapping[str, str]]):
        self.netlist = netlist
        self.attributes = attributes
        self.order = sorted(netlist.ports, key=lambda port: _rank(port, netlist.ports[port][0], order))
        self.names = Names(netlist)
        self._signed = {variable.name for variable in self.names.variables if variable.is_signed}
        self._operands = Operands(self.names)
        self._inside: dict[tuple[int, str], str] = {}
        self._gone: set[str] = set()
        self._helpers: list[str] = []

    def text(self) -> str:
        body = self._logic() + self._registers() + self._memories() + self._instances() + self._outputs()
        body += self._unused()  # last, when all that is read is known
        head = ",\n".join(f"  {self._port(name)}" for name in self.order)
        lines = [f"module {self.netlist.name}(\n{head}\n);"]
        # yosys orders the operands of an adder by where they are declared. In alphabetical order the running sum comes
        # before what is added to it, and so passes the carry chain's LUTs by: see ``accumulate``.
        for variable in sorted(self.names.variables, key=lambda variable: variable.name):
            lines += self._declaration(variable)
        for name, (width, size) in self.netlist.memories.items():
            lines.append(f"  reg [{width - 1}:0] {plain(name)} [0:{size - 1}];")
        return "\n".join([*lines, *self._helpers, *body, "endmodule\n"])

    def _port(self, name: str) -> str:
        direction, bits = self.netlist.ports[name]
        is_register = name in self.names.ports and self.names.ports[name].is_register
        signed = "signed " if name in self.netlist.signed else ""
        width = f"[{len(bits) - 1}:0] " if len(bits) > 1 else ""
        told = "".join(f'(* {key} = "{value}" *)\n  ' for key, value in self.attributes.get(name, {}).items())
        return f"{told}{direction} {'reg ' if is_register else ''}{signed}{width}{name}"

    def _declaration(self, variable: Variable) -> list[str]:
        lines = []
        if variable.name in self._gone:
            return []
        if variable.name not in self.netlist.ports:
            kind = "reg" if variable.is_register else "wire"
            keep = "  (* keep = 32'd1 *)\n" if variable.is_kept else ""
            lines = [f"{keep}  {kind} {'signed ' if variable.is_signed else ''}{variable.range}{variable.name};"]
        start = [self.netlist.start.get(bit, "x") for bit in variable.bits]
        if variable.is_register and set(start) != {"x"}:
            lines.append(f"  initial {variable.name} = {constant(start)};")
        return lines

    # Logic

    def _logic(self) -> list[str]:
        """Assignments; cells whose result one operand takes whole, and nothing else, are written inside it."""
        cells = [cell for cell in self.netlist.cells if not cell.is_instance and cell.type not in _STATEMENTS]
        readers = self._readers()
        texts: dict[int, str] = {}
        waits = {id(cell): 0 for cell in cells}
        for parent, _ in readers.values():
            waits[id(parent)] = waits.get(id(parent), 0) + 1
        ready = [cell for cell in cells if not waits[id(cell)]]
        for cell in ready:  # grows while it is gone through
            text = "" if _is_lookup(cell) else expression(cell, self._pin, self._as_unsigned)
            reader = readers.get(id(cell))
            if reader is None or len(text) > _LONGEST:
                texts[id(cell)] = text
            else:
                self._inside[id(reader[0]), reader[1]] = f"({text})"
                self._gone.add(self.names.place[cell.result[0]][0].name)
            if reader is not None:
                waits[id(reader[0])] -= 1
                if not waits[id(reader[0])] and reader[0].type not in _STATEMENTS:
                    ready.append(reader[0])
        return [self._assignment(cell, texts[id(cell)]) for cell in cells if id(cell) in texts]

    def _assignment(self, cell: Cell, text: str) -> str:
        name = self.names.place[cell.result[0]][0].name
        rest = len(cell.pins["A"]) - len(cell.result) if cell.type in RIGHT_SHIFTS else 0
        if not rest:
            return f"  assign {name} = {text};"
        if _is_lookup(cell):
            words = self.names.unique(f"{name}_words")
            size = 1 << len(cell.pins["B"])
            table = self._operands.text(extend(cell.pins["A"], size, False))
            self._helpers.append(f"  wire [{size - 1}:0] {words} = {table};")
            return f"  assign {name} = {words}[{self._index(cell.pins['B'])}];"
        unused = self.names.unique(f"unused_{name}")
        self._helpers.append(f"  wire {f'[{rest - 1}:0] ' if rest > 1 else ''}{unused};")
        return f"  assign {{ {unused}, {name} }} = {text};"

    def _readers(self) -> dict[int, tuple[Cell, str]]:
        """The operand that takes the whole result of a cell without a name and is its only reader."""
        uses: dict[Bit, int] = {}
        for cell in self.netlist.cells:
            for pin, bits in cell.pins.items():
                if pin not in cell.outputs:
                    for bit in bits:
                        uses[bit] = uses.get(bit, 0) + 1
        for _, bits in self.netlist.ports.values():
            for bit in bits:
                uses[bit] = uses.get(bit, 0) + 1
        found = {}
        for cell in self.netlist.cells:
            if cell.is_instance or cell.type not in INLINING | REGISTERS:
                continue
            if _is_lookup(cell):
                continue
            for pin, bits in cell.pins.items():
                inner = None if pin in cell.outputs else self.netlist.driver.get(bits[0], (None, 0))[0]
                if inner is None or inner.is_instance or inner.type not in INLINED or inner.result != bits:
                    continue
                if all(uses[bit] == 1 for bit in bits) and self.names.place[bits[0]][0].name in self.names.anonymous:
                    found[id(inner)] = cell, pin
        return found

    def _pin(self, cell: Cell, pin: str) -> str:
        return self._inside.get((id(cell), pin)) or self._operands.text(cell.pins[pin])

    def _index(self, bits: Sequence[Bit]) -> str:
        """The bits of an index, none where there is one. A signed name would choose by a negative number."""
        return self._as_unsigned(self._operands.text(bits)) if bits else "0"

    def _as_unsigned(self, operand: str) -> str:
        return f"$unsigned({operand})" if operand in self._signed else operand

    # State

    def _registers(self) -> list[str]:
        return [self._register(cell) for cell in self.netlist.cells if cell.type in REGISTERS]

    def _register(self, cell: Cell) -> str:
        name = self.names.place[cell.result[0]][0].name
        load = f"{name} <= {_bare(self._pin(cell, 'D'))};"
        enable = self._condition(cell, "EN") if "EN" in cell.pins else ""
        if "SRST" not in cell.pins:
            return _clocked(self._clock(cell), f"if ({_bare(enable)}) {load}" if enable else load)
        reset = self._condition(cell, "SRST")
        value = constant(cell.parameters["SRST_VALUE"][::-1])
        if cell.type == "$sdffce":
            return _clocked(
                self._clock(cell), f"if ({_bare(enable)}) {name} <= {reset} ? {value} : {load[len(name) + 4 :]}"
            )
        load = f"if ({_bare(enable)}) {load}" if enable else load
        return _clocked(self._clock(cell), f"if ({_bare(reset)}) {name} <= {value};", f"else {load}")

    def _clock(self, cell: Cell) -> str:
        if not cell.number("CLK_POLARITY"):
            raise ValueError(f"clock must be active at its rising edge, not falling as in {cell.name}")
        return self._operands.text(cell.pins["CLK"])

    def _condition(self, cell: Cell, pin: str) -> str:
        text = self._pin(cell, pin)
        text = text if cell.number(f"{pin}_POLARITY") else f"~{text}"
        return text

    def _memories(self) -> list[str]:
        lines = []
        for memory, data in self.netlist.contents.items():
            width, size = self.netlist.memories[memory]
            words = [f"    {plain(memory)}[{k}] = {constant(data[k * width : (k + 1) * width])};" for k in range(size)]
            lines += ["  initial begin", *words, "  end"]
        for cell in self.netlist.cells:
            if cell.type == "$memwr_v2":
                lines.append(_clocked(self._clock(cell), *self._writes(cell)))
            elif cell.type == "$memrd_v2":
                lines.append(self._read_port(cell))
        return lines

    def _writes(self, cell: Cell) -> list[str]:
        """A statement for every part of the word that has an enable of its own."""
        word = f"{plain(cell.parameters['MEMID'][1:])}[{self._index(cell.pins['ADDR'])}]"
        enables, data = cell.pins["EN"], cell.pins["DATA"]
        starts = [k for k in range(len(enables)) if not k or enables[k] != enables[k - 1]]
        lines = []
        for begin, end in zip(starts, [*starts[1:], len(enables)], strict=True):
            if enables[begin] == "0":
                continue
            part = "" if end - begin == len(data) else f"[{end - 1}:{begin}]" if end - begin > 1 else f"[{begin}]"
            guard = "" if enables[begin] == "1" else f"if ({self._operands.text(enables[begin : begin + 1])}) "
            lines.append(f"{guard}{word}{part} <= {self._operands.text(data[begin:end])};")
        return lines

    def _read_port(self, cell: Cell) -> str:
        constants = [("TRANSPARENCY_MASK", "0"), ("SRST", "0"), ("ARST", "0")]
        for what, none in constants:
            if {*cell.parameters.get(what, ""), *cell.pins.get(what, [])} - {none}:
                raise ValueError(f"memory must have read ports without {what}, not {cell.name}")
        name = self.names.place[cell.result[0]][0].name
        word = f"{plain(cell.parameters['MEMID'][1:])}[{self._index(cell.pins['ADDR'])}]"
        if not cell.is_register:
            return f"  assign {name} = {word};"
        enable = cell.pins["EN"][0]
        guard = "" if enable == "1" else f"if ({self._operands.text([enable])}) "
        return _clocked(self._clock(cell), f"{guard}{name} <= {word};")

    # Edges

    def _instances(self) -> list[str]:
        lines = []
        for cell in self.netlist.cells:
            if cell.is_instance:
                pins = sorted(cell.pins, key=lambda pin: _rank(pin, "output" if pin in cell.outputs else "input", ()))
                connected = [f"    .{pin}({self._connection(cell, pin)})" for pin in pins]
                lines += self._instance(cell, f" {plain(cell.name)}(\n" + ",\n".join(connected) + "\n  );")
        return lines

    def _instance(self, cell: Cell, connected: str) -> list[str]:
        """An instance; for a cell of a family, beside what a simulator takes in its place."""
        if cell.type not in COMPUTED:
            if cell.parameters:
                raise ValueError(f"instance must have no parameters, not {cell.name}")
            return [f"  {cell.type}{connected}"]
        numbers = {name: text for name, text in cell.parameters.items() if not text.strip("01")}
        given = ", ".join(
            f".{name}({len(text)}'b{text})" if name in numbers else f'.{name}("{text}")'
            for name, text in cell.parameters.items()
        )
        pins = {pin: self._connection(cell, pin) for pin in cell.pins}
        unique = self.names.unique(plain(cell.name))
        instead = computed(cell.type, {name: int(text, 2) for name, text in numbers.items()}, pins, unique)
        parameters = f" #({given})" if given else ""
        return ["`ifdef SYNTHESIS", f"  {cell.type}{parameters}{connected}", "`else", *instead, "`endif"]

    def _connection(self, cell: Cell, pin: str) -> str:
        bits = cell.pins[pin]
        return self.names.place[bits[0]][0].name if pin in cell.outputs else self._operands.text(bits)

    def _outputs(self) -> list[str]:
        return [
            f"  assign {name} = {self._operands.text(bits)};"
            for name, (direction, bits) in self.netlist.ports.items()
            if direction == "output" and name not in self.names.ports
        ]

    def _unused(self) -> list[str]:
        """What nothing looks at, in a wire whose name tells linters that this is meant."""
        rest: list[str] = []
        for variable in self.names.variables:
            if variable.name in self.names.ports or variable.name in self._gone or variable.name.startswith("unused_"):
                continue
            idle = [bit not in self._operands.read for bit in variable.bits]
            end = len(idle)
            while end:
                begin = end
                while begin and idle[begin - 1]:
                    begin -= 1
                if begin < end:
                    rest.append(self._operands.slice(variable.bits[begin:end]))
                end = begin - 1 if begin else 0
        return [f"  wire {self.names.unique('unused')} = &{{ 1'h0, {', '.join(rest)} }};"] if rest else []


def _is_lookup(cell: Cell) -> bool:
    """Whether a shift to the right picks one bit of many, and is written as an index."""
    picks = cell.type in RIGHT_SHIFTS - {"$sshr"} and len(cell.result) == 1
    return picks and len(cell.pins["A"]) > 1


def _rank(port: str, direction: str, order: Sequence[str]) -> tuple[int, int, bool]:
    """Where a port stands; ports of the same rank stay as they are."""
    first = {"clk": 0, "rst": 1}.get(port, 2)
    return first, order.index(port) if port in order else len(order), direction == "output"


def _bare(text: str) -> str:
    """An expression without the brackets around it; only whole expressions begin with one."""
    return text[1:-1] if text.startswith("(") else text


def _clocked(clock: str, *statements: str) -> str:
    if len(statements) == 1 or statements[1].startswith("else "):
        return "\n    ".join([f"  always @(posedge {clock})", *statements])
    return "\n    ".join([f"  always @(posedge {clock}) begin", *statements]) + "\n  end"
