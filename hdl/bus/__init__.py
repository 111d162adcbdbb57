"""This room speaks the buses of other people's designs: AXI4-Lite, Wishbone, AXI4-Stream."""
