"""tinyVision UPduino v3: an FT232H for both programming and the serial line, on the flash's pins."""

from amaranth_boards.upduino_v3 import UpduinoV3Platform

from .board import Board, HostLink, KnownArray, Programming, Usb
from .parts import UP5K, UP5K_ARRAYS

USB = Usb(0x0403, 0x6014, ("UPduino",))
SOLDER = "solder the jumper OSC, which brings the 12 MHz oscillator to pin 20"

BOARD = Board(
    name="upduino_v3",
    title="tinyVision UPduino v3",
    part=UP5K,
    platform=UpduinoV3Platform,
    oscillator="clk12",
    link=HostLink("FT232H", 3_000_000, USB, rx="15", tx="14", note=SOLDER),
    programming=Programming(
        *("ice40_generic", USB), volatile=False, iceprog=True, options=("--vid", "0x0403", "--pid", "0x6014")
    ),
    high=("16",),  # the flash's chip select, or the flash would talk on the serial line
    arrays=UP5K_ARRAYS
    | {
        ("e2m1", "int4"): KnownArray(3, 5, 4, "auto"),
        ("e2m1", "e2m1"): KnownArray(3, 5, 4, "auto"),
    },
)
