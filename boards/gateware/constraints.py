"""A board's top level down to its pins, and the file that tells place and route which pins these are."""

from collections.abc import Callable, Mapping
from typing import Any

from amaranth.hdl import ClockDomain, Instance, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..targets.board import Board, Pin
from .pll import Clocking, Settings

__all__ = ["CONSTRAINTS", "Pinned"]

BUFFERED = ("gowin", "xc7")
"""Families whose pins need buffers that their place and route does not add."""


class Pinned(wiring.Component):
    """All of a board's FPGA: clock and reset, what computes behind the serial line, and the pins.

    Parameters
    ----------
    board: which pins there are, and of what polarity
    inner: component with ``rx: In(1)``, ``tx: Out(1)``, ``busy: Out(1)``, ``error: Out(1)``, in domain ``sync``
    settings: of the PLL

    Members: one for each of ``board.pins``, ``In(1)`` for ``clk`` and ``rx``, else ``Out(1)``.
    """

    def __init__(self, board: Board, inner: wiring.Component, settings: Settings):
        self.board, self.inner, self.settings = board, inner, settings
        super().__init__({name: In(1) if name in ("clk", "rx") else Out(1) for name in board.pins})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.clocking = clocking = Clocking(self.settings)
        m.submodules.board = inner = self.inner
        m.domains.sync = sync = ClockDomain()
        m.d.comb += [sync.clk.eq(clocking.clk), sync.rst.eq(clocking.rst)]
        m.d.comb += [clocking.pin.eq(self._input(m, "clk")), inner.rx.eq(self._input(m, "rx"))]
        for name in self.board.pins:
            if name not in ("clk", "rx"):
                self._output(m, name, 1 if name.startswith("high") else getattr(inner, name))
        return m

    def _input(self, m: Module, name: str) -> Any:
        port = getattr(self, name)
        if self.board.part.target.family.name not in BUFFERED:
            return port
        value = Signal(name=f"{name}_in")
        m.submodules[f"buffer_{name}"] = Instance("IBUF", i_I=port, o_O=value)
        if name != "clk" or self.board.part.target.family.name != "xc7":
            return value
        clock = Signal(name="clk_global")
        m.submodules.clock_buffer = Instance("BUFG", i_I=value, o_O=clock)
        return clock

    def _output(self, m: Module, name: str, value: Any) -> None:
        port, driven = getattr(self, name), Signal(name=f"{name}_out")
        m.d.comb += driven.eq(~value if self.board.pins[name].inverted else value)
        if self.board.part.target.family.name in BUFFERED:
            m.submodules[f"buffer_{name}"] = Instance("OBUF", i_I=driven, o_O=port)
        else:
            m.d.comb += port.eq(driven)


def _pcf(board: Board) -> str:
    def line(name: str, pin: Pin) -> str:
        return f"set_io {'-pullup yes ' if pin.attributes.get('PULLUP') else ''}{name} {pin.name}"

    return _lines(board.pins, line)


def _lpf(board: Board) -> str:
    def line(name: str, pin: Pin) -> str:
        attributes = " ".join(f"{key}={value}" for key, value in pin.attributes.items())
        return f'LOCATE COMP "{name}" SITE "{pin.name}";\nIOBUF PORT "{name}" {attributes};'

    return _lines(board.pins, line)


def _cst(board: Board) -> str:
    def line(name: str, pin: Pin) -> str:
        attributes = " ".join(f"{key}={value}" for key, value in pin.attributes.items())
        return f'IO_LOC "{name}" {pin.name};\nIO_PORT "{name}" {attributes};'

    return _lines(board.pins, line)


def _xdc(board: Board) -> str:
    def line(name: str, pin: Pin) -> str:
        attributes = {"PACKAGE_PIN": pin.name, **pin.attributes}
        return "\n".join(f"set_property {key} {value} [get_ports {name}]" for key, value in attributes.items())

    period = 1e9 / board.oscillator_hz
    return _lines(board.pins, line) + f"create_clock -name clk -period {period:.3f} [get_ports clk]\n"


def _lines(pins: Mapping[str, Pin], line: Callable[[str, Pin], str]) -> str:
    return "".join(f"{line(name, pin)}\n" for name, pin in pins.items())


CONSTRAINTS: dict[str, tuple[str, Callable[[Board], str]]] = {
    "ice40": ("pcf", _pcf),
    "ecp5": ("lpf", _lpf),
    "gowin": ("cst", _cst),
    "xc7": ("xdc", _xdc),
}
"""By family, the suffix of the file of constraints and how it is written."""
