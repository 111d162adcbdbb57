"""Lattice iCE40 on boards uses PCF, SB_PLL40 and icepack. A file without DSPs is proven from the file itself."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from amaranth.hdl import Const, Instance, Module, Signal

from ..gateware.pll import MHZ, within
from ..pin import Pin
from ..proof.ice40_models import ICE40_MODELS
from ..proof.ice40_netlist import Ice40Netlist
from .board_family import BoardFamily, Packer, Provable, constraint_lines

__all__ = ["BOARD_FAMILY", "Ice40Pll"]


@dataclass(frozen=True)
class Ice40Pll:
    """SB_PLL40_CORE or SB_PLL40_PAD with simple feedback: ``input * (divf + 1) / 2**divq / (divr + 1)``.

    Limits: Lattice FPGA-TN-02052, iCE40 sysCLOCK PLL Design and Usage Guide, and the data sheets FPGA-DS-02008
    (UltraPlus) and FPGA-DS-02029 (LP/HX), table "sysCLOCK PLL Timing": input and phase detector 10 to 133 MHz, VCO 533
    to 1066 MHz, output 16 to 275 MHz. The guide's filter ranges go by the phase detector's frequency.

    Parameters
    ----------
    pad: whether the oscillator's pin is the PLL's own pin, which nothing else can use then
    """

    input_hz: int
    divr: int
    divf: int
    divq: int
    pad: bool = False

    REFERENCE = (10 * MHZ, 133 * MHZ)
    VCO = (533 * MHZ, 1066 * MHZ)
    OUTPUT = (16 * MHZ, 275 * MHZ)
    FILTERS = (17, 26, 44, 66, 101)

    @property
    def reference_hz(self) -> Fraction:
        return Fraction(self.input_hz, self.divr + 1)

    @property
    def vco_hz(self) -> Fraction:
        return self.reference_hz * (self.divf + 1)

    @property
    def hz(self) -> Fraction:
        return self.vco_hz / (1 << self.divq)

    @property
    def filter_range(self) -> int:
        """The number of the filter range, 1 to 6, for the phase detector's frequency."""
        return 1 + sum(self.reference_hz >= limit * MHZ for limit in self.FILTERS)

    @classmethod
    def all(cls, input_hz: int, pad: bool = False) -> Iterator["Ice40Pll"]:
        """Yield all settings within the limits."""
        for divr in range(16):
            if not within(Fraction(input_hz, divr + 1), cls.REFERENCE):
                continue
            for divf in range(128):
                for divq in range(1, 7):
                    found = cls(input_hz, divr, divf, divq, pad)
                    if within(found.vco_hz, cls.VCO) and within(found.hz, cls.OUTPUT):
                        yield found

    @classmethod
    def all_of_pad(cls, input_hz: int) -> Iterator["Ice40Pll"]:
        return cls.all(input_hz, pad=True)

    def add(self, m: Module, pin: Any, clock: Any) -> Any:
        lock = Signal(name="lock")
        ports = {"i_PACKAGEPIN" if self.pad else "i_REFERENCECLK": pin}
        m.submodules.pll = Instance(
            f"SB_PLL40_{'PAD' if self.pad else 'CORE'}",
            p_FEEDBACK_PATH="SIMPLE",
            p_DIVR=Const(self.divr, 4),
            p_DIVF=Const(self.divf, 7),
            p_DIVQ=Const(self.divq, 3),
            p_FILTER_RANGE=Const(self.filter_range, 3),
            **ports,
            i_RESETB=Const(1),
            i_BYPASS=Const(0),
            o_PLLOUTGLOBAL=clock,
            o_LOCK=lock,
        )
        return lock


def _pcf(pins: Mapping[str, Pin], oscillator_hz: int) -> str:
    def line(name: str, pin: Pin) -> str:
        return f"set_io {'-pullup yes ' if pin.attributes.get('PULLUP') else ''}{name} {pin.name}"

    return constraint_lines(pins, line)


BOARD_FAMILY = BoardFamily(
    suffix="bin",
    constraints_suffix="pcf",
    constraints=_pcf,
    plls={"ice40": Ice40Pll.all, "ice40_pad": Ice40Pll.all_of_pad},
    pins=("--pcf", "pins.pcf"),
    packer=Packer("yowasp-icepack", "placed.asc", "--asc"),
    timeout=600,
    fill=0.93,
    proof=Provable(
        Ice40Netlist,
        "ICESTORM_PLL",
        ("DIVR", "DIVF", "DIVQ"),
        Ice40Pll,
        library="ice40/cells_sim.v",
        models=ICE40_MODELS,
        unpacks=True,
    ),
)
