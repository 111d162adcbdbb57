"""What a family of FPGAs is on a board: pins, PLLs, the file that is programmed, the proof of that file."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from ..gateware.pll import Settings
from ..proof.routed_netlist import RoutedNetlist
from ..targets.pin import Pin

__all__ = ["BoardFamily", "Packer", "Provable", "constraint_lines"]


@dataclass(frozen=True)
class Packer:
    """The program that makes the file that an FPGA is programmed with.

    Parameters
    ----------
    tool: name in ``tools.TOOLS``
    placed: the file that nextpnr writes for it
    write: nextpnr's option by which it does
    output: the packer's option in front of the file to make, in front of ``placed`` too; empty where that file comes
        last and without one
    """

    tool: str
    placed: str
    write: str
    output: str = ""

    def arguments(self, made: str) -> list[str]:
        """For the file ``made``."""
        return [self.output, made, self.placed] if self.output else [self.placed, made]


@dataclass(frozen=True)
class Provable:
    """How a finished file is simulated, see ``proof.bitstream_proof``.

    Parameters
    ----------
    netlist: makes Verilog of what nextpnr writes
    pll: type of the PLL's cell in there
    divisors: its parameters, in the order of the arguments ``settings`` has after the oscillator's frequency
    settings: of a PLL
    library: yosys's file with models of cells that the netlist has, and ``models``, more of them
    unpacks: whether ``iceunpack`` and ``icebox_vlog`` make a netlist of the file itself, where it has no DSPs
    """

    netlist: type[RoutedNetlist]
    pll: str
    divisors: tuple[str, ...]
    settings: Callable[..., Settings]
    library: str = ""
    models: str = ""
    unpacks: bool = False


@dataclass(frozen=True)
class BoardFamily:
    """The board's half of ``families.Family``, of the same name.

    Parameters
    ----------
    suffix: of the file that is programmed; ``edif`` where there is no open place and route in PyPI
    constraints_suffix: of the file that says which pins the ports are
    constraints: writes it for the pins of a board, by port, and its oscillator's frequency in Hz
    pins: nextpnr's options that name it
    plls: by kind, every setting of such a PLL, for an oscillator's frequency in Hz
    packer: None where there is no open place and route in PyPI
    timeout: seconds that a tool may take: an array that fills a large device takes its time, and place and route of one
        that is too full for it may never end
    fill: share of the device that a search for the largest array begins at
    input_buffer, output_buffer: cells that pins need where place and route does not add them; empty where it does
    clock_buffer: cell behind the clock's input buffer; empty for none
    proof: None where the finished file cannot be simulated
    """

    suffix: str
    constraints_suffix: str
    constraints: Callable[[Mapping[str, Pin], int], str]
    plls: Mapping[str, Callable[[int], Iterator[Settings]]] = field(default_factory=dict)
    pins: tuple[str, ...] = ()
    packer: Packer | None = None
    timeout: float = 3600
    fill: float = 0.7
    input_buffer: str = ""
    output_buffer: str = ""
    clock_buffer: str = ""
    proof: Provable | None = None


def constraint_lines(pins: Mapping[str, Pin], line: Callable[[str, Pin], str]) -> str:
    """A line, or several, for each pin."""
    return "".join(f"{line(name, pin)}\n" for name, pin in pins.items())
