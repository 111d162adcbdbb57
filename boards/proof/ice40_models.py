"""Verilog models of those cells of an iCE40 for which yosys has none. A netlist out of a bitstream needs them.

A PLL passes its input on, and is locked: whoever simulates it gives it the clock that the PLL would make.
"""

__all__ = ["ICE40_MODELS"]


def _ice40_pll(kind: str, pin: str) -> str:
    return f"""
module SB_PLL40_{kind} (
    input {pin}, EXTFEEDBACK, LATCHINPUTVALUE, RESETB, BYPASS, SDI, SCLK, input [7:0] DYNAMICDELAY,
    output PLLOUTCORE, PLLOUTGLOBAL, LOCK, SDO
);
    parameter FEEDBACK_PATH = "";
    parameter DELAY_ADJUSTMENT_MODE_FEEDBACK = "";
    parameter DELAY_ADJUSTMENT_MODE_RELATIVE = "";
    parameter PLLOUT_SELECT = "";
    parameter SHIFTREG_DIV_MODE = 0;
    parameter FDA_FEEDBACK = 0;
    parameter FDA_RELATIVE = 0;
    parameter DIVR = 0;
    parameter DIVF = 0;
    parameter DIVQ = 0;
    parameter FILTER_RANGE = 0;
    parameter ENABLE_ICEGATE = 0;
    parameter TEST_MODE = 0;
    assign PLLOUTCORE = {pin};
    assign PLLOUTGLOBAL = {pin};
    assign LOCK = 1'b1;
    assign SDO = 1'b0;
endmodule
"""


ICE40_MODELS = _ice40_pll("CORE", "REFERENCECLK") + _ice40_pll("PAD", "PACKAGEPIN")
