"""The sender makes the frames to the host: events, results of products, and the description of the board."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, unsigned
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..link.description import MAX_DESCRIPTION
from ..link.protocol import BLOCK_BYTES, CRC_BYTES, MAX_PAYLOAD, START, Event, Kind, Status
from .crc import Crc
from .receiver import EVENT_BITS
from .result_stream import RESULT_BYTES

__all__ = ["Sender"]

ENOUGH = 128
"""A frame with a part of C is sent when so many bytes wait for it."""

ROM_BYTES = MAX_DESCRIPTION + 2
"""Size of the ROM that holds the length of the description, and then its text."""

NO_EVENT = Event(0)

HEAD_BYTES = 4
"""Bytes of the header without START: the kind, the sequence and the length."""


class Sender(wiring.Component):
    """Makes frames, one at a time.

    - A STATUS is due when there was an event that no STATUS has reported, or when ``consumed`` was up since the last
      STATUS.
    - A DESCRIPTION is due while the host asks for one.
    - A RESULT is due when 128 bytes of C wait, or when the last byte of a product waits. It carries all bytes that
      wait, up to 255.

    If several are due, a STATUS and one of the others alternate, and a DESCRIPTION goes before a RESULT. A STATUS
    reports the state of the cycle in which it begins. The event DONE is reported after the last RESULT of a product.

    After ``reset``, the next frame is a STATUS with sequence 0, and RESET is its only event besides ``standing``. A
    frame that had begun by then may hold anything, so it is finished with a wrong CRC, unless its last byte was taken
    already.

    The sender gives a byte every 9 cycles, which is more than a serial line takes. A frame begins 2 cycles after it is
    due. ``o.payload`` may change while it waits, but only because of ``reset``.

    Parameters
    ----------
    text: the text of the description. Numbers of blocks are taken modulo 8, and zeros follow the text
    standing: events that are also reported by the STATUS that answers a RESET, if they are up in the cycle of ``reset``

    Members
    -------
    reset: In(1), says that a RESET is obeyed in this cycle
    events: In(8), the events of this cycle, of ``protocol.Event``
    expected: In(16), the expected sequence, which a STATUS reports
    consumed: In(1), says that a frame was consumed in this cycle
    describe: In(stream.Signature(8)), the number of the block that is asked for; it is taken at the end of its frame
    byte, count, ended, cycles: In, as ``Results`` has them
    give, done, turn, telling: Out, as ``Results`` has them
    o: Out(stream.Signature(8)), the bytes for the serial line
    """

    def __init__(self, text: str, standing: Event = NO_EVENT):
        if not text.isascii() or len(text) > MAX_DESCRIPTION:
            raise ValueError(f"text must be at most {MAX_DESCRIPTION} bytes of ASCII, not {text!r}")
        self.text = text
        self.standing = standing
        super().__init__(
            {
                "reset": In(1),
                "events": In(EVENT_BITS),
                "expected": In(16),
                "consumed": In(1),
                "describe": In(stream.Signature(unsigned(8))),
                "byte": In(8),
                "count": In(range(RESULT_BYTES + 1)),
                "ended": In(1),
                "cycles": In(8),
                "give": Out(1),
                "done": Out(1),
                "turn": Out(1),
                "telling": Out(1),
                "o": Out(stream.Signature(unsigned(8))),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.crc_out = crc = Crc()
        is_idle, end, is_stale = Signal(), Signal(), Signal()
        transfer, last = Signal(), Signal()
        byte, left = Signal(8), Signal(8)
        is_result, is_description = Signal(), Signal()
        kind, head = self._due(m, is_idle & ~self.reset, end & ~is_stale)
        held = Signal(len(head), reset_less=True)
        offset = Signal(range(BLOCK_BYTES))
        body = Mux(is_result, self.byte, self._block(m, offset))
        m.d.comb += [
            # The next byte of a memory has been read by the time that the CRC has taken in this one.
            self.o.valid.eq(~is_idle & crc.i.ready),
            self.o.payload.eq(byte),
            transfer.eq(self.o.valid & self.o.ready),
            last.eq(transfer & (left == 1)),
            crc.i.payload.eq(byte),
            crc.i.valid.eq(transfer),
            self.telling.eq(~is_idle & ~is_result & ~is_description),
            self.describe.ready.eq(end & is_description & ~is_stale),
            self.done.eq(end & is_result & ~is_stale & self.ended & (self.count == 0)),
        ]
        with m.If(transfer):
            m.d.sync += left.eq(left - 1)
        with m.FSM() as fsm:
            with m.State("IDLE"):
                m.d.sync += [
                    held.eq(head),
                    is_result.eq(kind == Kind.RESULT),
                    is_description.eq(kind == Kind.DESCRIPTION),
                ]
                with m.If(kind != 0):
                    m.next = "START"
            with m.State("START"):
                m.d.comb += [byte.eq(START), crc.start.eq(1), crc.i.valid.eq(0)]
                m.d.sync += left.eq(HEAD_BYTES + Mux(is_result, 0, Mux(is_description, 1, Status.BYTES)))
                with m.If(transfer):
                    m.next = "HEAD"
            with m.State("HEAD"):
                m.d.comb += [byte.eq(held), self.turn.eq(transfer & self.telling & ~last)]
                with m.If(transfer):
                    # A STATUS has 13 bytes here, which makes 12 turns: the cycles are then where they began.
                    m.d.sync += held.eq(Cat(held[8:], self.cycles))
                with m.If(last):
                    m.d.sync += left.eq(Mux(is_result, held, Mux(is_description, BLOCK_BYTES, CRC_BYTES)))
                    m.next = "CRC"
                    with m.If(is_result | is_description):
                        m.next = "BODY"
            with m.State("BODY"):
                m.d.comb += [byte.eq(body), self.give.eq(transfer & is_result & ~is_stale)]
                m.d.sync += offset.eq(offset + transfer)
                with m.If(last):
                    m.d.sync += [left.eq(CRC_BYTES), offset.eq(0)]
                    m.next = "CRC"
            with m.State("CRC"):
                # When a CRC takes in its own lowest byte, it is left with the bytes above that.
                m.d.comb += [byte.eq(crc.lowest), crc.i.payload.eq(~byte), end.eq(last)]
                m.d.comb += self.o.payload[0].eq(byte[0] ^ is_stale)
                with m.If(last):
                    m.next = "IDLE"
        m.d.comb += is_idle.eq(fsm.ongoing("IDLE"))
        with m.If(end):
            m.d.sync += is_stale.eq(0)
        with m.If(self.reset):
            m.d.sync += is_stale.eq(~is_idle & ~end)
        return m

    def _due(self, m: Module, may_begin: Value, sent: Value) -> tuple[Signal, Value]:
        """The kind of the frame that begins in this cycle, or 0 if none does, and the first bytes of it without the
        cycles."""
        sequence, consumed = Signal(16), Signal(16)
        pending = Signal(EVENT_BITS)
        moved, was_other = Signal(), Signal()
        kind, length = Signal(8), Signal(8)
        is_other = Signal()
        m.d.comb += is_other.eq(self.describe.valid | self.ended | (self.count >= ENOUGH))
        m.d.sync += [
            pending.eq(pending | self.events | Mux(self.done, Event.DONE, 0)),
            consumed.eq(consumed + self.consumed),
            moved.eq(moved | self.consumed),
            sequence.eq(sequence + sent),
        ]
        with m.If(may_begin & (pending.any() | moved) & (was_other | ~is_other)):
            m.d.comb += [kind.eq(Kind.STATUS), length.eq(Status.BYTES)]
            m.d.sync += [pending.eq(self.events), moved.eq(self.consumed), was_other.eq(0)]
        with m.Elif(may_begin & self.describe.valid):
            m.d.comb += [kind.eq(Kind.DESCRIPTION), length.eq(1 + BLOCK_BYTES)]
            m.d.sync += was_other.eq(1)
        with m.Elif(may_begin & is_other):
            m.d.comb += [kind.eq(Kind.RESULT), length.eq(Mux(self.count > MAX_PAYLOAD, MAX_PAYLOAD, self.count))]
            m.d.sync += was_other.eq(1)
        begun = Event.RESET | (self.events & self.standing) if self.standing else Event.RESET
        with m.If(self.reset):
            m.d.sync += [pending.eq(begun), consumed.eq(self.expected), moved.eq(0)]
            m.d.sync += [sequence.eq(0), was_other.eq(1)]
        first = Mux(kind == Kind.DESCRIPTION, self.describe.payload, pending)
        return kind, Cat(kind, sequence, length, first, self.expected, consumed)

    def _block(self, m: Module, offset: Signal) -> Value:
        """The byte of the description at this offset in the block that is asked for."""
        content = len(self.text).to_bytes(2, "little") + self.text.encode()
        m.submodules.rom = rom = memory.Memory(shape=unsigned(8), depth=ROM_BYTES, init=content)
        read = rom.read_port()
        m.d.comb += read.addr.eq(Cat(offset, self.describe.payload))
        return read.data
