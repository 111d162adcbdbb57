"""A board is described by its FPGA, its oscillator, its link to the host, and how it is programmed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from ...families import Target
from ..families import BoardFamily, board_families
from ..pin import Pin

__all__ = ["BAUDS", "BITS_A_BYTE", "Board", "HostLink", "KnownArray", "Part", "Programming", "Usb"]

BITS_A_BYTE = 10
"""Bits that a byte takes on a serial line: a start bit, eight data bits, and a stop bit."""

BAUDS = (3_000_000, 2_000_000, 1_000_000, 921_600, 460_800, 115_200)
"""The rates, in bits a second, that a link may run at. The fastest comes first."""


class KnownArray(NamedTuple):
    """An array that was found to fit a board, and the engine's DSP policy, register stages and build of products."""

    rows: int
    columns: int
    lanes: int
    dsp: str = "none"
    pipeline: int = 2
    build: str = "auto"


@dataclass(frozen=True)
class Part:
    """An FPGA as the tools know it.

    Parameters
    ----------
    name: the maker's name for it
    target: how it is synthesized, and how many LUTs, DSPs and block RAMs it has; the ``route`` of its device are the
        options of nextpnr
    pll: the kind of its PLL, a key of ``families.PLLS``
    first_mhz: the clock that the first place and route is asked for; the best clock is found from its result
    pack: options of the packer, which makes the file to program
    file_bytes: the size of that file; None if sizes differ
    """

    name: str
    target: Target
    pll: str
    first_mhz: float
    pack: tuple[str, ...] = ()
    file_bytes: int | None = None

    @property
    def family(self) -> BoardFamily:
        """The board's half of its FPGA family."""
        return board_families()[self.target.family.name]

    @property
    def suffix(self) -> str:
        """The suffix of the file that is programmed; ``edif`` if there is no open place and route in PyPI."""
        return self.family.suffix

    @property
    def routed(self) -> bool:
        """Whether there is open place and route in PyPI."""
        return self.family.packer is not None


@dataclass(frozen=True)
class Usb:
    """A USB device is known by its vendor and product ids, and by names that its product string contains."""

    vendor: int
    product: int
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.vendor:04x}:{self.product:04x}"

    @property
    def udev_rule(self) -> str:
        """The udev rule that lets every user at the machine open the device."""
        ids = f'ATTRS{{idVendor}}=="{self.vendor:04x}", ATTRS{{idProduct}}=="{self.product:04x}"'
        return f'{ids}, MODE="0660", TAG+="uaccess"'


@dataclass(frozen=True)
class HostLink:
    """The serial line to the host.

    Parameters
    ----------
    chip: the chip that connects it to USB; the text says so if the board has none
    top_baud: the fastest of ``BAUDS`` that the chip can do
    usb: how the host finds the port; None if the user has an adapter, which may be any
    interface: which of the chip's serial ports it is, counted from 0
    rx, tx: the FPGA's input and output pin; those of the platform's resource ``uart`` unless given
    note: what the user has to do first
    """

    chip: str
    top_baud: int
    usb: Usb | None
    interface: int = 0
    rx: str | None = None
    tx: str | None = None
    note: str = ""


@dataclass(frozen=True)
class Programming:
    """How a bitstream gets into the board.

    Parameters
    ----------
    loader: openFPGALoader's name for the board
    usb: the USB device that is looked for
    volatile: whether the FPGA can be programmed without writing its flash
    iceprog: whether the program of that name can program it as well
    options: further options of openFPGALoader
    readable: whether openFPGALoader can read the flash back
    note: what the user has to do first
    """

    loader: str
    usb: Usb
    volatile: bool = True
    iceprog: bool = False
    options: tuple[str, ...] = ()
    readable: bool = True
    note: str = ""


@dataclass(frozen=True)
class Board:
    """A board that bitstreams can be built for.

    Parameters
    ----------
    name: the name by which users know it
    title: its name in words
    part: the FPGA
    platform: the class of amaranth-boards, which the pins come from
    oscillator: the name of its resource, which also has its frequency
    link: the serial line to the host
    programming: how a bitstream gets into it
    lights: resources (name, number) of two LEDs, for "a product is at hand" and "an error since the last reset"
    high: pins that have to be held at 1
    arrays: the largest array that was found to fit, by weight and activation
    network: rows, columns, lanes and outputs of a network's accelerator unless others are named
    network_dsp: its DSP policy unless another is named, where the device has DSPs
    """

    name: str
    title: str
    part: Part
    platform: type
    oscillator: str
    link: HostLink
    programming: Programming
    lights: tuple[tuple[str, int], ...] = ()
    high: tuple[str, ...] = ()
    arrays: Mapping[tuple[str, str], KnownArray] = field(default_factory=dict, hash=False)
    network: tuple[int, int, int, int] = (1, 8, 4, 1)
    network_dsp: str = "auto"

    @cached_property
    def _platform(self) -> Any:
        return self.platform()

    @cached_property
    def oscillator_hz(self) -> int:
        return round(self._platform.lookup(self.oscillator, 0).clock.frequency)

    @cached_property
    def pins(self) -> dict[str, Pin]:
        """The pins of the ports ``clk``, ``rx``, ``tx``, of ``busy`` and ``error`` if there are LEDs, and of ``high0``
        and up."""
        found = {"clk": self._pin(self._platform.lookup(self.oscillator, 0))}
        for name, given in (("rx", self.link.rx), ("tx", self.link.tx)):
            if given is None:
                uart = self._platform.lookup("uart", 0)
                (signal,) = [io for io in uart.ios if io.name == name]
                found[name] = self._pin(signal, uart.attrs)
            else:
                found[name] = Pin(given, self._plain_attributes)
        for name, light in zip(("busy", "error"), self.lights, strict=False):
            found[name] = self._pin(self._platform.lookup(*light))
        return found | {f"high{i}": Pin(name, self._plain_attributes) for i, name in enumerate(self.high)}

    @property
    def _plain_attributes(self) -> dict[str, Any]:
        """Attributes for a pin that no resource describes. They are the oscillator's, which has the board's I/O
        voltage."""
        attributes = dict(self._platform.lookup(self.oscillator, 0).attrs)
        attributes.pop("GLOBAL", None)
        return attributes

    def _pin(self, resource: Any, more: Mapping[str, Any] | None = None) -> Pin:
        (pins,) = resource.ios
        (name,) = pins.map_names(self._platform._conn_pins, resource)
        return Pin(name, {**(more or {}), **resource.attrs}, pins.invert)

    @property
    def constraints(self) -> str:
        """The file that tells place and route which pins the ports are."""
        return self.part.family.constraints(self.pins, self.oscillator_hz)
