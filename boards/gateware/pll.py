"""PLLs: which frequencies each kind can make of an oscillator's, and the clock and reset that a board gets by them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any, Protocol

from amaranth.hdl import ClockDomain, Const, Instance, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

__all__ = ["PLLS", "Clocking", "Direct", "Ecp5", "Gowin", "Ice40", "Settings", "fastest"]

MHZ = 1_000_000


class Settings(Protocol):
    """One way to make a clock of an oscillator's.

    Attributes
    ----------
    input_hz: the oscillator's frequency
    hz: the clock's, exactly
    """

    @property
    def input_hz(self) -> int: ...

    @property
    def hz(self) -> Fraction: ...

    def add(self, m: Module, pin: Any, clock: Any) -> Any:
        """Put it between ``pin`` and ``clock``; returns what is 1 while the clock is good."""
        ...


@dataclass(frozen=True)
class Direct:
    """No PLL: the oscillator itself."""

    input_hz: int

    @property
    def hz(self) -> Fraction:
        return Fraction(self.input_hz)

    def add(self, m: Module, pin: Any, clock: Any) -> Any:
        m.d.comb += clock.eq(pin)
        return Const(1)

    @classmethod
    def all(cls, input_hz: int) -> Iterator["Direct"]:
        yield cls(input_hz)


@dataclass(frozen=True)
class Ice40:
    """SB_PLL40_CORE or SB_PLL40_PAD with simple feedback: ``input * (divf + 1) / 2**divq / (divr + 1)``.

    Limits: Lattice FPGA-TN-02052, iCE40 sysCLOCK PLL Design and Usage Guide, and the data sheets FPGA-DS-02008
    (UltraPlus) and FPGA-DS-02029 (LP/HX), table "sysCLOCK PLL Timing": input and phase detector 10 to 133 MHz, VCO 533
    to 1066 MHz, output 16 to 275 MHz. The guide's filter ranges go by the phase detector's frequency.

    Parameters
    ----------
    pad: whether the oscillator's pin is the PLL's own, which it then has for itself
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
        """1 to 6."""
        return 1 + sum(self.reference_hz >= limit * MHZ for limit in self.FILTERS)

    @classmethod
    def all(cls, input_hz: int, pad: bool = False) -> Iterator["Ice40"]:
        """All that are within the limits."""
        for divr in range(16):
            if not _within(Fraction(input_hz, divr + 1), cls.REFERENCE):
                continue
            for divf in range(128):
                for divq in range(1, 7):
                    found = cls(input_hz, divr, divf, divq, pad)
                    if _within(found.vco_hz, cls.VCO) and _within(found.hz, cls.OUTPUT):
                        yield found

    @classmethod
    def all_of_pad(cls, input_hz: int) -> Iterator["Ice40"]:
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


@dataclass(frozen=True)
class Ecp5:
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
    def all(cls, input_hz: int) -> Iterator["Ecp5"]:
        """All that are within the limits, of those with the same VCO only one: that of the least feedback divisor."""
        if not _within(input_hz, cls.INPUT):
            return
        for clki in cls.DIVISORS:
            if not _within(Fraction(input_hz, clki), cls.REFERENCE):
                continue
            known = set()
            for clkfb in cls.DIVISORS:
                for clkop in cls.DIVISORS:
                    made = cls(input_hz, clki, clkfb, clkop, 1)
                    if made.vco_hz > cls.VCO[1]:
                        break
                    fits = _within(made.vco_hz, cls.VCO) and _within(made.fed_back_hz, cls.OUTPUT)
                    if not fits or made.vco_hz in known:
                        continue
                    known.add(made.vco_hz)
                    for clkos in cls.DIVISORS:
                        if _within(made.vco_hz / clkos, cls.OUTPUT):
                            yield cls(input_hz, clki, clkfb, clkop, clkos)

    def add(self, m: Module, pin: Any, clock: Any) -> Any:
        lock, feedback = Signal(name="lock"), Signal(name="feedback")
        m.submodules.pll = Instance(
            "EHXPLLL",
            # the analog settings that Project Trellis found, which nextpnr passes on
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


@dataclass(frozen=True)
class Gowin:
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
    def all(cls, input_hz: int) -> Iterator["Gowin"]:
        """All that are within the limits."""
        if not _within(input_hz, cls.REFERENCE):
            return
        for idiv in range(64):
            for fbdiv in range(64):
                for odiv in cls.ODIVS:
                    found = cls(input_hz, idiv, fbdiv, odiv)
                    if (
                        _within(found.reference_hz, cls.REFERENCE)
                        and _within(found.vco_hz, cls.VCO)
                        and _within(found.hz, cls.OUTPUT)
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


PLLS: dict[str, Callable[[int], Iterator[Settings]]] = {
    "none": Direct.all,
    "ice40": Ice40.all,
    "ice40_pad": Ice40.all_of_pad,
    "ecp5": Ecp5.all,
    "gowin": Gowin.all,
}
"""Every setting of each kind of PLL, for an oscillator's frequency in Hz."""


def fastest(kind: str, input_hz: int, wanted_hz: float) -> Settings:
    """The highest clock up to ``wanted_hz`` that this kind of PLL makes of the oscillator, or the oscillator itself.

    Of several ways to the same clock the one that compares most often, and so drifts least. Raises ValueError where
    there is none so slow.
    """
    if kind not in PLLS:
        raise ValueError(f"kind must be one of {', '.join(PLLS)}, not {kind!r}")
    every = _every(kind, input_hz)
    found = [one for one in every if one.hz <= wanted_hz]
    if not found:
        least = float(min(one.hz for one in every)) / MHZ
        raise ValueError(
            f"clock must be at least {least:g} MHz, the lowest there is, not {float(wanted_hz) / MHZ:.2f} MHz"
        )
    return max(found, key=lambda one: (one.hz, isinstance(one, Direct), getattr(one, "reference_hz", 0)))


@cache
def _every(kind: str, input_hz: int) -> tuple[Settings, ...]:
    """The oscillator itself among them."""
    return (*PLLS["none"](input_hz), *PLLS[kind](input_hz))


def _within(hz: Fraction | int, limits: tuple[int, int]) -> bool:
    return limits[0] <= hz <= limits[1]


class Clocking(wiring.Component):
    """A clock out of an oscillator's pin, and the reset of its domain.

    The reset is up from power-up until the PLL has been locked for ``2**CYCLES_BITS`` cycles without a break: on iCE40,
    block RAM cannot be read in the first microseconds.

    Members
    -------
    pin: In(1), the oscillator
    clk: Out(1), rst: Out(1)
    """

    CYCLES_BITS = 10

    def __init__(self, settings: Settings):
        self.settings = settings
        super().__init__({"pin": In(1), "clk": Out(1), "rst": Out(1, init=1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        good = self.settings.add(m, self.pin, self.clk)
        m.domains.start = start = ClockDomain(local=True, reset_less=True)
        m.d.comb += start.clk.eq(self.clk)
        locked = Signal()
        m.submodules.locked = FFSynchronizer(good, locked, o_domain="start")
        waited = Signal(self.CYCLES_BITS + 1)
        with m.If(~locked):
            m.d.start += waited.eq(0)
        with m.Elif(~waited[-1]):
            m.d.start += waited.eq(waited + 1)
        m.d.start += self.rst.eq(~waited[-1])
        return m
