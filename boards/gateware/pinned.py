"""The whole of an FPGA on a board, down to its pins."""

from typing import Any

from amaranth.hdl import ClockDomain, Instance, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..targets.board import Board
from .pll import Clocking, Settings

__all__ = ["Pinned"]


class Pinned(wiring.Component):
    """Connects clock, reset and what computes behind the serial line to the pins of a board.

    Parameters
    ----------
    board: says which pins there are, and which of them are inverted
    inner: a component with ``rx: In(1)``, ``tx: Out(1)``, ``busy: Out(1)`` and ``error: Out(1)``, in domain ``sync``
    settings: the settings of the PLL

    Members
    -------
    There is one for each of ``board.pins``: ``In(1)`` for ``clk`` and ``rx``, and ``Out(1)`` for the others.
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
        family = self.board.part.family
        if not family.input_buffer:
            return port
        value = Signal(name=f"{name}_in")
        m.submodules[f"buffer_{name}"] = Instance(family.input_buffer, i_I=port, o_O=value)
        if name != "clk" or not family.clock_buffer:
            return value
        clock = Signal(name="clk_global")
        m.submodules.clock_buffer = Instance(family.clock_buffer, i_I=value, o_O=clock)
        return clock

    def _output(self, m: Module, name: str, value: Any) -> None:
        port, driven = getattr(self, name), Signal(name=f"{name}_out")
        m.d.comb += driven.eq(~value if self.board.pins[name].inverted else value)
        family = self.board.part.family
        if family.output_buffer:
            m.submodules[f"buffer_{name}"] = Instance(family.output_buffer, i_I=driven, o_O=port)
        else:
            m.d.comb += port.eq(driven)
