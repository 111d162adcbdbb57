"""Registers and streams as other people's designs have them: AXI4-Lite, Wishbone, AXI4-Stream."""
