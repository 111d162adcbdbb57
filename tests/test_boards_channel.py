"""The host's driver against a modelled board in modelled time: when it asks a silent board, and what it believes."""

import numpy as np
import pytest
from fewbit import __version__
from fewbit.boards import Description, Device, LinkError
from fewbit.boards.host import channel
from fewbit.boards.host.tiles import frames, result_bytes, stream_bytes
from fewbit.boards.host.worker import TRIES
from fewbit.boards.link.protocol import BLOCK_BYTES, Event, Frame, Kind, Parser, Status
from fewbit.formats import Engine, Requantization, parse

INT8 = parse("int8")
ENGINE = Engine(INT8, INT8, Requantization(parse("float32")), rows=2, columns=2, tile_m=4, max_k=256)
C_WORD = b"\x11\x22\x33\x44"


class Board:
    """A board on a line of a baud rate, in a time of its own that passes only while the host waits.

    Parameters
    ----------
    baud: of the line; a byte takes ten bits
    latency: seconds from the board's last bit to the host
    thinking: seconds that a product takes besides the line
    excess: bytes of C too many that it gives, for the first product alone unless ``always``
    """

    def __init__(self, baud=3_000_000, latency=0.001, thinking=0.0, excess=0, always=False):
        self.name = "modelled"
        self.time = 0.0
        self.description = Description("modelled", ENGINE, 12_000_000, baud, 2048, __version__)
        self._byte = 10 / baud
        self._latency, self._thinking = latency, thinking
        self._excess, self._always = excess, always
        self._parser = Parser()
        self._line_free = self._answer_free = 0.0
        self._coming: list[tuple[float, bytes]] = []
        self._sequence = self._expected = self._w = 0
        self._size = (0, 0, 0)

    def exchange(self, data, seconds):
        """All goes into the driver's buffer at once, as on a real machine; the line takes its time."""
        for byte in bytes(data):
            self._line_free = max(self._line_free, self.time) + self._byte
            for frame in self._parser.feed(bytes([byte])):
                self._obey(frame, self._line_free)
        if not data:
            arrival = self._coming[0][0] if self._coming else self.time + seconds
            self.time = max(self.time, min(arrival, self.time + max(0.0, seconds)))
        received = b""
        while self._coming and self._coming[0][0] <= self.time:
            received += self._coming.pop(0)[1]
        return len(data), received

    def close(self):
        pass

    def _send(self, kind, payload, when):
        frame = bytes(Frame(kind, self._sequence, payload))
        self._sequence += 1
        self._answer_free = max(self._answer_free, when) + len(frame) * self._byte
        self._coming.append((self._answer_free + self._latency, frame))

    def _status(self, when, events=0):
        self._send(Kind.STATUS, bytes(Status(Event(events), self._expected, self._expected, 7)), when)

    def _obey(self, frame, when):
        if frame.kind == Kind.RESET:
            self._sequence, self._expected = 0, (frame.sequence + 1) % 65536
            return self._status(when, Event.RESET)
        if frame.sequence != self._expected:
            return self._status(when, Event.SEQUENCE)
        self._expected = (self._expected + 1) % 65536
        if frame.kind == Kind.DESCRIBE:
            text = self.description.text().encode()
            content = len(text).to_bytes(2, "little") + text
            block = content[frame.payload[0] * BLOCK_BYTES :][:BLOCK_BYTES].ljust(BLOCK_BYTES, b"\0")
            self._send(Kind.DESCRIPTION, frame.payload[:1] + block, when)
        elif frame.kind == Kind.PRODUCT:
            self._size = tuple(int.from_bytes(frame.payload[place : place + 2], "little") for place in (0, 4, 2))
            self._w = 0
        self._w += len(frame.payload) * (frame.kind == Kind.W)
        self._status(when)
        m, k, n = self._size
        if frame.kind == Kind.W and self._w == stream_bytes(ENGINE, m, k, n)["w"]:
            self._give(result_bytes(ENGINE, m, n), when + self._thinking)

    def _give(self, size, when):
        content = (C_WORD * size)[:size]
        for start in range(0, size, 255):
            self._send(Kind.RESULT, content[start : start + 255], when)
        if self._excess:
            self._send(Kind.RESULT, b"\xee" * self._excess, when)
            self._excess *= self._always
        self._status(when, Event.DONE)


