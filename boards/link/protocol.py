"""The frames of the host link, on which both sides of the serial line agree.

A frame has these bytes:

    0      START
    1      kind, one of ``Kind``
    2, 3   sequence, low byte first
    4      length of the payload, 0 to 255
    5...   payload
    last 4 CRC-32 (that of zlib and IEEE 802.3) of everything from kind to payload, low byte first

The host numbers its frames: the frame after a RESET has the RESET's sequence plus 1, and so on modulo 2**16. The board
takes a frame only if it has the sequence that the board expects. So after a frame was lost or bad, the board takes none
until the next RESET, and what computes never sees a gap in what the host sent. The board numbers its own frames too;
the STATUS that answers a RESET has the number 0. If the host misses a frame of the board, it begins anew with a RESET.

A receiver that has lost its place searches for START again after ``FLUSH``.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum, IntFlag

__all__ = [
    "BLOCK_BYTES",
    "FLUSH",
    "FRAME_BYTES",
    "MAX_PAYLOAD",
    "SEQUENCES",
    "START",
    "STORED_BYTES",
    "STREAM_KINDS",
    "Event",
    "Frame",
    "Kind",
    "Parser",
    "Status",
]

START = 0xA5
MAX_PAYLOAD = 255
SEQUENCES = 1 << 16
HEADER_BYTES = 5
CRC_BYTES = 4

FRAME_BYTES = HEADER_BYTES + CRC_BYTES
"""Bytes of a frame besides its payload."""

STORED_BYTES = 2
"""Bytes that a frame takes in the board's buffer besides its payload, for its kind and length."""

FLUSH = bytes(MAX_PAYLOAD + FRAME_BYTES)
"""Bytes that end whatever frame a receiver believes to be in."""

BLOCK_BYTES = 64
"""Bytes of the board's description in one DESCRIPTION frame."""


class Kind(IntEnum):
    """The kinds of frames. The host sends those up to 0x7f, and the board those from 0x80.

    RESET: drops the product or the images at hand and all frames that were received. It is taken whatever its sequence
        is. It has no payload
    DESCRIBE: asks for a block of the description. The payload is one byte, the number of the block
    PRODUCT: begins a product, as soon as the engine has finished the one before. The payload is m, n and k of 2 bytes
        each, and then the ``engine.tensor_fields``, each in as many bytes as it needs
    A, W, P, A_SCALES, W_SCALES: bring the next bytes of that stream of the engine, 1 or more. The words of the stream
        follow each other without gaps
    IMAGE: brings the next bytes of images, 1 or more. Images follow each other without gaps, and each is computed as
        soon as it is there and the one before is done
    WEIGHTS: brings the next bytes of a network's weights, 1 or more. The first byte after a RESET is that of the first
        weight. A board that has its weights ignores them
    STATUS: is sent when a frame was consumed, and at every event. ``Status`` describes the payload
    RESULT: brings the next bytes of C, or of an image's answer, 1 or more
    DESCRIPTION: brings a block of the description. The payload is the number of the block, and then its ``BLOCK_BYTES``
        bytes
    """

    RESET = 0x01
    DESCRIBE = 0x02
    PRODUCT = 0x03
    A = 0x10
    W = 0x11
    P = 0x12
    A_SCALES = 0x13
    W_SCALES = 0x14
    IMAGE = 0x15
    WEIGHTS = 0x16
    STATUS = 0x80
    RESULT = 0x81
    DESCRIPTION = 0x82


STREAM_KINDS = {"a": Kind.A, "w": Kind.W, "p": Kind.P, "a_scales": Kind.A_SCALES, "w_scales": Kind.W_SCALES}
"""The frames that carry each input stream of the engine."""


