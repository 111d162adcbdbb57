"""The link between the bytes of a serial line and what computes, as far as it does not depend on what that is."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from amaranth.hdl import Module, ResetInserter, Signal, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...hdl.bus.gearbox import Downsizer
from ..link.description import Description
from ..link.protocol import Event
from ..link.traffic import Traffic
from .dispatcher import Dispatcher
from .receiver import Receiver
from .result_stream import Results
from .sender import Sender

__all__ = ["Computing", "FrameLink", "Parts"]

ERRORS = Event.CRC | Event.SEQUENCE | Event.KIND | Event.OVERRUN | Event.ZERO_SIZE | Event.TOO_LARGE


class Parts(NamedTuple):
    """The parts of a link that what computes is connected to.

    Parameters
    ----------
    reset: is up for a cycle when a RESET came
    fresh: makes a component one that a RESET resets
    dispatcher: has the streams and parameters for what computes
    results: counts, or is told, the cycles
    """

    reset: Signal
    fresh: Callable[[Any], Any]
    dispatcher: Dispatcher
    results: Results


class Computing(NamedTuple):
    """What computes, as the link sees it.

    Parameters
    ----------
    words: the stream of its results, whose payload has ``data`` and ``last``
    bits: of a word
    events: for events that it reports, the signal that is up for a cycle
    busy: says that it computes
    statements: connect it to the other parts
    """

    words: Any
    bits: int
    events: Mapping[Event, Value]
    busy: Value
    statements: list[Any]


class FrameLink(wiring.Component, ABC):
    """Lets something that computes be used by frames of ``protocol``, in both directions.

    It takes a byte every 10 cycles, and gives one every 9. A RESET clears everything that was there before. Only the
    frame that is being sent is finished, with a wrong CRC. What computes is added by a subclass, in ``_computing``.

    Parameters
    ----------
    description: what the board says of itself

    Attributes
    ----------
    STANDING: see ``Sender``
    COUNTS: see ``Results``

    Members
    -------
    i: In(stream.Signature(8, always_ready=True)), the bytes from the host
    o: Out(stream.Signature(8)), the bytes to the host
    busy: Out(1), is up while something is computed
    error: Out(1), says that an event since the last RESET was an error
    """

    STANDING = Event(0)
    COUNTS = True

    def __init__(self, description: Description):
        self.description = description
        super().__init__(
            {
                "i": In(stream.Signature(unsigned(8), always_ready=True)),
                "o": Out(stream.Signature(unsigned(8))),
                "busy": Out(1),
                "error": Out(1),
            }
        )

    @abstractmethod
    def _computing(self, m: Module, parts: Parts) -> Computing:
        """Add what computes, and connect its input streams."""

    def elaborate(self, platform) -> Module:
        m = Module()
        traffic = Traffic.of(self.description.computes)
        m.submodules.receiver = receiver = Receiver(traffic, self.description.buffer_bytes)
        m.submodules.sender = sender = Sender(self.description.text(), self.STANDING)
        fresh = ResetInserter(receiver.reset)
        dispatcher, results = Dispatcher(traffic), Results(self.COUNTS)
        m.submodules.dispatcher = fresh(dispatcher)
        m.submodules.results = fresh(results)
        computing = self._computing(m, Parts(receiver.reset, fresh, dispatcher, results))
        beats = Downsizer(computing.bits, 8)
        m.submodules.beats_c = fresh(beats)
        wiring.connect(m, computing.words, beats.i)
        wiring.connect(m, beats.o, results.i)
        wiring.connect(m, wiring.flipped(self.i), receiver.i)
        wiring.connect(m, receiver.o, dispatcher.i)
        wiring.connect(m, dispatcher.describe, sender.describe)
        wiring.connect(m, sender.o, wiring.flipped(self.o))
        events = Signal.like(sender.events)
        m.d.comb += [
            events.eq(receiver.events),
            *(events[event.bit_length() - 1].eq(signal) for event, signal in computing.events.items()),
            *computing.statements,
            *(getattr(results, name).eq(getattr(sender, name)) for name in ("give", "done", "turn", "telling")),
            *([dispatcher.at_hand.eq(results.at_hand)] if traffic.fields else []),
            sender.reset.eq(receiver.reset),
            sender.events.eq(events),
            sender.expected.eq(receiver.expected),
            sender.consumed.eq(dispatcher.consumed),
            *(getattr(sender, name).eq(getattr(results, name)) for name in ("byte", "count", "ended", "cycles")),
            self.busy.eq(computing.busy),
        ]
        with m.If((events & ERRORS).any()):
            m.d.sync += self.error.eq(1)
        with m.If(receiver.reset):
            m.d.sync += self.error.eq(0)
        return m
