"""AMD 7-series: LUT6, DSP48E1, block RAM of 36 Kbit. There is no open place and route as a wheel."""

from .block_ram import BlockRam
from .family import DspBlock, Family, FpgaDevice

__all__ = ["FAMILY", "amd_family"]


LUT_RAMS = {
    "RAM32X1D": 2,
    "RAM64X1D": 2,
    "RAM128X1S": 2,
    "RAM128X1D": 4,
    "RAM256X1S": 4,
    "RAM32M": 4,
    "RAM64M": 4,
    "RAM256X1D": 8,
    "RAM512X1S": 8,
    "RAM32M16": 8,
    "RAM32X16DR8": 8,
    "RAM64X8SW": 8,
    "RAM64M8": 8,
}
"""LUTs of a slice that a LUT RAM takes, where it takes more than one (AMD UG474, UG574)."""


def amd_family(name: str, title: str, longest_factor: int) -> Family:
    """A family by the name that ``synth_xilinx -family`` knows it by, with the bits of its longer factors."""
    return Family(
        name=name,
        title=title,
        lut_inputs=6,
        devices=(FpgaDevice(name),),
        synth=f"synth_xilinx -family {name} -flatten -noiopad -noclkbuf",
        no_dsp="-nodsp",
        begin="begin:prepare",
        library="read_verilog -lib -specify +/xilinx/cells_sim.v",
        ranges=("prepare:map_memory", "map_ffram:map_luts"),
        memory_ranges=("prepare:map_luts",),
        before_abc=("opt_expr -mux_undef -noclkinv",),
        after_abc=(
            "techmap -map +/xilinx/lut_map.v -map +/xilinx/cells_map.v -D LUT_WIDTH=6",
            "xilinx_dffopt",
            "opt_lut_ins -tech xilinx",
        ),
        finish="finalize:check",
        # a shift register or a LUT RAM takes the place of a LUT
        lut=r"LUT([1-6])|SRL16E|SRLC32E|RAM\d+[XMDS].*",
        lut_rams=LUT_RAMS,
        carry=r"CARRY[48]",
        ff=r"FD[RSCP]E(_1)?",
        dsp=r"DSP48E\d",
        bram=r"RAMB.*",
        block=DspBlock((longest_factor, 18), unsigned=False, least_product=9, cascade=8),
        ram=BlockRam(
            36864, ((72, 512), (36, 1024), (18, 2048), (9, 4096), (4, 8192), (2, 16384), (1, 32768)), least_words=512
        ),
        inverter="INV",
        tech="xilinx",
    )


FAMILY = amd_family("xc7", "AMD 7-series", 25)
