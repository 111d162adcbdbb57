"""Sipeed Tang Nano 9K: a BL702 that poses as an FT2232, port A programs, port B is the serial line."""

from amaranth_boards.tang_nano_9k import TangNano9kPlatform

from .board import Board, HostLink, KnownArray, Programming, Usb
from .parts import GW1NR_9C

USB = Usb(0x0403, 0x6010, ("JTAG Debugger", "SIPEED", "USB Debugger"))

BOARD = Board(
    name="tang_nano_9k",
    title="Sipeed Tang Nano 9K",
    part=GW1NR_9C,
    platform=TangNano9kPlatform,
    oscillator="clk27",
    link=HostLink("BL702", 2_000_000, USB, interface=1),
    programming=Programming("tangnano9k", USB, readable=False),
    lights=(("led", 0), ("led", 1)),
    arrays={
        ("int8", "int8"): KnownArray(4, 4, 1, "auto"),
        ("e4m3", "e4m3"): KnownArray(2, 2, 4, "auto"),
        ("e2m1", "int4"): KnownArray(3, 5, 4, "auto"),
        ("e2m1", "e2m1"): KnownArray(3, 5, 4, "auto"),
    },
)
