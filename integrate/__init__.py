"""The files by which other people's tools take a unit: Vivado, FuseSoC, LiteX, and a C program."""
