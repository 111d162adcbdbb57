"""fewbit: arithmetic of few-bit number formats for FPGAs: Verilog, the proof that it is right, and its price."""

__version__ = "0.1.0"
