"""Commands on units: their Verilog, proof and price."""
