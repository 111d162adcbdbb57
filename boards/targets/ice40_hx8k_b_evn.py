"""Lattice iCE40-HX8K breakout board: FT2232H, port A programs the flash, port B is the serial line."""

from amaranth_boards.ice40_hx8k_b_evn import ICE40HX8KBEVNPlatform

from .board import Board, HostLink, KnownArray, Programming, Usb
from .parts import HX8K

USB = Usb(0x0403, 0x6010, ("Lattice FTUSB", "Dual RS232-HS"))

BOARD = Board(
    name="ice40_hx8k_b_evn",
    title="Lattice iCE40-HX8K breakout board",
    part=HX8K,
    platform=ICE40HX8KBEVNPlatform,
    oscillator="clk12",
    link=HostLink("FT2232H", 3_000_000, USB, interface=1),
    programming=Programming("ice40_generic", USB, volatile=False, iceprog=True),
    lights=(("led", 0), ("led", 1)),
    arrays={
        ("int8", "int8"): KnownArray(3, 3, 4, "none"),
        ("e4m3", "e4m3"): KnownArray(2, 3, 4, "none"),
        ("e2m1", "int4"): KnownArray(4, 6, 4, "none"),
        ("e2m1", "e2m1"): KnownArray(4, 6, 4, "none"),
    },
)
