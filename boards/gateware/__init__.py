"""What is on the FPGA beside the engine."""
