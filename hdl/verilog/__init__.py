"""The Verilog writer: from a netlist of yosys to text that linters of any age accept."""
