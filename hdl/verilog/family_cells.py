"""Cells of a family in the text: the vendor's cell for synthesis, and what it computes for everything else.

Simulators and linters do not know cells of an FPGA family. Where ``SYNTHESIS`` is not defined, which synthesizers
define by themselves, plain assignments stand in the place of the cell.
"""

from collections.abc import Callable, Mapping

__all__ = ["COMPUTED", "computed"]


def computed(cell: str, parameters: Mapping[str, int], pins: Mapping[str, str], unique: str) -> list[str]:
    """Statements that give the outputs of a cell what it gives them. Raises ValueError for a way to use it that is not
    known.

    Parameters
    ----------
    cell: one of ``COMPUTED``
    parameters: of the cell, those that are not 0
    pins: what is connected to each pin; of outputs, without registers, the name of a wire
    unique: what no other name in the module starts with
    """
    return COMPUTED[cell](parameters, pins, unique)


def _sb_mac16(parameters: Mapping[str, int], pins: Mapping[str, str], unique: str) -> list[str]:
    output = pins["O"]
    is_signed, registered = bool(parameters.get("A_SIGNED")), bool(parameters.get("TOP_8x8_MULT_REG"))
    expected = {"TOPOUTPUT_SELECT": 2, "BOTOUTPUT_SELECT": 2, "MODE_8x8": 1}
    expected |= dict.fromkeys(("A_SIGNED", "B_SIGNED"), 1) if is_signed else {}
    expected |= dict.fromkeys(("TOP_8x8_MULT_REG", "BOT_8x8_MULT_REG"), 1) if registered else {}
    if {name: value for name, value in parameters.items() if value} != expected:
        raise ValueError(f"SB_MAC16 must make two products of one kind, not those of {dict(parameters)}")
    lines = []
    for name, low in (("low", 0), ("high", 8)):
        factors = []
        for port in ("A", "B"):
            factor, given = f"{output}_{name}_{port.lower()}", pins[port]
            top = f"{{ 8 {{ {given}[{low + 7}] }} }}" if is_signed else "8'h00"
            lines.append(f"  wire [15:0] {factor} = {{ {top}, {given}[{low + 7}:{low}] }};")
            factors.append(factor)
        lines.append(f"  wire [15:0] {output}_{name} = {factors[0]} * {factors[1]};")
    both = f"{{ {output}_high, {output}_low }}"
    if not registered:
        return [*lines, f"  assign {output} = {both};"]
    return [
        *lines,
        f"  reg [31:0] {output}_registered;",
        f"  always @(posedge {pins['CLK']})",
        f"    {output}_registered <= {both};",
        f"  assign {output} = {output}_registered;",
    ]


_CARRY_LOGIC = {
    0x6AAA: ("{a} ^ ({b} & {c})", "{a}"),
    0x95AA: ("{a} ^ ~({b} & {c})", "{a}"),
    0x96AA: ("{a} ^ {b} ^ {c}", "{a}"),
    0xD222: ("({a} & ~{b}) ^ {c}", "{a} & ~{b}"),
    0x7888: ("({a} & {b}) ^ ({c} & {d})", "{a} & {b}"),
    0x956A: ("{a} ^ ({b} & {c}) ^ {d}", "{a}"),
}
"""What a position of CCU2C adds to its carry, and what its carry is where that is 0, by the content of its LUT."""


_OF_FOUR = (0x7888, 0x956A)
"""Those that all four inputs change."""


def _ccu2c(parameters: Mapping[str, int], pins: Mapping[str, str], unique: str) -> list[str]:
    lines = []
    carry = pins["CIN"]
    for half in ("0", "1"):
        init = parameters[f"INIT{half}"]
        inputs = {name.lower(): pins[f"{name}{half}"] for name in "ABCD"}
        if init not in _CARRY_LOGIC or (init not in _OF_FOUR and inputs["d"] not in ("1'h1", "1'h0")):
            raise ValueError(f"CCU2C must have a LUT that is known, not {init:04x} of {inputs}")
        added, otherwise = (text.format(**inputs) for text in _CARRY_LOGIC[init])
        if f"S{half}" in pins or half == "0" or "COUT" in pins:
            lines.append(f"  wire {unique}_{half} = {added};")
        if f"S{half}" in pins:
            lines.append(f"  assign {pins[f'S{half}']} = {unique}_{half} ^ {carry};")
        following = f"{unique}_{half} ? {carry} : {otherwise}"
        if half == "0" and ("S1" in pins or "COUT" in pins):
            lines.append(f"  wire {unique}_carry = {following};")
        if half == "1" and "COUT" in pins:
            lines.append(f"  assign {pins['COUT']} = {following};")
        carry = f"{unique}_carry"
    return lines


def _sb_spram256ka(parameters: Mapping[str, int], pins: Mapping[str, str], unique: str) -> list[str]:
    """A word is read or written at a time; what is read in a cycle of writing is not known."""
    fixed = {"MASKWREN": "4'hf", "STANDBY": "1'h0", "SLEEP": "1'h0", "POWEROFF": "1'h1"}
    found = {name: pins[name] for name in fixed}
    if found != fixed:
        raise ValueError(f"SB_SPRAM256KA must be on and write whole words, not have {found}")
    return [
        f"  reg [15:0] {unique}_words [0:16383];",
        f"  reg [15:0] {unique}_read;",
        f"  always @(posedge {pins['CLOCK']})",
        f"    if ({pins['CHIPSELECT']}) begin",
        f"      {unique}_read <= {unique}_words[{pins['ADDRESS']}];",
        f"      if ({pins['WREN']}) begin",
        f"        {unique}_words[{pins['ADDRESS']}] <= {pins['DATAIN']};",
        f"        {unique}_read <= 16'hxxxx;",
        "      end",
        "    end",
        f"  assign {pins['DATAOUT']} = {unique}_read;",
    ]


COMPUTED: dict[str, Callable[[Mapping[str, int], Mapping[str, str], str], list[str]]] = {
    "SB_MAC16": _sb_mac16,
    "CCU2C": _ccu2c,
    "SB_SPRAM256KA": _sb_spram256ka,
}
"""The cells that are known, by their names."""
