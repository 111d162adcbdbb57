"""The channel sends numbered frames to a board, never more than it has room for, and notices when one is lost."""

import random
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..link.protocol import FLUSH, FRAME_BYTES, SEQUENCES, STORED_BYTES, Event, Frame, Kind, Parser, Status
from ..targets.board import BAUDS, BITS_A_BYTE
from .transport import Transport

__all__ = ["Channel", "Statistics", "Trouble"]

Piece = tuple[Kind, bytes]
"""A frame that has no sequence yet."""

PING_BYTES = STORED_BYTES + 1
PING_ROOM = 8 * PING_BYTES
"""Room in the board's buffer that is kept for pings, which ask a silent board whether it missed something."""

LEAST_QUIET, FIRST_QUIET = 0.005, 0.25
"""Seconds of silence before the host asks: the least, and what it waits before it knows how long an answer takes."""

PINGS_ALONE = 2
"""So many pings are sent without a flush before them. A flush takes as long as a frame, and late answers are more
common than boards that are stuck in a frame."""

FORGET = 0.95
"""The longest wait for an answer is multiplied by this with every shorter wait, so that it is forgotten in time."""

_ERRORS = Event.CRC | Event.SEQUENCE | Event.KIND | Event.OVERRUN
_REFUSALS = Event.ZERO_SIZE | Event.TOO_LARGE


class Trouble(Exception):
    """Something was lost, so the board has to be reset, and the product at hand has to be sent again.

    Parameters
    ----------
    cause: the word by which it is counted
    """

    def __init__(self, cause: str, message: str):
        super().__init__(message)
        self.cause = cause


@dataclass
class Statistics:
    """Counts what has gone over a link since it was opened.

    Parameters
    ----------
    sent, received: number of bytes, good and bad
    asked: how many of the bytes sent asked a silent board whether it is alive; flushes are among them
    resets: number of RESETs that were answered
    retries: how often something was done again, by its cause. Causes are the names of ``Event``; ``gap``, where frames
        of the board are missing; ``silence``; ``status``, where one contradicts what was sent; and ``result``, where
        one has a wrong length
    products: number of PRODUCTs that are complete
    images: number of images whose answers are complete
    cycles: cycles of the board's clock that these products or images took
    """

    sent: int = 0
    received: int = 0
    asked: int = 0
    resets: int = 0
    products: int = 0
    images: int = 0
    cycles: int = 0
    retries: Counter[str] = field(default_factory=Counter)


