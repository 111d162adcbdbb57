"""What describes an FPGA family: how yosys synthesizes for it, which cells are counted as what, how it is routed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Capacity", "Cell", "Counts", "Device", "Family", "Router"]


@dataclass(frozen=True)
class Cell:
    """A library cell as the harness makes it: its type, its parameters, and its pins by what they are for."""

    type: str
    parameters: tuple[tuple[str, str], ...]
    pins: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Router:
    """How nextpnr places and routes for a family.

    Parameters
    ----------
    tool: name in ``tools.TOOLS``
    options: of every run
    logic_cell: name in nextpnr's report of what LUTs and carry are packed into
    dsp, bram: names in the report of multipliers and of block RAMs
    flip_flop: pins ``clock``, ``d``, ``q``
    exclusive_or: a LUT with pins ``a``, ``b``, ``c``, ``d``, ``y``, for families that cannot be routed out of context:
        pins are then loaded and read serially, and every flip-flop takes a logic cell
    """

    tool: str
    options: tuple[str, ...]
    logic_cell: str
    dsp: str
    bram: str
    flip_flop: Cell
    exclusive_or: Cell | None = None


@dataclass(frozen=True)
class Capacity:
    """What there is on a device: LUTs (as many flip-flops), multipliers, block RAMs."""

    luts: int
    dsps: int
    brams: int


@dataclass(frozen=True)
class Device:
    """One member of a family.

    ``synth`` are its options for yosys, ``dsp`` those that let yosys use DSP blocks, ``route`` nextpnr's. ``capacity``
    and ``target_mhz``, the clock that nextpnr is asked for, are given where arrays can be fitted into it.
    """

    name: str
    synth: str = ""
    dsp: str = ""
    route: tuple[str, ...] = ()
    capacity: Capacity | None = None
    target_mhz: float = 0


@dataclass(frozen=True)
class Counts:
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
    begin: labels of ``synth`` that read the cell library
    library: yosys command to use instead of ``begin`` where neither DSP nor memory is wanted; empty for none
    ranges: labels of ``synth`` from there to the LUT mapping, without those that map memories
    memory_ranges: the same with them
    before_abc, after_abc: what ``synth`` does around its LUT mapping, for recipes that map by their own script
    finish: labels of ``synth`` after the LUT mapping
    lut, carry, ff, dsp, bram, inverter: cells by kind; group 1 of ``lut``, if it took part, is the LUT's inputs
    carry_area: LUTs that one carry cell takes the place of
    tech: argument of ``stat -tech``
    dense: yosys command in front of the labels ``map_ffs`` by which flip-flops do without an enable or a reset that few
        of them share, where those of a logic block have to have the same: in a full device there is no place for many
        different ones. Empty for none
    router: None where only synthesis is offered
    """

    name: str
    title: str
    lut_inputs: int
    devices: tuple[Device, ...]
    synth: str
    no_dsp: str
    begin: str
    ranges: tuple[str, ...]
    memory_ranges: tuple[str, ...]
    finish: str
    lut: str
    carry: str
    ff: str
    dsp: str
    bram: str
    library: str = ""
    before_abc: tuple[str, ...] = ()
    after_abc: tuple[str, ...] = ()
    inverter: str = r"(?!)"
    carry_area: int = 0
    tech: str = ""
    dense: str = ""
    router: Router | None = None

    @property
    def lut_kind(self) -> str:
        """``lut4`` or ``lut6``."""
        return f"lut{self.lut_inputs}"

    def count(self, cells: Mapping[str, int], estimated_cells: int | None = None) -> Counts:
        """Sort the cells of a flat netlist, name to number, into kinds."""

        def total(pattern: str) -> int:
            return sum(number for name, number in cells.items() if re.fullmatch(pattern, name))

        by_size: dict[str, int] = {}
        for name, number in sorted(cells.items()):
            match = re.fullmatch(self.lut, name)
            if match:
                size = match[1] or str(self.lut_inputs)
                by_size[size] = by_size.get(size, 0) + number
        return Counts(
            luts=sum(by_size.values()),
            luts_by_size=dict(sorted(by_size.items())),
            carry=total(self.carry),
            ff=total(self.ff),
            dsp=total(self.dsp),
            bram=total(self.bram),
            inverters=total(self.inverter),
            estimated_cells=estimated_cells,
        )

    def area(self, counts: Counts) -> int:
        """What candidates are compared by: LUT positions taken, carry included where it takes the place of LUTs."""
        return counts.luts + counts.inverters + self.carry_area * counts.carry
