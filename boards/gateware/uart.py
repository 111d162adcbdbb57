"""Bytes on a serial line: one start bit, eight data bits from the lowest up, no parity, one stop bit."""

from itertools import count

from amaranth.hdl import Cat, Const, Module, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

__all__ = ["MIN_CYCLES", "UartReceiver", "UartTransmitter", "phase_step"]

BITS = 10
"""Of a byte on the line."""

MIN_CYCLES = 4
"""Clock cycles in a bit, at least."""

MAX_DRIFT = 0.015
"""Of a bit: how far the end of a byte may be off because the rate is rounded."""


def phase_step(clock_hz: int, baud: int) -> tuple[int, int]:
    """Bits of a phase accumulator that overflows ``baud`` times a second, and what it gains in a cycle.

    As few bits as keep the end of a byte within ``MAX_DRIFT``. Raises ValueError.
    """
    for name, value in (("clock_hz", clock_hz), ("baud", baud)):
        if not (isinstance(value, int) and value >= 1):
            raise ValueError(f"{name} must be 1 or more, not {value!r}")
    if clock_hz < MIN_CYCLES * baud:
        raise ValueError(f"baud must be at most 1/{MIN_CYCLES} of the clock's {clock_hz} Hz, not {baud!r}")
    for bits in count(2):
        exact = (baud << bits) / clock_hz
        if abs(round(exact) - exact) * BITS <= MAX_DRIFT * exact:
            return bits, round(exact)
    raise AssertionError("more bits always come closer")


class UartReceiver(wiring.Component):
    """Bytes from a serial line.

    Every bit is sampled in its middle, give or take a cycle; what is high in the middle of a start bit was none. A
    byte with a low stop bit is dropped, and the line has to be high before another begins. ``o.valid`` is up for one
    cycle, as the stop bit is sampled: 2 to 3 cycles after its middle on the line. Two bytes are 10 bit times apart at
    least, less the sampling's cycle and what the sender is too fast. At 4 cycles a bit the sender's clock may be off
    by 2%.

    Parameters
    ----------
    clock_hz: of the domain
    baud: bits a second, at most a quarter of the clock; any fraction

    Members
    -------
    rx: In(1), the line, asynchronous
    o: Out(stream.Signature(8, always_ready=True))
    """

    def __init__(self, clock_hz: int, baud: int):
        self.clock_hz = clock_hz
        self.baud = baud
        self.phase_bits, self.step = phase_step(clock_hz, baud)
        super().__init__({"rx": In(1, init=1), "o": Out(stream.Signature(unsigned(8), always_ready=True))})

    def elaborate(self, platform) -> Module:
        m = Module()
        line = Signal(init=1)
        m.submodules.synchronizer = FFSynchronizer(self.rx, line, init=1)
        phase = Signal(self.phase_bits)
        following = Signal(self.phase_bits)
        middle = Signal()
        place = Signal(3)
        m.d.comb += Cat(following, middle).eq(phase + self.step)
        m.d.sync += phase.eq(following)
        with m.FSM():
            with m.State("IDLE"):
                # As if the edge were half a cycle ago and a sample came half a cycle late: neither is so on the whole.
                m.d.sync += phase.eq((1 << self.phase_bits - 1) + self.step)
                with m.If(~line):
                    m.next = "START"
            with m.State("START"), m.If(middle):
                m.next = "DATA"
                with m.If(line):
                    m.next = "IDLE"
            with m.State("DATA"), m.If(middle):
                m.d.sync += [place.eq(place + 1), self.o.payload.eq(Cat(self.o.payload[1:], line))]
                with m.If(place == 7):
                    m.next = "STOP"
            with m.State("STOP"):
                m.d.comb += self.o.valid.eq(middle & line)
                with m.If(middle):
                    m.next = "BREAK"
                    with m.If(line):
                        m.next = "IDLE"
            with m.State("BREAK"), m.If(line):
                m.next = "IDLE"
        return m


class UartTransmitter(wiring.Component):
    """Bytes to a serial line.

    The start bit begins in the cycle after a byte's transfer; a byte that is there in time follows the one before it
    without a pause, 10 bit times on average from start bit to start bit. Edges are less than a cycle late.

    Parameters
    ----------
    clock_hz: of the domain
    baud: bits a second, at most a quarter of the clock; any fraction

    Members
    -------
    i: In(stream.Signature(8))
    tx: Out(1), the line; high while there is nothing to send
    """

    def __init__(self, clock_hz: int, baud: int):
        self.clock_hz = clock_hz
        self.baud = baud
        self.phase_bits, self.step = phase_step(clock_hz, baud)
        super().__init__({"i": In(stream.Signature(unsigned(8))), "tx": Out(1, init=1)})

    def elaborate(self, platform) -> Module:
        m = Module()
        line = Signal(BITS - 1, init=(1 << BITS - 1) - 1)
        left = Signal(range(BITS + 1))
        phase = Signal(self.phase_bits)
        following = Signal(self.phase_bits)
        over = Signal()
        m.d.comb += [
            self.tx.eq(line[0]),
            Cat(following, over).eq(phase + self.step),
            self.i.ready.eq((left == 0) | (over & (left == 1))),
        ]
        m.d.sync += phase.eq(following)
        with m.If(left == 0):
            m.d.sync += phase.eq(0)
        with m.Elif(over):
            m.d.sync += [left.eq(left - 1), line.eq(Cat(line[1:], Const(1, 1)))]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [left.eq(BITS), line.eq(Cat(Const(0, 1), self.i.payload))]
        return m
