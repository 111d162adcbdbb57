"""The top level of what is on a board: the matmul engine behind a serial line."""

import re

from amaranth.hdl import Module, ResetInserter, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...hdl import MatmulDesign
from ...hdl.bus.gearbox import Downsizer, Upsizer
from ...hdl.emit import port_order, to_rtlil, to_verilog
from ..link.description import Description
from ..link.protocol import Event
from .dispatcher import Dispatcher
from .receiver import Receiver
from .result_stream import Results
from .sender import Sender
from .uart import UartReceiver, UartTransmitter, phase_step

__all__ = ["BoardTop", "EngineLink", "relax_memories", "top_rtlil", "top_verilog"]

ERRORS = Event.CRC | Event.SEQUENCE | Event.KIND | Event.OVERRUN | Event.ZERO_SIZE | Event.TOO_LARGE


class EngineLink(wiring.Component):
    """Lets the matmul engine be used by frames of ``protocol``, in both directions.

    It takes a byte every 10 cycles, and gives one every 9. A RESET clears everything that was there before. Only the
    frame that is being sent is finished, with a wrong CRC.

    Parameters
    ----------
    description: what the board says of itself
    design: a matmul of ``description.engine``

    Members
    -------
    i: In(stream.Signature(8, always_ready=True)), the bytes from the host
    o: Out(stream.Signature(8)), the bytes to the host
    busy: Out(1), is up from the start of a PRODUCT to its last byte of C
    error: Out(1), says that an event since the last RESET was an error
    """

    def __init__(self, description: Description, design: MatmulDesign):
        if design.engine != description.engine:
            raise ValueError(f"design must be a matmul of the description's engine, not of {design.engine!r}")
        self.description = description
        self.design = design
        super().__init__(
            {
                "i": In(stream.Signature(unsigned(8), always_ready=True)),
                "o": Out(stream.Signature(unsigned(8))),
                "busy": Out(1),
                "error": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        engine, design = self.description.engine, self.design
        m.submodules.receiver = receiver = Receiver(engine, self.description.buffer_bytes)
        m.submodules.sender = sender = Sender(self.description.text())
        fresh = ResetInserter(receiver.reset)
        dispatcher, results = Dispatcher(engine), Results()
        matmul = design.core()
        m.submodules.dispatcher = fresh(dispatcher)
        m.submodules.results = fresh(results)
        m.submodules.matmul = fresh(matmul)
        for name, bits in matmul.inputs.items():
            words = Upsizer(bits, 8, shift=True)
            m.submodules[f"words_{name}"] = fresh(words)
            wiring.connect(m, getattr(dispatcher, name), words.i)
            wiring.connect(m, words.o, getattr(matmul, name))
        beats = Downsizer(engine.stream_bits["c"], 8)
        m.submodules.beats_c = fresh(beats)
        wiring.connect(m, matmul.c, beats.i)
        wiring.connect(m, beats.o, results.i)
        wiring.connect(m, wiring.flipped(self.i), receiver.i)
        wiring.connect(m, receiver.o, dispatcher.i)
        wiring.connect(m, dispatcher.describe, sender.describe)
        wiring.connect(m, sender.o, wiring.flipped(self.o))
        events = Signal.like(sender.events)
        m.d.comb += [
            events.eq(receiver.events),
            events[Event.ZERO_SIZE.bit_length() - 1].eq(matmul.refused_zero),
            events[Event.TOO_LARGE.bit_length() - 1].eq(matmul.refused_large),
            matmul.start.eq(dispatcher.start),
            *(getattr(matmul, name).eq(getattr(dispatcher, name)) for name in ("m", "n", "k", *engine.tensor_fields)),
            results.start.eq(dispatcher.start & ~(matmul.refused_zero | matmul.refused_large)),
            *(getattr(results, name).eq(getattr(sender, name)) for name in ("give", "done", "turn", "telling")),
            dispatcher.at_hand.eq(results.at_hand),
            sender.reset.eq(receiver.reset),
            sender.events.eq(events),
            sender.expected.eq(receiver.expected),
            sender.consumed.eq(dispatcher.consumed),
            *(getattr(sender, name).eq(getattr(results, name)) for name in ("byte", "count", "ended", "cycles")),
            self.busy.eq(results.at_hand),
        ]
        with m.If((events & ERRORS).any()):
            m.d.sync += self.error.eq(1)
        with m.If(receiver.reset):
            m.d.sync += self.error.eq(0)
        return m


class BoardTop(wiring.Component):
    """Puts the matmul engine behind a serial line: ``EngineLink`` between ``UartReceiver`` and ``UartTransmitter``.

    It keeps up with a host that sends without a pause: a byte takes 10 bit times, which are at least 40 cycles.

    Parameters
    ----------
    description: what the board says of itself; its clock must be at least 4 times its baud
    design: a matmul of ``description.engine``

    Members
    -------
    rx: In(1), the line from the host
    tx: Out(1), the line to the host
    busy: Out(1), is up from the start of a PRODUCT to its last byte of C
    error: Out(1), says that an event since the last RESET was an error
    """

    def __init__(self, description: Description, design: MatmulDesign):
        phase_step(description.clock_hz, description.baud)
        self.link = EngineLink(description, design)
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


def top_rtlil(description: Description, design: MatmulDesign) -> str:
    """``BoardTop`` as RTLIL for synthesis: its module is ``top``, and its ports are clk, rst, rx, tx, busy, error."""
    return relax_memories(to_rtlil(BoardTop(description, design), "top"))


def top_verilog(description: Description, design: MatmulDesign) -> str:
    """``BoardTop`` as Verilog-2005, with the module and ports of ``top_rtlil``. Raises YosysError."""
    top = BoardTop(description, design)
    (verilog,) = to_verilog([("top", to_rtlil(top, "top"), port_order(top))])
    return verilog
