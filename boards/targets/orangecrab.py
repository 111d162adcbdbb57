"""OrangeCrab r0.2 with an LFE5U-25F: no USB chip, so the link needs an adapter; programmed by its bootloader (DFU)."""

from dataclasses import replace

from amaranth_boards.orangecrab_r0_2 import OrangeCrabR0_2_25FPlatform

from .board import Board, HostLink, Programming, Usb
from .parts import ECP5_24K_ARRAYS, ECP5_25F

ADAPTER = "connect a USB serial adapter of 3.3 V: its TX to the pin marked 0, its RX to the one marked 1, and ground"
BUTTON = "hold the button while plugging it in: the LED then shows the bootloader"

BOARD = Board(
    name="orangecrab",
    title="OrangeCrab r0.2 25F",
    part=replace(ECP5_25F, pack=("--compress", "--freq", "38.8")),
    platform=OrangeCrabR0_2_25FPlatform,
    oscillator="clk",
    link=HostLink("none, needs a USB serial adapter", 3_000_000, None, rx="N17", tx="M18", note=ADAPTER),
    programming=Programming(
        "orangeCrab", Usb(0x1209, 0x5AF0, ("OrangeCrab",)), volatile=False, readable=False, note=BUTTON
    ),
    arrays=ECP5_24K_ARRAYS,
    network=(1, 16, 4, 2),
)
