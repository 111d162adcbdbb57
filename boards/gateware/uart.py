"""A serial line carries bytes: a start bit, eight data bits with the lowest first, no parity, and a stop bit."""

from itertools import count

from amaranth.hdl import Cat, Const, Module, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

__all__ = ["MIN_CYCLES", "UartReceiver", "UartTransmitter", "phase_step"]

BITS = 10
"""Bits that a byte takes on the line."""

MIN_CYCLES = 4
"""Fewest clock cycles in a bit."""

MAX_DRIFT = 0.015
"""How far the end of a byte may be off because the rate is rounded, as a fraction of a bit."""


def phase_step(clock_hz: int, baud: int) -> tuple[int, int]:
    """The width of a phase accumulator that overflows ``baud`` times a second, and what is added to it every cycle.

    The width is the least that keeps the end of a byte within ``MAX_DRIFT``. Raises ValueError.
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
    """Receives bytes from a serial line.

    Every bit is sampled in its middle, or at most a cycle away from it. A start bit that is high in its middle is taken
    for noise. A byte with a low stop bit is dropped, and then the line has to be high before another byte can begin.
    ``o.valid`` is up for one cycle when the stop bit is sampled, which is 2 to 3 cycles after the middle of that bit on
    the line. Two bytes are about 10 bit times apart: a cycle of sampling, and a fast sender, can make it less. At 4
    cycles a bit, the clock of the sender may be off by 2%.

    Parameters
    ----------
    clock_hz: frequency of the domain's clock
    baud: bits a second, at most a quarter of the clock; it need not divide the clock

    Members
    -------
    rx: In(1), the line, which is asynchronous
    o: Out(stream.Signature(8, always_ready=True)), the bytes
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
                # The phase begins as if the edge had been half a cycle ago and each sample came half a cycle late.
                # The two assumptions cancel on average.
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
    """Sends bytes over a serial line.

    The start bit begins in the cycle after the transfer of a byte. If the next byte is there in time, it follows
    without a pause: start bits are then 10 bit times apart on average. Edges are less than a cycle late.

    Parameters
    ----------
    clock_hz: frequency of the domain's clock
    baud: bits a second, at most a quarter of the clock; it need not divide the clock

    Members
    -------
    i: In(stream.Signature(8)), the bytes
    tx: Out(1), the line, which is high while there is nothing to send
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