class Event(IntFlag):
    """The things that can have happened on the board since its last STATUS.

    RESET: a RESET was obeyed
    CRC: a frame with a wrong CRC was dropped
    SEQUENCE: a frame was dropped because it did not have the expected sequence
    KIND: a frame was dropped because this board does not know its kind, or its length is wrong for its kind
    OVERRUN: a frame was dropped because the buffer was full
    ZERO_SIZE, TOO_LARGE: a PRODUCT was refused because a size was 0, or was too large
    UNLOADED: of a network, in the place of ZERO_SIZE: the board does not have the weights of its program. It is said
        after a RESET, after a load of other weights, and when bytes of an image were dropped because of that
    DONE: a product or an answer is complete, and its last RESULT has been sent
    """

    RESET = 0x01
    CRC = 0x02
    SEQUENCE = 0x04
    KIND = 0x08
    OVERRUN = 0x10
    ZERO_SIZE = 0x20
    UNLOADED = 0x20
    TOO_LARGE = 0x40
    DONE = 0x80


@dataclass(frozen=True)
class Frame:
    """One frame. Raises ValueError if it cannot be sent.

    Parameters
    ----------
    kind: a ``Kind``, or any other byte, since a receiver has to answer those as well
    sequence: 0 to 65535
    payload: up to 255 bytes
    """

    kind: int
    sequence: int
    payload: bytes = b""

    def __post_init__(self) -> None:
        if not 0 <= self.kind < 256:
            raise ValueError(f"kind must be 0 to 255, not {self.kind!r}")
        if not 0 <= self.sequence < SEQUENCES:
            raise ValueError(f"sequence must be 0 to {SEQUENCES - 1}, not {self.sequence!r}")
        if len(self.payload) > MAX_PAYLOAD:
            raise ValueError(f"payload must be at most {MAX_PAYLOAD} bytes, not {len(self.payload)}")

    def __bytes__(self) -> bytes:
        checked = bytes([self.kind, *self.sequence.to_bytes(2, "little"), len(self.payload)]) + self.payload
        return bytes([START]) + checked + zlib.crc32(checked).to_bytes(CRC_BYTES, "little")


@dataclass(frozen=True)
class Status:
    """The payload of a STATUS.

    Parameters
    ----------
    events: what has happened since the last STATUS
    expected: the sequence that the board expects of the next frame
    consumed: the sequence of the first frame that still takes room in the board's buffer, or ``expected`` if none does
    cycles: the clock cycles that the last complete product took, from the consumption of its PRODUCT to its last byte
        of C, modulo 2**32; of a network those of the last complete image, from its start to its last sum
    """

    events: Event
    expected: int
    consumed: int
    cycles: int

    BYTES = 9

    @classmethod
    def parse(cls, payload: bytes) -> "Status":
        """The status that has this payload. Raises ValueError if there is none."""
        if len(payload) != cls.BYTES:
            raise ValueError(f"payload of a STATUS must be {cls.BYTES} bytes, not {len(payload)}")
        parts = (payload[1:3], payload[3:5], payload[5:9])
        return cls(Event(payload[0]), *(int.from_bytes(part, "little") for part in parts))

    def __bytes__(self) -> bytes:
        numbers = ((self.expected, 2), (self.consumed, 2), (self.cycles, 4))
        return bytes([self.events]) + b"".join(value.to_bytes(size, "little") for value, size in numbers)


class Parser:
    """Finds the good frames in a stream of bytes, whatever is between them.

    It never raises, and it never looks twice at a byte of a good frame.

    Attributes
    ----------
    dropped: number of bytes so far that were part of no good frame
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._held = bytearray()

    def feed(self, received: bytes) -> Iterator[Frame]:
        """Yield the frames that these bytes complete, in order. It must be read to its end before the next call."""
        self._held += received
        position = 0
        while True:
            start = self._held.find(START, position)
            self.dropped += (len(self._held) if start < 0 else start) - position
            position = len(self._held) if start < 0 else start
            length = self._held[position + 4] if len(self._held) - position > 4 else 0
            end = position + FRAME_BYTES + length
            if len(self._held) - position < HEADER_BYTES or end > len(self._held):
                break
            checked = bytes(self._held[position + 1 : end - CRC_BYTES])
            if zlib.crc32(checked) == int.from_bytes(self._held[end - CRC_BYTES : end], "little"):
                yield Frame(checked[0], int.from_bytes(checked[1:3], "little"), checked[4:])
                position = end
            else:
                self.dropped += 1
                position += 1
        del self._held[:position]

    def clear(self) -> None:
        """Forget a frame that has begun and is not complete."""
        self.dropped += len(self._held)
        self._held.clear()