@pytest.fixture
def connected(monkeypatch):
    """Makes devices of modelled boards, whose time is the driver's."""

    def connect(**options):
        board = Board(**options)
        monkeypatch.setattr(channel.time, "monotonic", lambda: board.time)
        return Device(board, seed=1)

    return connect


def zeros(m, k, n):
    return np.zeros((m, k), int), np.zeros((k, n), int)


@pytest.mark.parametrize("baud", [115_200, 460_800, 921_600, 3_000_000])
@pytest.mark.parametrize("latency", [0.001, 0.016])
@pytest.mark.parametrize("thinking", [0.0, 0.3])
def test_a_slow_board_is_not_flooded(connected, baud, latency, thinking):
    device = connected(baud=baud, latency=latency, thinking=thinking)
    for _ in range(3):
        sent, asked = device.statistics.sent, device.statistics.asked
        device.matmul(*zeros(8, 256, 64))
        # a product that takes long is asked after, in steps that double; what takes no longer than the line is not
        most = 20 + 3000 * bool(thinking)
        assert device.statistics.asked - asked <= most < 0.1 * (device.statistics.sent - sent)
    assert not device.statistics.retries and device.statistics.resets == 1


@pytest.mark.parametrize("rows", [4, 12], ids=["one tile", "three tiles"])
@pytest.mark.parametrize("excess", [4, 32], ids=["a word", "as much as a tile"])
def test_a_product_of_a_wrong_length_is_computed_again(connected, rows, excess):
    device = connected(excess=excess)
    found = device.matmul(*zeros(rows, 8, 2), codes=True)
    assert (found == int.from_bytes(C_WORD, "little")).all()
    assert device.statistics.retries == {"result": 1}
    device = connected(excess=excess, always=True)
    with pytest.raises(LinkError, match=f"a product has more bytes than C; none of the {rows} rows of C were done"):
        device.matmul(*zeros(rows, 8, 2))


STALE = bytes(Frame(Kind.STATUS, 65535, bytes(Status(Event(0), 0, 0, 0))))


@pytest.mark.parametrize("flood", [b"\xff", b"\xa5" * 64, STALE], ids=["one byte", "headers", "stale frames"])
@pytest.mark.parametrize("before", [0, 5], ids=["from the first byte on", "in the middle"])
def test_a_flood_without_end_is_given_up(connected, flood, before):
    device = connected(baud=115_200)
    board, given_up = device._session.channel.transport, 2 * TRIES * device._session.channel.timeout
    answer, left = board.exchange, [before]

    def flooded(data, seconds):
        if left[0]:
            left[0] -= 1
            return answer(data, seconds)
        board.time += len(flood) * board._byte
        assert board.time < given_up, "the flood is read for ever"
        return len(data), flood

    board.exchange = flooded
    with pytest.raises(LinkError, match="5 tries in a row brought nothing, lastly: no answer to a RESET within 2 s"):
        device.matmul(*zeros(40, 8, 2))


@pytest.mark.parametrize("timeout", [0, -1.0, float("nan"), "2"])
def test_a_timeout_that_is_none_is_refused(timeout):
    with pytest.raises(ValueError, match="timeout must be above 0 seconds, not"):
        Device.open("sim", timeout=timeout)


def test_the_hosts_own_time_is_no_silence_of_the_board(connected, monkeypatch):
    device = connected()
    board = device._session.channel.transport

    def slow(*arguments):
        for piece in frames(*arguments):
            board.time += 3 * device._session.channel.timeout
            yield piece

    monkeypatch.setattr("fewbit.boards.host.device.frames", slow)
    device.matmul(*zeros(4, 8, 2))
    assert not device.statistics.retries