class Channel:
    """The link layer of the host.

    Parameters
    ----------
    transport: the serial line
    timeout: seconds within which the board must make progress
    patience: factor by which the channel waits longer before it asks; a simulated board is slower than its clock
    random: source of the sequences of RESETs

    Attributes
    ----------
    buffer_bytes: room that the board has for frames
    baud: bits a second of the line, the lowest of ``BAUDS`` until it is known
    has_network: whether the board computes a network, which says UNLOADED where an engine says ZERO_SIZE
    is_unloaded: whether the last RESET was answered with UNLOADED
    """

    def __init__(self, transport: Transport, timeout: float, random: random.Random, patience: float = 1.0):
        self.transport = transport
        self.timeout = timeout
        self.patience = patience
        self.buffer_bytes = 512
        self.baud = min(BAUDS)
        self.has_network = self.is_unloaded = False
        self.statistics = Statistics()
        self._random = random
        self._parser = Parser()
        self._inbox: deque[Frame] = deque()
        self._outgoing = bytearray()
        self._unconsumed: deque[tuple[int, bool]] = deque()
        self._taken = 0
        self._sequence = 0
        self._expected = 0
        self._answer_seconds = {True: 0.0, False: 0.0}

    def _quiet(self, flushed: bool = False) -> float:
        """Seconds of silence after which the host asks.

        They are somewhat longer than an answer takes at present, and longer than the line needs for all that is on the
        way.

        Parameters
        ----------
        flushed: whether a flush is on the way before the frame that is to be answered
        """
        usual = self._answer_seconds[flushed]
        underway = len(self._outgoing) + self._taken + FRAME_BYTES * len(self._unconsumed)
        line = underway * BITS_A_BYTE / self.baud
        quiet = max(LEAST_QUIET + 1.5 * usual if usual else FIRST_QUIET, line)
        return min(self.patience * quiet, max(self.timeout / 4, line))

    def _learn(self, flushed: bool, seconds: float) -> None:
        """Take account of how long the board took to answer this time.

        The first wait is taken as it is. A wait that is longer than usual counts half. One that is much longer counts
        as twice the time that the host waits, because a spoilt frame may have been its cause.
        """
        usual = self._answer_seconds[flushed]
        longer = (usual + min(seconds, 2 * self._quiet(flushed))) / 2 if usual else seconds
        self._answer_seconds[flushed] = max(longer, FORGET * usual)

    def reset(self) -> None:
        """Bring the board back to its initial state. Raises Trouble if it does not answer within the timeout.

        A receiver usually waits for a frame and needs no flush. So a flush is sent only if the first RESET is not
        answered, or if the board is not known yet.
        """
        begun = time.monotonic()
        flushed = not self._answer_seconds[True]
        wait = self._quiet(flushed)
        while True:
            sequence = self._random.randrange(SEQUENCES)
            sent = time.monotonic()
            self._outgoing = bytearray(FLUSH * flushed + bytes(Frame(Kind.RESET, sequence)))
            following = (sequence + 1) % SEQUENCES
            if self._answered(following, min(sent + wait, begun + self.timeout)):
                self._learn(flushed, time.monotonic() - sent)
                self._sequence, self._expected = following, 1
                self._unconsumed.clear()
                self._taken = 0
                self.statistics.resets += 1
                return
            if time.monotonic() - begun >= self.timeout:
                raise Trouble("silence", f"no answer to a RESET within {self.timeout:g} s")
            wait = 2 * wait if flushed else self._quiet(True)
            flushed = True

    def answers(self) -> bool:
        """Whether a board answers a RESET within the timeout."""
        try:
            self.reset()
        except Trouble:
            return False
        return True

    def _answered(self, following: int, end: float) -> bool:
        """Whether the board has answered the RESET before that sequence. Everything else that comes is dropped."""
        while True:
            while self._inbox:
                frame = self._inbox.popleft()
                status = _status(frame)
                if status and Event.RESET in status.events and frame.sequence == 0 and status.expected == following:
                    self.is_unloaded = Event.UNLOADED in status.events
                    return True
            now = time.monotonic()
            if now < end:
                self._move(end - now)
            elif not self._give_up_frame():
                return False

    def exchange(self, pieces: Iterator[Piece]) -> Iterator[Frame | Status]:
        """Send frames as fast as the board has room for them, and yield what it answers: each frame once, in order.

        A STATUS is yielded as ``Status``. The iterator never ends by itself; the caller stops when it has all that it
        wants. Raises Trouble after an error event, after a gap in the board's frames, and if the board makes no
        progress within the timeout. Raises LinkError if the line is gone.
        """
        piece = next(pieces, None)
        # the times of the last progress, the last byte, the last ping and the last look
        begun = heard = pinged = now = time.monotonic()
        asked, silence = 0, 0.0
        while True:
            while piece is not None and self._fits(len(piece[1]) + STORED_BYTES + PING_ROOM):
                self._queue(*piece)
                piece = next(pieces, None)
            own = time.monotonic() - now  # while the host did not listen, the board was not silent
            begun, heard, pinged = begun + own, heard + own, pinged + own
            end = min(max(heard, pinged) + self._quiet() * 2**asked, begun + self.timeout)
            came = self._move(end - time.monotonic())
            now = time.monotonic()
            if came:
                silence, heard = max(silence, now - heard), now
            elif end <= now < begun + self.timeout:
                if not (asked and self._give_up_frame()):
                    self._ping(flush=asked >= PINGS_ALONE)
                pinged, asked = now, asked + 1
            while self._inbox:
                got_on, answer = self._take(self._inbox.popleft())
                if got_on:
                    self._learn(False, silence)
                    begun, asked, silence = now, 0, 0.0
                if answer is not None:
                    yield answer
            # this is checked whatever came, because garbage may never end
            if now >= begun + self.timeout:
                raise Trouble("silence", f"the board has not got on for {self.timeout:g} s")

    def _fits(self, room: int) -> bool:
        return self._taken + room <= self.buffer_bytes

    def _queue(self, kind: Kind, payload: bytes, ping: bool = False) -> None:
        self._outgoing += bytes(Frame(kind, self._sequence, payload))
        self._unconsumed.append((len(payload) + STORED_BYTES, ping))
        self._taken += len(payload) + STORED_BYTES
        self._sequence = (self._sequence + 1) % SEQUENCES

    def _ping(self, flush: bool) -> None:
        """Make the board talk. If it missed a frame, it says so now; if the host missed one, it sees a gap."""
        before = len(self._outgoing)
        self._outgoing += FLUSH * flush
        if self._fits(PING_BYTES):
            self._queue(Kind.DESCRIBE, b"\0", ping=True)
        self.statistics.asked += len(self._outgoing) - before

    def _give_up_frame(self) -> bool:
        """End a frame of the board that has begun and is never completed. Returns whether other frames were found in
        it."""
        self._inbox.extend(self._parser.feed(FLUSH))
        return bool(self._inbox)

    def _move(self, seconds: float) -> bool:
        """Write and read as much as possible. Returns whether anything was read."""
        written, received = self.transport.exchange(self._outgoing, seconds)
        del self._outgoing[:written]
        self.statistics.sent += written
        self.statistics.received += len(received)
        self._inbox.extend(self._parser.feed(received))
        return bool(received)

    def _take(self, frame: Frame) -> tuple[bool, Frame | Status | None]:
        """Whether this frame shows progress of the board, and the frame if it is new. Raises Trouble."""
        ahead = (frame.sequence - self._expected) % SEQUENCES
        if ahead >= SEQUENCES // 2:
            return False, None
        if ahead:
            raise Trouble("gap", f"{ahead} frames of the board are missing")
        self._expected = (self._expected + 1) % SEQUENCES
        status = _status(frame)
        if status is None:
            return frame.kind == Kind.RESULT, frame
        return self._heed(status) or Event.DONE in status.events, status

    def _heed(self, status: Status) -> bool:
        """Whether the board has consumed a frame that is no ping. Consuming pings shows that it is alive, but no
        progress."""
        if self.has_network and Event.UNLOADED in status.events:
            raise Trouble("UNLOADED", "the board does not have the weights of its program")
        if status.events & _REFUSALS:
            names = " and ".join(event.name or "" for event in status.events & _REFUSALS)
            raise RuntimeError(f"the board refused a PRODUCT with {names}: it was not made for this board")
        if status.events & (_ERRORS | Event.RESET):
            cause = next(event.name or "" for event in status.events & (_ERRORS | Event.RESET))
            raise Trouble(cause, f"the board reports {cause}")
        open_frames = len(self._unconsumed)
        left = (self._sequence - status.consumed) % SEQUENCES
        if left > open_frames:
            raise Trouble("status", f"the board has {left} frames, of which {open_frames} were sent")
        gone = [self._unconsumed.popleft() for _ in range(open_frames - left)]
        self._taken -= sum(room for room, _ in gone)
        return not all(ping for _, ping in gone)


def _status(frame: Frame) -> Status | None:
    if frame.kind != Kind.STATUS or len(frame.payload) != Status.BYTES:
        return None
    return Status.parse(frame.payload)
