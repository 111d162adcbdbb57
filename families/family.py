"""What describes an FPGA family: how yosys synthesizes for it, which cells are counted as what, how it is routed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from .block_ram import BlockRam, RamRegisters
from .logic_cell import LogicCell

__all__ = [
    *("Capacity", "CellCounts", "DspBlock", "Family"),
    *("FpgaDevice", "HarnessCell", "HarnessCells", "Nextpnr"),
]


@dataclass(frozen=True)
class HarnessCell:
    """A library cell as the harness makes it: its type, its parameters, and its pins by what they are for.

    ``ties`` are pins that are held at a constant, ``0`` or ``1``.
    """

    type: str
    parameters: tuple[tuple[str, str], ...]
    pins: tuple[tuple[str, str], ...]
    ties: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class HarnessCells:
    """What a single unit needs around it to be placed and routed alone.

    Parameters
    ----------
    flip_flop: pins ``clock``, ``d``, ``q``
    exclusive_or: a LUT with pins ``a``, ``b``, ``c``, ``d``, ``y``, for families that cannot be routed out of context:
        pins are then loaded and read serially
    input_buffer, output_buffer: pins ``a``, ``y``, for families whose nextpnr adds none
    clock_buffer: pins ``a``, ``y``, behind the clock's input buffer, where nextpnr puts no clock on the global network
    sites: of the three pins, the clock's, the serial one in, and the one out, where nextpnr does not choose them
    open_pins: cell types and pins that nextpnr wants without a net where yosys gives them a constant that says nothing
    low, high: cells that make constants at their pin ``y``, where nextpnr does not make them itself
    packs: types of LUT cells that share a logic cell with the flip-flop behind them, where a flip-flop alone takes one;
        empty where flip-flops take none
    more_cells: logic cells that the three pins and the constants take
    options: of nextpnr for a unit that is not a whole FPGA
    """

    flip_flop: HarnessCell
    exclusive_or: HarnessCell | None = None
    input_buffer: HarnessCell | None = None
    output_buffer: HarnessCell | None = None
    clock_buffer: HarnessCell | None = None
    sites: tuple[str, str, str] | None = None
    open_pins: tuple[tuple[str, str], ...] = ()
    low: HarnessCell | None = None
    high: HarnessCell | None = None
    packs: tuple[str, ...] = ()
    more_cells: int = 0
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Nextpnr:
    """How nextpnr places and routes for a family.

    Parameters
    ----------
    tool: name in ``tools.TOOLS``
    logic_cell: name in nextpnr's report of what LUTs and carry are packed into
    dsp, bram: names in the report of multipliers and of block RAMs
    large_ram: name in the report of large RAMs; empty where there are none
    other_router: options for a run that did not come to an end by the first router; empty where there is no other
    timeout: seconds that a run may take that fills a device: it takes its time there, and place and route of a device
        that is too full may never end
    fill: the share of a device's logic cells that it is known to place
    large_placer: options for the placer that is better at large netlists. It is for devices with ``ram_sites``, since
        it comes to no end where it is to place block RAMs itself
    """

    tool: str
    logic_cell: str
    dsp: str
    bram: str
    other_router: tuple[str, ...] = ()
    timeout: float = 3600
    large_ram: str = ""
    # no cost of a unit depends on these, whose cache goes by the repr
    fill: float = field(default=0.93, repr=False)
    large_placer: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class DspBlock:
    """A family's multiplier, and which multiplications yosys leaves to it.

    Parameters
    ----------
    bits: of its two factors in two's complement, the longer one first
    unsigned: whether factors without a sign may be as long; they are a bit shorter otherwise
    least_factor, least_product: bits of either factor and of the product from which on yosys takes a block
    halves: bits of the factors of each of two products that SB_MAC16 makes in the place of one; 0 where a block has no
        such mode
    cascade: products that one block after the other adds to the sum of those before it, where yosys finds that; 0 where
        blocks have no such adders
    """

    bits: tuple[int, int]
    unsigned: bool = True
    least_factor: int = 2
    least_product: int = 0
    halves: int = 0
    cascade: int = 0

    def takes(self, a_bits: int, b_bits: int, product_bits: int) -> bool:
        """Whether yosys leaves a product of such factors to a block, or to several where they are long."""
        return min(a_bits, b_bits) >= self.least_factor and product_bits >= self.least_product

    def holds(self, a_bits: int, b_bits: int, signed: bool = True) -> bool:
        """Whether one block is enough for factors of so many bits."""
        shorter = not signed and not self.unsigned
        longest = (bits - shorter for bits in self.bits)
        return all(bits <= most for bits, most in zip(sorted((a_bits, b_bits), reverse=True), longest, strict=True))


@dataclass(frozen=True)
class Capacity:
    """What there is on a device: LUTs (as many flip-flops), multipliers, block RAMs, large RAMs."""

    luts: int
    dsps: int
    brams: int
    large_rams: int = 0


@dataclass(frozen=True)
class FpgaDevice:
    """One member of a family.

    ``synth`` are its options for yosys, ``dsp`` those that let yosys use DSP blocks, ``route`` nextpnr's. ``capacity``
    is None where it is not known. ``target_mhz``, the clock that nextpnr is asked for, is given where arrays can be
    fitted into the device. ``ram_sites`` are nextpnr's names of the places of its block RAMs, row by row from the
    middle of the chip outwards, where ``Nextpnr.large_placer`` needs them.
    """

    name: str
    synth: str = ""
    dsp: str = ""
    route: tuple[str, ...] = ()
    capacity: Capacity | None = None
    target_mhz: float = 0
    ram_sites: tuple[tuple[str, ...], ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class CellCounts:
    """Cells of one synthesized design.

    ``luts`` is the number of LUT cells, ``luts_by_size`` the same by number of inputs, ``inverters`` those that yosys
    leaves outside of LUTs, ``estimated_cells`` yosys's estimate of logic cells after packing (AMD only).
    """

    luts: int
    luts_by_size: dict[str, int]
    carry: int
    ff: int
    dsp: int
    bram: int
    inverters: int
    estimated_cells: int | None
    large_rams: int = 0


@dataclass(frozen=True)
class Family:
    """How one FPGA family is synthesized and counted. Cells are named by regular expressions that match the whole name.

    Parameters
    ----------
    name: by which users know it
    title: in words
    lut_inputs: inputs of its largest plain LUT
    devices: the first is the default
    synth: yosys's command, with the options of every run
    no_dsp: the option that keeps multiplications out of DSP blocks; empty where that is the default
    lut, carry, ff, dsp, bram, inverter: cells by kind; group 1 of ``lut``, if it took part, is the LUT's inputs
    lut_rams: cells of ``lut`` that take the place of several LUTs, and of how many
    begin: labels of ``synth`` that read the cell library
    ranges: labels of ``synth`` from there to the LUT mapping, without those that map memories
    memory_ranges: the same with them
    finish: labels of ``synth`` after the LUT mapping
    library: yosys command to use instead of ``begin`` where neither DSP nor memory is wanted; empty for none
    before_abc, after_abc: what ``synth`` does around its LUT mapping, for recipes that map by their own script
    placed: option of ``synth`` that makes what nextpnr takes, where it does not take the LUTs that are counted
    carry_area: LUTs that one carry cell takes the place of
    tech: argument of ``stat -tech``
    dense: yosys command in front of the labels ``map_ffs`` by which flip-flops do without an enable or a reset that few
        of them share, where those of a logic block have to have the same: in a full device there is no place for many
        different ones. Empty for none
    block: its multiplier; None where products are left to yosys alone
    apart: whether registers before an adder of several products stay out of DSP blocks, see ``Build`` in ``hdl``
    late_reads: whether the word of a block RAM comes so late in a cycle that a fast clock needs a register behind it
    adder_logic: how an adder takes in one more bit at every position: ``behind`` the sum, as a LUT does that is fed by
        the carry, or before it in the carry cell of that name; empty where neither is so. What costs were measured for
        is RTL, so this is no part of what a cost is kept by
    shares_cells: whether a flip-flop takes a logic cell of its own, unless the LUT before it drives nothing else. What
        runs out there is cells, and not LUTs
    models: file of yosys's with simulation models of the cells; empty where netlists cannot be simulated
    dsp_models: whether it has models of the DSP blocks as well
    ram: its block RAM; None where it is not told how many blocks a memory takes
    large_ram: RAM of one port and without initial contents that some devices have besides; None where none has
    large_ram_cell: the cells of that
    nextpnr: None where only synthesis is offered
    harness: None where nextpnr takes whole FPGAs only, and single units are not routed
    logic_cell: which cells of a netlist share one; None where it is not told
    ram_registers: the registers of its block RAM; None where it has none, or the tools use them by themselves
    """

    name: str
    title: str
    lut_inputs: int
    devices: tuple[FpgaDevice, ...]
    synth: str
    no_dsp: str
    lut: str
    carry: str
    ff: str
    dsp: str
    bram: str
    begin: str = "begin:coarse"
    ranges: tuple[str, ...] = ("coarse:map_ram", "map_ffram:map_luts")
    memory_ranges: tuple[str, ...] = ("coarse:map_luts",)
    finish: str = "map_cells:check"
    library: str = ""
    before_abc: tuple[str, ...] = ()
    after_abc: tuple[str, ...] = ()
    inverter: str = r"(?!)"
    placed: str = ""
    carry_area: int = 0
    tech: str = ""
    dense: str = ""
    block: DspBlock | None = field(default=None, repr=False)
    apart: bool = False
    # Not shown, since the cache of costs goes by what is: hardware depends on these, and no tool does.
    late_reads: bool = field(default=False, repr=False)
    shares_cells: bool = field(default=False, repr=False)
    lut_rams: Mapping[str, int] = field(default_factory=dict, repr=False, hash=False)
    adder_logic: str = field(default="", repr=False)
    models: str = ""
    dsp_models: bool = False
    ram: BlockRam | None = None
    large_ram: BlockRam | None = None
    large_ram_cell: str = r"(?!)"
    nextpnr: Nextpnr | None = None
    harness: HarnessCells | None = None
    logic_cell: LogicCell | None = None
    ram_registers: RamRegisters | None = field(default=None, repr=False)

    @property
    def lut_kind(self) -> str:
        """``lut4`` or ``lut6``."""
        return f"lut{self.lut_inputs}"

    @property
    def router(self) -> Nextpnr | None:
        """What single units are placed and routed by; None where they are only synthesized."""
        return self.nextpnr if self.harness is not None else None

    def count(self, cells: Mapping[str, int], estimated_cells: int | None = None) -> CellCounts:
        """Sort the cells of a flat netlist, name to number, into kinds."""

        def total(pattern: str) -> int:
            return sum(number for name, number in cells.items() if re.fullmatch(pattern, name))

        by_size: dict[str, int] = {}
        for name, number in sorted(cells.items()):
            match = re.fullmatch(self.lut, name)
            if match:
                size = match[1] or str(self.lut_inputs)
                by_size[size] = by_size.get(size, 0) + number * self.lut_rams.get(name, 1)
        return CellCounts(
            luts=sum(by_size.values()),
            luts_by_size=dict(sorted(by_size.items())),
            carry=total(self.carry),
            ff=total(self.ff),
            dsp=total(self.dsp),
            bram=total(self.bram),
            inverters=total(self.inverter),
            estimated_cells=estimated_cells,
            large_rams=total(self.large_ram_cell),
        )

    def area(self, counts: CellCounts) -> int:
        """What candidates are compared by: LUT positions taken, carry included where it takes the place of LUTs."""
        return counts.luts + counts.inverters + self.carry_area * counts.carry
