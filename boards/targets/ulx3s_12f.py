"""Radiona ULX3S with an LFE5U-12F: an FT231X for both programming and the serial line."""

from amaranth_boards.ulx3s import ULX3S_12F_Platform

from .board import Board, HostLink, Programming, Usb
from .parts import ECP5_12F, ECP5_24K_ARRAYS

USB = Usb(0x0403, 0x6015, ("ULX3S",))

BOARD = Board(
    name="ulx3s_12f",
    title="Radiona ULX3S 12F",
    part=ECP5_12F,
    platform=ULX3S_12F_Platform,
    oscillator="clk25",
    link=HostLink("FT231X", 3_000_000, USB),
    programming=Programming("ulx3s", USB),
    lights=(("led", 0), ("led", 1)),
    arrays=ECP5_24K_ARRAYS,
    network=(1, 16, 4, 2),
)
