"""Radiona ULX3S with an LFE5U-85F: an FT231X for both programming and the serial line."""

from amaranth_boards.ulx3s import ULX3S_85F_Platform

from .board import Board, HostLink, KnownArray, Programming, Usb
from .parts import ECP5_85F

USB = Usb(0x0403, 0x6015, ("ULX3S",))

BOARD = Board(
    name="ulx3s_85f",
    title="Radiona ULX3S 85F",
    part=ECP5_85F,
    platform=ULX3S_85F_Platform,
    oscillator="clk25",
    link=HostLink("FT231X", 3_000_000, USB),
    programming=Programming("ulx3s", USB),
    lights=(("led", 0), ("led", 1)),
    arrays={
        ("int8", "int8"): KnownArray(8, 6, 4, "none"),
        ("e4m3", "e4m3"): KnownArray(12, 10, 1, "none"),
        ("e2m1", "int4"): KnownArray(16, 20, 1, "none"),
        ("e2m1", "e2m1"): KnownArray(16, 20, 1, "none"),
    },
    network=(4, 16, 4, 4),
    network_dsp="none",  # with nearly all 156 DSPs in use, no place is found
)
