"""Cologne Chip GateMate: LUT trees of 4 inputs, carry cells in the place of a LUT, block RAM of 40 Kbit, no DSP block.

A multiplier, CC_MULT, is made of logic cells.
"""

from .family import Capacity, Family, FpgaDevice, HarnessCell, HarnessCells, Nextpnr

FAMILY = Family(
    name="gatemate",
    title="Cologne Chip GateMate",
    lut_inputs=4,
    devices=(FpgaDevice("ccgm1a1", route=("--device", "CCGM1A1"), capacity=Capacity(40960, 0, 32)),),
    synth="synth_gatemate -noiopad -noclkbuf -nomx8 -nomx4",
    no_dsp="-nomult",
    begin="begin:prepare",
    ranges=("prepare:map_bram", "map_ffram:map_luts"),
    memory_ranges=("prepare:map_luts",),
    lut=r"CC_LUT([1-4])",
    carry="CC_ADDF",
    ff="CC_DFF",
    dsp="CC_MULT",
    bram=r"CC_BRAM.*",
    placed="-luttree",
    carry_area=1,
    nextpnr=Nextpnr(tool="yowasp-nextpnr-himbaechel-gatemate", logic_cell="CPE_LT", dsp="CPE_MULT", bram="RAM"),
    harness=HarnessCells(
        flip_flop=HarnessCell(
            "CC_DFF",
            tuple((name, "0") for name in ("CLK_INV", "EN_INV", "INIT", "SR_INV", "SR_VAL")),
            (("clock", "CLK"), ("d", "D"), ("q", "Q")),
            (("EN", "1"), ("SR", "0")),
        ),
        exclusive_or=HarnessCell(
            "CC_L2T4",
            tuple((f"INIT_L{place}", "0110") for place in ("00", "01", "10")),
            (("a", "I0"), ("b", "I1"), ("c", "I2"), ("d", "I3"), ("y", "O")),
        ),
        packs=("CC_LUT1", "CC_LUT2", "CC_L2T4"),
        more_cells=2,  # the way between a pin and the logic goes through one
        options=("--vopt", "allow-unconstrained"),
        input_buffer=HarnessCell("CC_IBUF", (), (("a", "I"), ("y", "Y"))),
        output_buffer=HarnessCell("CC_OBUF", (), (("a", "A"), ("y", "O"))),
        clock_buffer=HarnessCell("CC_BUFG", (), (("a", "I"), ("y", "O"))),
    ),
)
