"""The top level of what is on a board: what computes, behind a serial line."""

import re

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...hdl import MatmulDesign
from ...hdl.emit import port_order, to_rtlil, to_verilog
from ..link.description import Description
from .engine_link import EngineLink
from .frame_link import FrameLink
from .network_link import NetworkHardware, NetworkLink
from .uart import UartReceiver, UartTransmitter, phase_step

__all__ = ["BoardTop", "relax_memories", "top_rtlil", "top_verilog"]


class BoardTop(wiring.Component):
    """Puts a matmul engine or a network behind a serial line: its link between ``UartReceiver`` and
    ``UartTransmitter``.

    It keeps up with a host that sends without a pause: a byte takes 10 bit times, which are at least 40 cycles.

    Parameters
    ----------
    description: what the board says of itself; its clock must be at least 4 times its baud
    design: a matmul of ``description.engine``, or the hardware of ``description.network``

    Members
    -------
    rx: In(1), the line from the host
    tx: Out(1), the line to the host
    busy: Out(1), is up from the start of a PRODUCT to its last byte of C, or while an image is computed
    error: Out(1), says that an event since the last RESET was an error
    """

    def __init__(self, description: Description, design: MatmulDesign | NetworkHardware):
        phase_step(description.clock_hz, description.baud)
        self.link: FrameLink
        if isinstance(design, MatmulDesign):
            self.link = EngineLink(description, design)
        else:
            self.link = NetworkLink(description, design)
        self.description = description
        self.design = design
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1), "busy": Out(1), "error": Out(1)})

    def elaborate(self, platform) -> Module:
        m = Module()
        clock_hz, baud = self.description.clock_hz, self.description.baud
        m.submodules.uart_receiver = receiver = UartReceiver(clock_hz, baud)
        m.submodules.uart_transmitter = transmitter = UartTransmitter(clock_hz, baud)
        m.submodules.link = link = self.link
        wiring.connect(m, receiver.o, link.i)
        wiring.connect(m, link.o, transmitter.i)
        m.d.comb += [
            receiver.rx.eq(self.rx),
            self.tx.eq(transmitter.tx),
            self.busy.eq(link.busy),
            self.error.eq(link.error),
        ]
        return m


def relax_memories(rtlil: str) -> str:
    """Return the RTLIL with a promise: the link's memories never read an address while it is written.

    yosys cannot find that out by itself. For an iCE40 it would put registers and a bypass around each memory, which
    take 87 logic cells in all.
    """
    ports = r'(parameter \\MEMID "\\\\bytes"\n(?: *parameter .*\n)*? *parameter \\COLLISION_X_MASK) 1\'0'
    return re.sub(ports, r"\1 1'1", rtlil)


def top_rtlil(description: Description, design: MatmulDesign | NetworkHardware) -> str:
    """``BoardTop`` as RTLIL for synthesis: its module is ``top``, and its ports are clk, rst, rx, tx, busy, error."""
    return relax_memories(to_rtlil(BoardTop(description, design), "top"))


def top_verilog(description: Description, design: MatmulDesign | NetworkHardware) -> str:
    """``BoardTop`` as Verilog-2005, with the module and ports of ``top_rtlil``. Raises YosysError."""
    top = BoardTop(description, design)
    (verilog,) = to_verilog([("top", to_rtlil(top, "top"), port_order(top))])
    return verilog
