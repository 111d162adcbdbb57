"""Digilent Arty A7-35: no open place and route in PyPI, so it stops at a netlist (EDIF) and constraints (XDC)."""

from amaranth_boards.arty_a7 import ArtyA7_35Platform

from .board import Board, HostLink, Programming, Usb
from .parts import XC7A35T

USB = Usb(0x0403, 0x6010, ("Digilent",))

BOARD = Board(
    name="arty_a7",
    title="Digilent Arty A7-35",
    part=XC7A35T,
    platform=ArtyA7_35Platform,
    oscillator="clk100",
    link=HostLink("FT2232HQ", 3_000_000, USB, interface=1),
    programming=Programming("arty_a7_35t", USB),
    lights=(("led", 0), ("led", 1)),
)
