"""iCEBreaker of 1BitSquared: FT2232H, port A programs the flash, port B is the serial line."""

from dataclasses import replace

from amaranth_boards.icebreaker import ICEBreakerPlatform

from .board import Board, HostLink, KnownArray, Programming, Usb
from .parts import UP5K, UP5K_ARRAYS

USB = Usb(0x0403, 0x6010, ("iCEBreaker",))

BOARD = Board(
    name="icebreaker",
    title="1BitSquared iCEBreaker",
    part=replace(UP5K, pll="ice40_pad"),
    platform=ICEBreakerPlatform,
    oscillator="clk12",
    link=HostLink("FT2232H", 3_000_000, USB, interface=1),
    programming=Programming("ice40_generic", USB, volatile=False, iceprog=True),
    lights=(("led_g", 0), ("led_r", 0)),
    arrays=UP5K_ARRAYS
    | {
        ("int8", "int8"): KnownArray(2, 3, 4, "auto", 3, "booth"),
        ("e2m1", "int8"): KnownArray(3, 3, 4, "auto"),
        ("ternary", "int8"): KnownArray(4, 5, 4, "auto"),
    },
)
