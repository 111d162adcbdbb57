"""Gowin on boards uses CST, rPLL and gowin_pack."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from amaranth.hdl import Const, Instance, Module, Signal

from ..gateware.pll import MHZ, within
from ..pin import Pin
from .board_family import BoardFamily, Packer, constraint_lines

__all__ = ["BOARD_FAMILY", "GowinPll"]


@dataclass(frozen=True)
class GowinPll:
    """rPLL with internal feedback: ``input * (fbdiv + 1) / (idiv + 1)``, of a VCO ``odiv`` times as fast.

    Limits: Gowin DS117, GW1NR data sheet, PLL parameters of GW1NR-9 at speed grade C6/I5: input and phase detector 3 to
    400 MHz, VCO 400 to 1200 MHz, output 3.125 to 600 MHz. Divisors: UG286, Gowin Clock.
    """

    input_hz: int
    idiv: int
    fbdiv: int
    odiv: int

    REFERENCE = (3 * MHZ, 400 * MHZ)
    VCO = (400 * MHZ, 1200 * MHZ)
    OUTPUT = (3_125_000, 600 * MHZ)
    ODIVS = (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128)

    @property
    def reference_hz(self) -> Fraction:
        return Fraction(self.input_hz, self.idiv + 1)

    @property
    def hz(self) -> Fraction:
        return self.reference_hz * (self.fbdiv + 1)

    @property
    def vco_hz(self) -> Fraction:
        return self.hz * self.odiv

    @classmethod
    def all(cls, input_hz: int) -> Iterator["GowinPll"]:
        """Yield all settings within the limits."""
        if not within(input_hz, cls.REFERENCE):
            return
        for idiv in range(64):
            for fbdiv in range(64):
                for odiv in cls.ODIVS:
                    found = cls(input_hz, idiv, fbdiv, odiv)
                    if (
                        within(found.reference_hz, cls.REFERENCE)
                        and within(found.vco_hz, cls.VCO)
                        and within(found.hz, cls.OUTPUT)
                    ):
                        yield found

    def add(self, m: Module, pin: Any, clock: Any) -> Any:
        lock = Signal(name="lock")
        dynamic = {f"i_{name}": Const(0, 6) for name in ("FBDSEL", "IDSEL", "ODSEL")}
        dynamic |= {f"i_{name}": Const(0, 4) for name in ("PSDA", "DUTYDA", "FDLY")}
        m.submodules.pll = Instance(
            "rPLL",
            p_DEVICE="GW1NR-9C",
            p_FCLKIN=f"{self.input_hz / MHZ:g}",
            p_IDIV_SEL=self.idiv,
            p_FBDIV_SEL=self.fbdiv,
            p_ODIV_SEL=self.odiv,
            p_DYN_IDIV_SEL="false",
            p_DYN_FBDIV_SEL="false",
            p_DYN_ODIV_SEL="false",
            p_DYN_DA_EN="false",
            p_PSDA_SEL="0000",
            p_DUTYDA_SEL="1000",
            p_DYN_SDIV_SEL=2,
            p_CLKFB_SEL="internal",
            p_CLKOUT_BYPASS="false",
            p_CLKOUTP_BYPASS="false",
            p_CLKOUTD_BYPASS="false",
            p_CLKOUT_FT_DIR=Const(1, 1),
            p_CLKOUTP_FT_DIR=Const(1, 1),
            p_CLKOUT_DLY_STEP=0,
            p_CLKOUTP_DLY_STEP=0,
            p_CLKOUTD_SRC="CLKOUT",
            p_CLKOUTD3_SRC="CLKOUT",
            i_CLKIN=pin,
            i_CLKFB=Const(0),
            i_RESET=Const(0),
            i_RESET_P=Const(0),
            **dynamic,
            o_CLKOUT=clock,
            o_LOCK=lock,
        )
        return lock


def _cst(pins: Mapping[str, Pin], oscillator_hz: int) -> str:
    def line(name: str, pin: Pin) -> str:
        attributes = " ".join(f"{key}={value}" for key, value in pin.attributes.items())
        return f'IO_LOC "{name}" {pin.name};\nIO_PORT "{name}" {attributes};'

    return constraint_lines(pins, line)


BOARD_FAMILY = BoardFamily(
    suffix="fs",
    constraints_suffix="cst",
    constraints=_cst,
    plls={"gowin": GowinPll.all},
    pins=("--vopt", "cst=pins.cst"),
    packer=Packer("gowin_pack", "placed.json", "--write", output="-o"),
    timeout=1800,
    fill=0.7,  # this is a guess
    input_buffer="IBUF",
    output_buffer="OBUF",
)
