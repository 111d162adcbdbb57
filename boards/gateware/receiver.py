"""The receiver finds frames among the bytes from the host, and passes on those that are good."""

from amaranth.hdl import Cat, Module, Signal, Value, unsigned
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..link.protocol import CRC_BYTES, START, Event, Kind
from ..link.traffic import Traffic
from .crc import Crc

__all__ = ["EVENT_BITS", "Receiver"]

EVENT_BITS = 8
"""Bits of a set of ``protocol.Event``."""


class Buffer(wiring.Component):
    """Keeps bytes in order until it is known whether they are wanted.

    Bytes that were written are given out after they are committed; bytes that are dropped are never given out. All
    ``depth`` bytes can be in use. A byte makes room when it is given out. A committed byte can be given out from the
    second cycle on, and then one every 2 cycles as long as none is written.

    Parameters
    ----------
    depth: size in bytes, a power of two

    Members
    -------
    i: In(stream.Signature(8)), the bytes to keep; ``ready`` says that there is room
    commit: In(1), commits what was written before this cycle
    drop: In(1), drops what was written since the last commit
    clear: In(1), forgets everything
    o: Out(stream.Signature(8)), the committed bytes
    """

    def __init__(self, depth: int):
        if depth < 2 or depth & (depth - 1):
            raise ValueError(f"depth must be a power of two, not {depth!r}")
        self.depth = depth
        super().__init__(
            {
                "i": In(stream.Signature(unsigned(8))),
                "commit": In(1),
                "drop": In(1),
                "clear": In(1),
                "o": Out(stream.Signature(unsigned(8))),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.bytes = store = memory.Memory(shape=unsigned(8), depth=self.depth, init=[])
        write = store.write_port()
        read = store.read_port()
        # These have one bit more than an address, so that a full buffer differs from an empty one.
        committed = Signal(range(2 * self.depth))
        ahead = Signal.like(committed)
        written = Signal.like(committed)
        given = Signal.like(committed)
        m.d.comb += [
            written.eq(committed + ahead),
            self.i.ready.eq((written ^ given) != self.depth),
            write.addr.eq(written),
            write.data.eq(self.i.payload),
            write.en.eq(self.i.valid & self.i.ready),
            read.addr.eq(given),
            # The memory is never read and written at once: see top.relax_memories.
            read.en.eq(~write.en),
            self.o.payload.eq(read.data),
        ]
        with m.If(read.en):
            m.d.sync += self.o.valid.eq(given != committed)
        with m.If(write.en):
            m.d.sync += ahead.eq(ahead + 1)
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [given.eq(given + 1), self.o.valid.eq(0)]
        with m.If(self.commit):
            m.d.sync += committed.eq(written)
        with m.If(self.commit | self.drop):
            m.d.sync += ahead.eq(0)
        with m.If(self.clear):
            m.d.sync += [committed.eq(0), ahead.eq(0), given.eq(0), self.o.valid.eq(0)]
        return m


class Receiver(wiring.Component):
    """Takes frames apart, keeps the good ones in a buffer, and gives out the kind, length and payload of each.

    A frame is good if its CRC is right, its kind is one of this board's, its length is right for that kind, its
    sequence is the expected one, and all of it found room in the buffer. These are checked in this order, and the first
    that fails is reported in ``events``. No byte of a bad frame is given out. A RESET with the right CRC and no payload
    is always obeyed, whatever its sequence is and however full the buffer is. Bytes between frames are ignored.

    The receiver takes a byte every 10 cycles, which is more than a serial line brings. It has checked a frame 9 cycles
    after the frame's last byte, and gives it out from the second cycle after that on. After a RESET, ``reset`` is up in
    the next cycle, ``expected`` is then the number after the RESET's sequence, and the buffer is empty after that
    cycle.

    Parameters
    ----------
    traffic: says which kinds there are, and how long a PRODUCT is
    buffer_bytes: room for good frames that have not been given out yet, a power of two

    Members
    -------
    i: In(stream.Signature(8, always_ready=True)), the bytes from the serial line
    o: Out(stream.Signature(8)), the bytes of good frames
    expected: Out(16), the sequence that the next frame must have
    reset: Out(1), is up for a cycle when a RESET came, so that everything under way is dropped
    events: Out(8), CRC, KIND, SEQUENCE and OVERRUN of ``protocol.Event``, each up for a cycle
    """

    def __init__(self, traffic: Traffic, buffer_bytes: int):
        self.traffic = traffic
        self.buffer = Buffer(buffer_bytes)
        super().__init__(
            {
                "i": In(stream.Signature(unsigned(8), always_ready=True)),
                "o": Out(stream.Signature(unsigned(8))),
                "expected": Out(16),
                "reset": Out(1),
                "events": Out(EVENT_BITS),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.buffer = buffer = self.buffer
        m.submodules.crc_in = crc = Crc()
        wiring.connect(m, buffer.o, wiring.flipped(self.o))
        byte, taken = self.i.payload, self.i.valid
        sizes = {Kind.RESET: 0, Kind.DESCRIBE: 1}
        if self.traffic.fields:
            sizes[Kind.PRODUCT] = sum(self.traffic.sizes.values())
        kinds = {kind: Signal(name=f"is_{kind.name.lower()}") for kind in sizes}
        is_stream, is_known, is_overrun = Signal(), Signal(), Signal()
        sequence = Signal(16)
        left = Signal(8)
        m.d.comb += [
            crc.i.payload.eq(byte),
            crc.i.valid.eq(taken),
            buffer.i.payload.eq(byte),
            buffer.clear.eq(self.reset),
        ]
        m.d.sync += self.reset.eq(0)
        with m.If(buffer.i.valid & ~buffer.i.ready):
            m.d.sync += is_overrun.eq(1)
        with m.FSM():
            with m.State("HUNT"):
                m.d.comb += [crc.start.eq(1), crc.i.valid.eq(0)]
                m.d.sync += is_overrun.eq(0)
                with m.If(taken & (byte == START)):
                    m.next = "KIND"
            with m.State("KIND"):
                m.d.comb += buffer.i.valid.eq(taken)
                with m.If(taken):
                    m.d.sync += [signal.eq(byte == kind) for kind, signal in kinds.items()]
                    m.d.sync += is_stream.eq(Cat(byte == kind for kind in self.traffic.streams.values()).any())
                    m.next = "LOW"
            with m.State("LOW"), m.If(taken):
                m.d.sync += sequence[:8].eq(byte)
                m.next = "HIGH"
            with m.State("HIGH"), m.If(taken):
                m.d.sync += sequence[8:].eq(byte)
                m.next = "LENGTH"
            with m.State("LENGTH"):
                m.d.comb += buffer.i.valid.eq(taken)
                fits = Cat(signal & (byte == sizes[kind]) for kind, signal in kinds.items()).any()
                with m.If(taken):
                    m.d.sync += [left.eq(byte), is_known.eq(fits | (is_stream & (byte != 0)))]
                    m.next = "PAYLOAD"
                    with m.If(byte == 0):
                        m.d.sync += left.eq(CRC_BYTES)
                        m.next = "CRC"
            with m.State("PAYLOAD"):
                m.d.comb += buffer.i.valid.eq(taken)
                with m.If(taken):
                    m.d.sync += left.eq(left - 1)
                    with m.If(left == 1):
                        m.d.sync += left.eq(CRC_BYTES)
                        m.next = "CRC"
            with m.State("CRC"), m.If(taken):
                m.d.sync += left.eq(left - 1)
                with m.If(left == 1):
                    m.next = "CHECK"
            with m.State("CHECK"), m.If(crc.i.ready):
                self._decide(m, crc.is_right, is_known, kinds[Kind.RESET], sequence, is_overrun)
                m.next = "HUNT"
        return m

    def _decide(
        self, m: Module, is_right: Value, is_known: Value, is_reset: Value, sequence: Value, is_overrun: Value
    ) -> None:
        """Decide whether the frame that has just ended is kept, obeyed or dropped."""
        m.d.comb += self.buffer.drop.eq(1)
        with m.If(~is_right):
            m.d.comb += self.events.eq(Event.CRC)
        with m.Elif(~is_known):
            m.d.comb += self.events.eq(Event.KIND)
        with m.Elif(is_reset):
            m.d.sync += [self.expected.eq(sequence + 1), self.reset.eq(1)]
        with m.Elif(sequence != self.expected):
            m.d.comb += self.events.eq(Event.SEQUENCE)
        with m.Elif(is_overrun):
            m.d.comb += self.events.eq(Event.OVERRUN)
        with m.Else():
            m.d.comb += self.buffer.commit.eq(1)
            m.d.sync += self.expected.eq(sequence + 1)
