"""Lattice ECP5 on boards uses LPF, EHXPLLL and ecppack. A file is proven by running place and route again."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from amaranth.hdl import Const, Instance, Module, Signal

from ..gateware.pll import MHZ, within
from ..pin import Pin
from ..proof.ecp5_netlist import Ecp5Netlist
from .board_family import BoardFamily, Packer, Provable, constraint_lines

__all__ = ["BOARD_FAMILY", "Ecp5Pll"]


@dataclass(frozen=True)
class Ecp5Pll:
    """EHXPLLL with feedback from CLKOP, the clock from CLKOS: ``input / clki * clkfb * clkop / clkos``.

    Limits: Lattice FPGA-DS-02012, ECP5 and ECP5-5G data sheet, table "sysCLOCK PLL Timing": input 8 to 400 MHz, phase
    detector 10 to 400 MHz, VCO 400 to 800 MHz, outputs 3.125 to 400 MHz. Divisors 1 to 128 each: FPGA-TN-02200.

    Parameters
    ----------
    clki, clkfb, clkop, clkos: divisors of the input, of the feedback, of the output that is fed back, of the clock
    """

    input_hz: int
    clki: int
    clkfb: int
    clkop: int
    clkos: int

    INPUT = (8 * MHZ, 400 * MHZ)
    REFERENCE = (10 * MHZ, 400 * MHZ)
    VCO = (400 * MHZ, 800 * MHZ)
    OUTPUT = (3_125_000, 400 * MHZ)
    DIVISORS = range(1, 129)

    @property
    def reference_hz(self) -> Fraction:
        return Fraction(self.input_hz, self.clki)

    @property
    def fed_back_hz(self) -> Fraction:
        return self.reference_hz * self.clkfb

    @property
    def vco_hz(self) -> Fraction:
        return self.fed_back_hz * self.clkop

    @property
    def hz(self) -> Fraction:
        return self.vco_hz / self.clkos

    @classmethod
    def all(cls, input_hz: int) -> Iterator["Ecp5Pll"]:
        """Yield all settings within the limits. Of those with the same VCO, only the one with the least feedback
        divisor."""
        if not within(input_hz, cls.INPUT):
            return
        for clki in cls.DIVISORS:
            if not within(Fraction(input_hz, clki), cls.REFERENCE):
                continue
            known = set()
            for clkfb in cls.DIVISORS:
                for clkop in cls.DIVISORS:
                    made = cls(input_hz, clki, clkfb, clkop, 1)
                    if made.vco_hz > cls.VCO[1]:
                        break
                    fits = within(made.vco_hz, cls.VCO) and within(made.fed_back_hz, cls.OUTPUT)
                    if not fits or made.vco_hz in known:
                        continue
                    known.add(made.vco_hz)
                    for clkos in cls.DIVISORS:
                        if within(made.vco_hz / clkos, cls.OUTPUT):
                            yield cls(input_hz, clki, clkfb, clkop, clkos)

    def add(self, m: Module, pin: Any, clock: Any) -> Any:
        lock, feedback = Signal(name="lock"), Signal(name="feedback")
        m.submodules.pll = Instance(
            "EHXPLLL",
            # these analog settings were found by Project Trellis, and nextpnr passes them on
            a_ICP_CURRENT="12",
            a_LPF_RESISTOR="8",
            a_MFG_ENABLE_FILTEROPAMP="1",
            a_MFG_GMCREF_SEL="2",
            p_PLLRST_ENA="DISABLED",
            p_INTFB_WAKE="DISABLED",
            p_STDBY_ENABLE="DISABLED",
            p_DPHASE_SOURCE="DISABLED",
            p_OUTDIVIDER_MUXA="DIVA",
            p_OUTDIVIDER_MUXB="DIVB",
            p_OUTDIVIDER_MUXC="DIVC",
            p_OUTDIVIDER_MUXD="DIVD",
            p_FEEDBK_PATH="CLKOP",
            p_CLKI_DIV=self.clki,
            p_CLKFB_DIV=self.clkfb,
            p_CLKOP_ENABLE="ENABLED",
            p_CLKOP_DIV=self.clkop,
            p_CLKOP_CPHASE=self.clkop // 2,
            p_CLKOP_FPHASE=0,
            p_CLKOS_ENABLE="ENABLED",
            p_CLKOS_DIV=self.clkos,
            p_CLKOS_CPHASE=self.clkop // 2,
            p_CLKOS_FPHASE=0,
            i_CLKI=pin,
            i_CLKFB=feedback,
            i_RST=Const(0),
            i_STDBY=Const(0),
            i_PHASESEL0=Const(0),
            i_PHASESEL1=Const(0),
            i_PHASEDIR=Const(1),
            i_PHASESTEP=Const(1),
            i_PHASELOADREG=Const(1),
            i_PLLWAKESYNC=Const(0),
            i_ENCLKOP=Const(0),
            i_ENCLKOS=Const(0),
            o_CLKOP=feedback,
            o_CLKOS=clock,
            o_LOCK=lock,
        )
        return lock


def _lpf(pins: Mapping[str, Pin], oscillator_hz: int) -> str:
    def line(name: str, pin: Pin) -> str:
        attributes = " ".join(f"{key}={value}" for key, value in pin.attributes.items())
        return f'LOCATE COMP "{name}" SITE "{pin.name}";\nIOBUF PORT "{name}" {attributes};'

    return constraint_lines(pins, line)


BOARD_FAMILY = BoardFamily(
    suffix="bit",
    constraints_suffix="lpf",
    constraints=_lpf,
    plls={"ecp5": Ecp5Pll.all},
    pins=("--lpf", "pins.lpf"),
    packer=Packer("yowasp-ecppack", "placed.config", "--textcfg"),
    fill=0.55,  # nextpnr found no place from 82% on (docs/fit.md), and needs hours to say so
    proof=Provable(Ecp5Netlist, "EHXPLLL", ("CLKI_DIV", "CLKFB_DIV", "CLKOP_DIV", "CLKOS_DIV"), Ecp5Pll),
)
