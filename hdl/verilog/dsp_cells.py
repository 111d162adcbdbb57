"""DSP blocks in the text: the vendor's cell for synthesis, and what it computes for everything else.

Simulators and linters do not know cells of an FPGA family. Where ``SYNTHESIS`` is not defined, which synthesizers
define by themselves, plain assignments stand in the place of the cell.
"""

from collections.abc import Callable, Mapping

__all__ = ["COMPUTED", "computed"]


def computed(cell: str, parameters: Mapping[str, int], inputs: Mapping[str, str], output: str) -> list[str]:
    """Statements that give ``output`` what a cell gives it. Raises ValueError for a way to use it that is not known.

    Parameters
    ----------
    cell: one of ``COMPUTED``
    parameters: of the cell, those that are not 0
    inputs: names of what is connected to ``A``, ``B`` and ``CLK``
    output: name of what is connected to ``O``, without registers
    """
    return COMPUTED[cell](parameters, inputs, output)


def _sb_mac16(parameters: Mapping[str, int], inputs: Mapping[str, str], output: str) -> list[str]:
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
            factor, given = f"{output}_{name}_{port.lower()}", inputs[port]
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
        f"  always @(posedge {inputs['CLK']})",
        f"    {output}_registered <= {both};",
        f"  assign {output} = {output}_registered;",
    ]


COMPUTED: dict[str, Callable[[Mapping[str, int], Mapping[str, str], str], list[str]]] = {"SB_MAC16": _sb_mac16}
"""The cells that are known, by their names."""
