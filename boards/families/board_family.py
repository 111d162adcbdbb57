"""The board's half of an FPGA family: its pins, its PLLs, the file that is programmed, and the proof of that file."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from ..gateware.pll import Settings
from ..pin import Pin
from ..proof.routed_netlist import RoutedNetlist

__all__ = ["BoardFamily", "Packer", "Provable", "constraint_lines"]


@dataclass(frozen=True)
class Packer:
    """The program that makes the file that an FPGA is programmed with.

    Parameters
    ----------
    tool: its name in ``tools.TOOLS``
    placed: the name of the file that nextpnr writes for it
    write: the option by which nextpnr writes that file
    output: the packer's option that names the file to make, which then comes before ``placed``. If it is empty, the
        file comes last and needs no option
    """

    tool: str
    placed: str
    write: str
    output: str = ""

    def arguments(self, made: str) -> list[str]:
        """The packer's arguments to make the file ``made``."""
        return [self.output, made, self.placed] if self.output else [self.placed, made]


@dataclass(frozen=True)
class Provable:
    """How a finished file is simulated, see ``proof.bitstream_proof``.

    Parameters
    ----------
    netlist: the class that makes Verilog of what nextpnr writes
    pll: the type of the PLL's cell in that netlist
    divisors: the parameters of that cell, in the order in which ``settings`` takes them after the oscillator's
        frequency
    settings: the class of the PLL's settings
    library: yosys's file with models of cells that the netlist has
    models: Verilog with further models
    unpacks: whether ``iceunpack`` and ``icebox_vlog`` make a netlist of the file itself, if it has no DSPs
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
    """The board's half of the ``families.Family`` that has the same name.

    Parameters
    ----------
    suffix: the suffix of the file that is programmed; ``edif`` if there is no open place and route in PyPI
    constraints_suffix: the suffix of the file that says which pins the ports are
    constraints: writes that file for the pins of a board, by port, and its oscillator's frequency in Hz
    pins: the options of nextpnr that name that file
    plls: functions that give every setting of a kind of PLL for an oscillator's frequency in Hz, by the kind
    packer: the packer; None if there is no open place and route in PyPI
    timeout: seconds that a tool may take. An array that fills a large device takes long, and place and route of an
        array that is too large may never end
    fill: the share of the device at which a search for the largest array begins
    input_buffer, output_buffer: cells that pins need if place and route does not add them; empty if it does
    clock_buffer: the cell behind the clock's input buffer; empty if there is none
    proof: how a finished file is simulated; None if it cannot be
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
    """The text of constraints with what ``line`` gives for each pin."""
    return "".join(f"{line(name, pin)}\n" for name, pin in pins.items())
