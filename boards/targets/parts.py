"""The FPGAs on the boards, as the open tools know them."""

from dataclasses import replace

from ...families import FAMILIES, Capacity, FpgaDevice, Target, parse_target
from ...families.ecp5 import ecp5_device
from .board import KnownArray, Part

__all__ = ["ECP5_12F", "ECP5_24K_ARRAYS", "ECP5_25F", "ECP5_85F", "GW1NR_9C", "HX8K", "UP5K", "UP5K_ARRAYS", "XC7A35T"]


def _ecp5(title: str, size: str, package: str, speed: int, capacity: Capacity) -> Part:
    device = ecp5_device(size, package, speed, capacity)
    return Part(title, Target(FAMILIES["ecp5"], device), "ecp5", 60, ("--compress",))


UP5K_ARRAYS = {
    ("int8", "int8"): KnownArray(3, 3, 2, "auto"),
    ("e4m3", "e4m3"): KnownArray(1, 2, 4, "auto"),
    ("e2m1", "int4"): KnownArray(3, 3, 4, "auto"),
    ("e2m1", "e2m1"): KnownArray(3, 3, 4, "auto"),
    ("e2m1", "int8"): KnownArray(2, 3, 4, "auto"),
}
"""Arrays that a search could place and route, on boards with an oscillator of 12 MHz."""

HX8K = Part("Lattice iCE40-HX8K", parse_target("ice40-hx8k"), "ice40", 60, file_bytes=135_100)
UP5K = Part("Lattice iCE40-UP5K", parse_target("ice40-up5k"), "ice40", 24, file_bytes=104_090)

ECP5_12F = _ecp5("Lattice LFE5U-12F", "12k", "CABGA381", 6, Capacity(24288, 28, 56))
"""The die is the 25F's, and the open tools use all of it; the maker promises 12,000 LUTs and 32 block RAMs."""

ECP5_24K_ARRAYS = {
    ("int8", "int8"): KnownArray(4, 6, 4, "auto"),
    ("e4m3", "e4m3"): KnownArray(9, 6, 1, "auto"),
    ("e2m1", "int4"): KnownArray(11, 17, 1, "auto"),
    ("e2m1", "e2m1"): KnownArray(9, 11, 2, "auto"),
    ("e2m1", "int8"): KnownArray(5, 7, 4, "auto"),
    ("ternary", "int8"): KnownArray(7, 11, 4, "auto"),
}
"""Arrays for the 12F and the 25F that a search could place and route on the 12F."""

ECP5_85F = _ecp5("Lattice LFE5U-85F", "85k", "CABGA381", 6, Capacity(83640, 156, 208))
ECP5_25F = _ecp5("Lattice LFE5U-25F", "25k", "CSFBGA285", 8, Capacity(24288, 28, 56))

_GW1N = replace(FAMILIES["gowin"], title="Gowin GW1N", synth="synth_gowin -family gw1n -nowidelut -noiopads")

GW1NR_9C = Part(
    "Gowin GW1NR-9C",
    Target(
        _GW1N,
        FpgaDevice(
            "gw1nr-9c",
            route=("--device", "GW1NR-LV9QN88PC6/I5", "--vopt", "family=GW1N-9C"),
            capacity=Capacity(8640, 20, 26),
        ),
    ),
    "gowin",
    48,
    ("-d", "GW1N-9C", "--sspi_as_gpio", "--mspi_as_gpio"),
)

XC7A35T = Part(
    "AMD XC7A35T",
    Target(FAMILIES["xc7"], FpgaDevice("xc7a35t", capacity=Capacity(20800, 90, 50))),
    "none",
    100,
)
